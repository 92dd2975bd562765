"""The contracts hold on a second backend too, and so do the gradients that are easily lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import genrezoo

TESTS = Path(__file__).parents[1]
FILES = (
    "contracts/test_model_contract.py",
    "contracts/test_layer_contract.py",
    "contracts/test_rule_contract.py",
    "contracts/test_composition_contract.py",
)
GRADIENTS = (
    "layers/test_stabiliser.py::test_gradient_is_finite_where_states_are_zero",
    "layers/test_cells.py::test_compiled_training_step_follows_the_plain_loop",
)
ONCE = ("reload", "documented", "broken", "good_composition", "heads", "wrong_rank", "layer_arguments", "refusals")
"""What has nothing to do with the backend, or is about the checks themselves, is checked once."""


@pytest.mark.parametrize(("which", "unoptimised"), [("not resnet50", "1"), ("resnet50", "0")])
def test_contracts_pass_on_jax(which, unoptimised):
    which = " and ".join([which, *(f"not {name}" for name in ONCE)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", which, *FILES, *GRADIENTS]
    # compiling takes the time here, not running; except for 50 layers of convolutions
    quick = {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": unoptimised}
    paths = os.pathsep.join([str(Path(genrezoo.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": paths, "PYTEST_ADDOPTS": "", **quick}
    done = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
