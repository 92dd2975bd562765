"""Repeated splits in the report: boards of their own, corrected intervals, and what is said of them."""

import csv
import io
import json

import numpy as np
import pytest
from made_results import append
from rich.console import Console
from scipy import stats

from genrezoo.errors import DataError
from genrezoo.report import leaderboard, print_leaderboard, render
from genrezoo.report.benchmark.repeats_view import cautions, summary

SIZES = {"train": 60, "valid": 20, "test": 20}
ACCURACIES = {  # of five splits
    "strong": (0.80, 0.82, 0.81, 0.83, 0.80),
    "alike": (0.71, 0.70, 0.75, 0.70, 0.72),
    "svm": (0.70, 0.72, 0.71, 0.73, 0.71),
    "lucky": (0.75, 0.78, 0.77, 0.79, 0.75),
    "weak": (0.30, 0.31, 0.33, 0.32, 0.30),
}
VALID = {"svm": 0.74, "lucky": 0.60}


def add_repeat(folder, name, repeat, accuracy, *, seed=None, valid=0.7, **changes):
    """A row of a repeated split."""
    seed = repeat if seed is None else seed
    scores = {"macro_f1": accuracy - 0.01, "log_loss": 1.0, "calibration_error": 0.1}
    bounds = {key: [0.0, 1.0] for key in ("accuracy", *scores)}
    row = {
        "schema": 2, "kind": "accuracy", "status": "ok", "key": f"{name}{repeat}{seed}", "recipe": name, "model": name,
        "family": "baseline" if name in VALID else "zoo", "seed": seed, "settings": {"chosen": {"C": repeat}},
        "data": "toy", "checksum": f"split {repeat}", "provenance": "repeated, stratified", "repeat": repeat,
        "pooled": "the same", "sizes": SIZES, "genres": ["a", "b"], "run": f"runs/{name}", "train_seconds": 2.0,
        "valid": {"accuracy": VALID.get(name, valid), **scores},
        "test": {"accuracy": accuracy, **scores, "intervals": bounds}, **changes,
    }  # fmt: skip
    append(folder, row)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repeats")
    for name, values in ACCURACIES.items():
        for repeat, accuracy in enumerate(values, 1):
            add_repeat(folder, name, repeat, accuracy)
    return folder


def corrected(values):
    error = np.sqrt(np.var(values, ddof=1) * (1 / len(values) + 20 / 60))
    return stats.t.interval(0.95, len(values) - 1, np.mean(values), error), error


def test_means_and_differences_have_corrected_intervals(folder):
    report = leaderboard(folder)
    assert report.boards == ()  # the rows of repeats stand on no ordinary leaderboard
    (board,) = report.repeated
    assert board.reference == "svm"  # best by validation, though the other baseline is better on the test songs
    assert [entry.name for entry in board.entries] == ["strong", "lucky", "alike", "svm", "weak"]
    entries = {entry.name: entry for entry in board.entries}
    for name, values in ACCURACIES.items():
        bounds, _ = corrected(values)
        estimate = entries[name].accuracy
        assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((np.mean(values), *bounds))
    assert entries["svm"].difference is None
    others = [name for name in entries if name != "svm"]
    p = {}
    for name in others:
        differences = np.subtract(ACCURACIES[name], ACCURACIES["svm"])
        bounds, error = corrected(differences)
        estimate = entries[name].difference
        assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((differences.mean(), *bounds))
        p[name] = 2 * stats.t.sf(abs(differences.mean()) / error, 4)
        assert entries[name].p == pytest.approx(p[name])
    rising, least = sorted(others, key=p.get), 0.0
    for place, name in enumerate(rising):  # Holm: the smallest times four, the next times three, never falling
        least = max(least, min(1.0, p[name] * (4 - place)))
        assert entries[name].adjusted == pytest.approx(least)


def test_the_first_sentence_says_which_differences_are_real(folder):
    (board,) = leaderboard(folder).repeated
    text = summary(board)
    assert text.startswith("Over 5 splits of toy, strong (+9.8 points [")
    assert "and lucky (+5.4 points [" in text
    assert "are more accurate and weak (−40.2 points [" in text
    assert "than the baseline with the best validation accuracy, svm (71.4\u00a0%)." in text
    assert text.endswith("The other models (1) do not differ significantly from it.")


