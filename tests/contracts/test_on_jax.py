"""The contracts hold on a second backend too, and so do the gradients that are easily lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import genrezoo

TESTS = Path(__file__).parents[1]
GRADIENTS = (
    "layers/test_stabiliser.py::test_gradient_is_finite_where_states_are_zero",
    "layers/test_cells.py::test_compiled_training_step_follows_the_plain_loop",
)
MODEL, LAYER, RULE, COMPOSITION = (
    f"contracts/test_{kind}_contract.py" for kind in ("model", "layer", "rule", "composition")
)
ONCE = (
    "reload",
    "documented",
    "example",
    "broken",
    "good_composition",
    "heads",
    "wrong_rank",
    "layer_arguments",
    "refusals",
    "has_a",
)
"""What has nothing to do with the backend, or is about the checks themselves, is checked once."""


def run_on_jax(*tests: str, which: str = "", optimised: bool = False) -> None:
    which = " and ".join([*filter(None, [which]), *(f"not {name}" for name in ONCE)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", which, *tests]
    # compiling takes the time here, not running; except for many layers of convolutions
    quick = {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": str(int(not optimised))}
    paths = os.pathsep.join([str(Path(genrezoo.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": paths, "PYTEST_ADDOPTS": "", **quick}
    done = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.mark.slow
def test_layers_and_rules_pass_on_jax():
    run_on_jax(LAYER, RULE, *GRADIENTS)


@pytest.mark.slow
def test_averaged_weights_on_jax():
    run_on_jax("training/test_averaging.py", which="by_hand or zero")


@pytest.mark.slow
def test_all_models_and_compositions_pass_on_jax():
    run_on_jax(MODEL, COMPOSITION, which="not resnet50 and not efficientnet")


@pytest.mark.slow
@pytest.mark.parametrize("network", ["resnet50", "efficientnet and not learns"])
def test_deep_networks_on_images_pass_on_jax(network):
    run_on_jax(MODEL, which=network, optimised=True)
