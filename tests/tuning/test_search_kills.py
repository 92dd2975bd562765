"""Killed searches lose nothing and do nothing twice: some cases of ``benchmarks/kill_search.py``."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import genrezoo

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "kill_search.py"


def run_benchmark(*arguments):
    """Lets it run; what it has printed, a line a case."""
    path = os.pathsep.join([str(Path(genrezoo.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(BENCHMARK), *arguments]
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stdout
    *cases, total = done.stdout.splitlines()
    assert total == f"{len(cases)} cases, 0 faults"
    return cases


@pytest.mark.slow
def test_whatever_happens_nothing_is_lost():
    cases = run_benchmark("steps", "cuts", "cluster", "--step", "half of ask", "--step", "cleaning", "--cuts", "4")
    assert Counter(case.partition(":")[0] for case in cases) == {"steps": 3, "cuts": 4, "cluster": 1}
