"""Killed searches lose nothing and do nothing twice: some cases of ``benchmarks/kill_search.py``."""

import os
import subprocess
import sys
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
def test_killed_at_steps_a_search_ends_as_if_it_had_not_been():
    steps = ("half of ask", "cleaning")
    assert len(run_benchmark("steps", *(word for step in steps for word in ("--step", step)))) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "cases"),
    [(["steps"], 34), (["cuts"], 50), (["cluster"], 1)],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_whatever_happens_nothing_is_lost(arguments, cases):
    assert len(run_benchmark(*arguments)) >= cases
