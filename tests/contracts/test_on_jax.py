"""The contracts of models, layers and rules hold on a second backend."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONTRACTS = ("test_model_contract.py", "test_layer_contract.py", "test_rule_contract.py")


def test_contracts_pass_on_jax():
    here = Path(__file__).parent
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(here / name) for name in CONTRACTS)]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=here.parents[1], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
