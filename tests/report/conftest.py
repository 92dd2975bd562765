"""Made-up folders of results that the tests of the report share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from made_results import Rows, add_blank, add_results

from genrezoo.report import leaderboard
from genrezoo.report.benchmark.records import Leaderboard


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets, three recipes of three seeds, two baselines, one refused, one failed. Not to be changed."""
    folder = tmp_path_factory.mktemp("results") / "a"
    fill(folder)
    return folder


@pytest.fixture(scope="session")
def report(written: Path) -> Leaderboard:
    return leaderboard(written)


@pytest.fixture
def results(written: Path, tmp_path: Path) -> Path:
    """Its first data set in a folder of its own, to be broken."""
    folder = Path(shutil.copytree(written, tmp_path / "a"))
    lines = (folder / "rows.jsonl").read_text("utf-8").splitlines(keepends=True)
    (folder / "rows.jsonl").write_text("".join(line for line in lines if '"mfcc4"' in line), encoding="utf-8")
    return folder


def fill(folder: Path) -> None:
    zoo, baselines = {"lstm": 1.6, "gru": 1.55, "mlp": 0.4}, {"forest": 1.0, "logistic": 0.6}
    add_results(folder, zoo=zoo, baselines=baselines)
    ceilings = {"bayes": 0.905, "order_free": 0.516}
    add_results(
        folder, data="synthetic", provenance="random", zoo=zoo, baselines=baselines, ceilings=ceilings, duplicates=3
    )
    add_blank(folder, "image_cnn", "refused", "the songs are tables, an image was expected")
    add_blank(folder, "cascade", "failed", "out of memory after 3 epochs")
    recipes = [{"recipe": name, "name": None, "changes": {}} for name in zoo]
    suite = {
        "name": "quick",
        "summary": "For tests",
        "recipes": recipes,
        "baselines": list(baselines),
        "seeds": 3,
        "changes": {},
    }
    suite["data"] = [{"source": "mfcc4.npz"}, {"source": "my songs.npz"}]
    (folder / "suite.json").write_text(json.dumps(suite), encoding="utf-8")


@pytest.fixture(scope="session")
def rows_of() -> Callable[[Path], Rows]:
    return lambda folder: [json.loads(line) for line in (folder / "rows.jsonl").read_text("utf-8").splitlines()]
