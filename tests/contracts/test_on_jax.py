"""The contracts of models, layers and rules hold on a second backend."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# What has nothing to do with the backend is checked once.
CHECKS = "not reload and not documented"
CONTRACTS = ("test_model_contract.py", "test_layer_contract.py", "test_rule_contract.py")


def test_contracts_pass_on_jax():
    here = Path(__file__).parent
    files = [str(here / name) for name in CONTRACTS]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", CHECKS, *files]
    quick = {
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }  # compiling takes the time here, not running
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTEST_ADDOPTS": "", **quick}
    done = subprocess.run(command, cwd=here.parents[1], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