def test_validation_accuracies_that_are_out_of_fold_are_named_beside_others(tmp_path):
    scores = {"accuracy": 0.9, "macro_f1": 0.9, "log_loss": 0.4, "calibration_error": 0.1}
    for repeat in (1, 2):
        add_repeat(tmp_path, "svm", repeat, 0.7)
        add_repeat(tmp_path, "bagged", repeat, 0.7, out_of_fold=scores)
    (board,) = leaderboard(tmp_path).repeated
    assert "The validation accuracies of bagged are out of fold" in " ".join(cautions(board))


def test_songs_on_two_sides_are_counted_over_the_splits(tmp_path):
    add_repeat(tmp_path / "one", "svm", 1, 0.7, duplicates=1)
    (board,) = leaderboard(tmp_path / "one").repeated
    assert "On average 1 song occurs bit-identical in more than one split" in " ".join(cautions(board))
    for repeat, number in enumerate((2, 5), 1):
        add_repeat(tmp_path, "svm", repeat, 0.7, duplicates=number)
    (board,) = leaderboard(tmp_path).repeated
    assert "On average 3.5 songs occur bit-identical in more than one split" in " ".join(cautions(board))


def test_every_output_shows_them(folder, tmp_path):
    page = render(folder, tmp_path).read_text(encoding="utf-8")
    text = (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
    (figure,) = (tmp_path / "figures").iterdir()
    assert f"](figures/{figure.name})" in text
    assert "## toy: repeated splits\n\nOver 5 splits of toy," in text
    assert "toy: repeated splits</h2>" in page
    assert all("songs of one artist" in shown for shown in (text, page))  # they were split without regard to artists
    with open(tmp_path / "repeats.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == ["strong", "lucky", "alike", "svm", "weak"]
    assert float(rows[0]["accuracy"]) == pytest.approx(0.812)
    assert float(rows[0]["difference"]) == pytest.approx(0.098)
    assert rows[3]["difference"] == ""
    console = Console(width=100, record=True, file=io.StringIO())
    print_leaderboard(folder, console)
    shown = console.export_text()
    assert "+9.8 [" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_seeds_of_a_split_are_averaged_and_pairs_are_of_the_same_splits(folder, tmp_path):
    for repeat, accuracy in enumerate((0.7, 0.72, 0.74), 1):
        add_repeat(tmp_path, "svm", repeat, accuracy)
    for repeat in (2, 3, 4):
        for seed, accuracy in ((1, 0.7), (2, 0.8 + repeat / 100)):
            add_repeat(tmp_path, "strong", repeat, accuracy, seed=seed)
    (board,) = leaderboard(tmp_path).repeated
    (strong,) = (entry for entry in board.entries if entry.name == "strong")
    assert strong.splits == (2, 3, 4)
    assert dict(strong.accuracies) == pytest.approx({2: 0.76, 3: 0.765, 4: 0.77})
    assert strong.difference.mean == pytest.approx(np.mean([0.76 - 0.72, 0.765 - 0.74]))


def test_without_a_baseline_or_a_second_split_nothing_is_compared(tmp_path):
    add_repeat(tmp_path, "strong", 1, 0.8)
    (board,) = leaderboard(tmp_path).repeated
    assert board.reference is None
    assert "No baseline was measured" in summary(board)
    add_repeat(tmp_path, "svm", 1, 0.7)
    (board,) = leaderboard(tmp_path).repeated
    assert [entry.accuracy for entry in board.entries] == [0.8, 0.7]
    assert "no model differs significantly from the baseline" in summary(board)
    assert "; 0 were compared." in summary(board)
    render(tmp_path, tmp_path / "out")
    assert not list((tmp_path / "out").glob("figures/*"))


def test_rows_without_sizes_are_refused(tmp_path):
    for repeat in (1, 2):
        add_repeat(tmp_path, "svm", repeat, 0.7, sizes={})
    with pytest.raises(DataError, match="repeated splits of toy lacks the sizes of train and test"):
        leaderboard(tmp_path)


def test_ordinary_rows_of_the_same_songs_stay_apart(written, folder, tmp_path):
    for path in (written, folder):
        lines = (path / "rows.jsonl").read_text("utf-8").splitlines()
        for line in lines:
            append(tmp_path, {**json.loads(line), "data": "toy"})
    report = leaderboard(tmp_path)
    assert {entry.name for board in report.boards for entry in board.entries}.isdisjoint(ACCURACIES)
    assert [entry.name for entry in report.repeated[0].entries] == ["strong", "lucky", "alike", "svm", "weak"]
