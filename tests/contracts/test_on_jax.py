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
AVERAGES = tuple(
    f"training/test_averaging.py::test_{name}"
    for name in (
        "the_exponential_average_by_hand",
        "the_mean_over_epochs_by_hand",
        "a_weight_that_is_held_at_zero_has_an_average_of_zero",
    )
)
PRUNING = "training/test_pruning.py::test_zeros_stay_exactly_zero_and_the_rest_goes_on[sgd]"
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
    "has_a_case",
)
"""What has nothing to do with the backend, or is about the checks themselves, is checked once."""


COMPILES_FAST = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
"""Compiling takes the time here, not running; so it takes a third."""


def run_on_jax(*tests: str, which: str = "") -> None:
    which = " and ".join([*filter(None, [which]), *(f"not {name}" for name in ONCE)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", which, *tests]
    quick = {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "XLA_FLAGS": COMPILES_FAST}
    paths = os.pathsep.join([str(Path(genrezoo.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": paths, "PYTEST_ADDOPTS": "", **quick}
    done = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.mark.slow
def test_layers_rules_averaged_and_pruned_weights_and_compositions_pass_on_jax():
    run_on_jax(LAYER, RULE, *GRADIENTS, *AVERAGES, PRUNING, COMPOSITION)


@pytest.mark.slow
def test_all_models_pass_on_jax():
    # of the deep networks on images, smaller networks of the same layers are built twice, seeded and trained
    run_on_jax(MODEL, which="not ((resnet50 or efficientnet) and (builds or seed or learns))")
