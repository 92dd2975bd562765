"""Searches killed at each step of a trial's life, and with journals cut off: nothing lost, nothing twice."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import genrezoo
from genrezoo.recipes import get_recipe
from genrezoo.training.checkpoint import read_history
from genrezoo.tuning import load_search

BUDGET = 4
STEPS = [
    ("before x.npy", 1), ("before manifest.json", 1), ("before search", 0), ("half of search", 0), ("after search", 0),
    ("before ask", 0), ("half of ask", 1), ("after ask", 0), ("after ask", BUDGET - 1), ("after start", 2),
    ("before end", 0), ("half of end", 1), ("before end", BUDGET - 1), ("after end", 0), ("after end", BUDGET - 1),
    ("cleaning", 1), ("before best.json", 1), ("after best.json", 1), ("before best", 1), ("after best", 1),
    ("before finish", 0), ("half of finish", 0), ("after finish", 0),
]  # fmt: skip


class Server:
    """See `dying`."""

    def __init__(self):
        path = os.pathsep.join([str(Path(genrezoo.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("dying.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"},
        )
        assert self.process.stdout.readline() == "ready\n"

    def search(self, out, **request):
        """Runs the search; its exit code."""
        self.process.stdin.write(json.dumps({"out": str(out), **request}) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def real():
    """A server of searches with real trials."""
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def server(real, tmp_path_factory):
    """A server of searches whose trials take no time."""
    folder = tmp_path_factory.mktemp("real") / "search"
    assert real.search(folder, max_trials=1) == 0

    def search(out, **request):
        return real.search(out, run=str(folder / "best"), **request)

    return SimpleNamespace(search=search)


@pytest.fixture(scope="module")
def whole(server, tmp_path_factory):
    """A search that nobody touched."""
    folder = tmp_path_factory.mktemp("whole") / "search"
    assert server.search(folder) == 0
    return folder


def whole_lines(folder):
    """What the journal says for certain."""
    path = folder / "journal.jsonl"
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def found(folder):
    return [(trial.number, trial.point, trial.by, trial.status, trial.score) for trial in load_search(folder).trials]


def check(folder, whole, before=b""):
    """The budget is spent, each trial ended once, and nothing that was written has gone."""
    content = whole_lines(folder)
    assert content.startswith(before)
    told = [json.loads(line) for line in content.splitlines()]
    ends = [event["trial"] for event in told if event["event"] == "end"]
    asks = [event["point"] for event in told if event["event"] == "ask"]
    assert sorted(ends) == list(range(BUDGET))
    assert len(set(asks)) == len(asks) == BUDGET
    assert [event["event"] for event in told].count("finish") == 1
    assert told[-1]["event"] == "finish"
    assert found(folder) == found(whole)
    search = load_search(folder)
    assert (folder / "best").resolve() == (folder / "trials" / f"{search.best.number:04d}").resolve()
    assert [path.name for path in (folder / "trials").iterdir()] == [f"{search.best.number:04d}"]
    assert (folder / "best" / "card.json").exists()
    assert get_recipe(folder / "best.json") == search.recipe()


@pytest.mark.parametrize(("step", "number"), STEPS)
def test_killed_at_any_step_a_search_ends_as_if_it_had_not_been(server, whole, tmp_path, step, number):
    folder = tmp_path / "search"
    assert server.search(folder, step=step, number=number) == -9
    before = whole_lines(folder)
    assert server.search(folder) == 0
    check(folder, whole, before)


def test_a_search_that_is_killed_at_every_step_in_turn_still_spends_its_budget(server, whole, tmp_path):
    folder = tmp_path / "search"
    for number in range(BUDGET):
        for step in ("after ask", "before end", "after end"):
            before = whole_lines(folder)
            assert server.search(folder, step=step, number=number) == -9
            assert whole_lines(folder).startswith(before)
    assert server.search(folder) == 0
    check(folder, whole, before)


def test_a_killed_search_goes_on_with_a_training_that_was_under_way(real, tmp_path):
    folder = tmp_path / "search"
    assert real.search(folder, max_trials=2, step="training", number=1) == -9
    before = whole_lines(folder)
    saved = read_history(folder / "trials" / "0001" / "checkpoint.safetensors")
    assert real.search(folder, max_trials=2) == 0
    assert whole_lines(folder).startswith(before)
    told = [json.loads(line) for line in whole_lines(folder).splitlines()]
    starts = [(event["trial"], event["attempt"]) for event in told if event["event"] == "start"]
    assert starts == [(0, 1), (1, 1), (1, 2)]
    ends = [event for event in told if event["event"] == "end"]
    assert [(end["trial"], end["status"]) for end in ends] == [(0, "completed"), (1, "completed")]
    course = ends[1]["history"]["valid_loss"]
    assert 1 <= len(saved) < len(course) == 20
    assert course[: len(saved)] == pytest.approx([epoch["valid_loss"] for epoch in saved], rel=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.65, 0.75, 0.85, 0.95, 0.999])
def test_a_journal_that_was_cut_off_is_gone_on_with_or_refused(server, whole, tmp_path, share):
    folder = tmp_path / "search"
    shutil.copytree(whole, folder, symlinks=True)
    path = folder / "journal.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    code = server.search(folder)
    if content.index(b"\n") < share * len(content):
        assert code == 0
        check(folder, whole)
    else:  # the plan is gone, and with it what the folder is about
        assert code == 2
        assert str(folder) in Path(f"{folder}.said").read_text()
        assert path.read_bytes() in content


def test_a_journal_damaged_before_its_end_is_refused(server, whole, tmp_path):
    folder = tmp_path / "search"
    shutil.copytree(whole, folder, symlinks=True)
    path = folder / "journal.jsonl"
    damaged = path.read_bytes().splitlines(keepends=True)
    damaged[3] = damaged[3][:20] + b"\n"
    path.write_bytes(b"".join(damaged))
    assert server.search(folder) == 2
    said = Path(f"{folder}.said").read_text()
    assert str(path) in said
    assert "line 4" in said
    assert path.read_bytes() == b"".join(damaged)
