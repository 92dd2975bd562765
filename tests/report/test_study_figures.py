"""The figures that suites ask for, drawn from rows and histories alone."""

import json
import re
import xml.etree.ElementTree as ElementTree
from statistics import fmean

import pytest
from made_results import add_results, append, write_history
from matplotlib.axes import Axes

from genrezoo.errors import DataError
from genrezoo.evaluation import mean_interval
from genrezoo.report import leaderboard, print_leaderboard, render
from genrezoo.report.benchmark import study_figures
from genrezoo.report.benchmark.leaderboard import read_plans
from genrezoo.report.benchmark.rendering import markdown
from genrezoo.report.benchmark.results import Source
from genrezoo.report.benchmark.study_figures import draw_studies
from genrezoo.report.benchmark.study_values import entries_of, estimate, label_of, labels_of
from genrezoo.report.style.learning_curves import COLUMNS, over_seeds

HEATMAP = {"kind": "heatmap", "title": "Map", "entrants": ["size"], "x": "units", "y": "l2"}
BARS = {
    "kind": "bars",
    "title": "Bars",
    "entrants": ["forest", "conv", "size"],
    "values": ["valid_accuracy", "heads.a"],
}
CURVES = {"kind": "curves", "title": "Curves", "best": 2, "caption": "As in the report."}
ZOO = {"conv": 0.5, "small": 0.3, "large": 1.0, "small_l2": 0.2, "large_l2": 1.6}
AXES = {"small": (8, 0.1), "large": (16, 0.1), "small_l2": (8, 0.5), "large_l2": (16, 0.5)}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Four cells of a grid, a recipe with a label and a reported figure, and a baseline; three seeds each."""
    folder = tmp_path_factory.mktemp("study") / "out"
    add_results(folder, zoo=ZOO, baselines={"forest": 0.8}, songs=60, resamples=20)
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text("utf-8").splitlines()]
    (folder / "rows.jsonl").unlink()
    for row in rows:
        if row["recipe"] in AXES:
            row |= {"study": "size", "axes": dict(zip(("units", "l2"), AXES[row["recipe"]], strict=True))}
        elif row["recipe"] == "conv":
            row |= {"label": "convolution"}
        if row["kind"] == "accuracy" and row["family"] == "zoo":
            row["seconds_per_epoch"] = 1.0 + row["seed"] + 10.0 * (row["recipe"] == "large")
            row["heads"] = {"a": {"valid": 0.25, "test": 0.3}} if row["recipe"] == "conv" else {}
            row["settings"]["reported"] = {"MSD-10 validation accuracy": "0.63"} if row["recipe"] == "conv" else {}
            if row["seed"] == 1:
                seconds = {"mean": 2.0, "min": 1.5, "max": 2.75, "variance": 0.25}
                keys = {
                    key: row[key]
                    for key in ("schema", "key", "recipe", "family", "seed", "data", "checksum", "provenance")
                }
                append(folder, {**keys, "kind": "passes", "status": "ok", "reason": None, "seconds": seconds})
        append(folder, row)
    suite = {"name": "s", "figures": [HEATMAP, BARS, CURVES], "reported": True}
    (folder / "suite.json").write_text(json.dumps(suite), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def board(study):
    return leaderboard(study).boards[0]


@pytest.fixture
def written_texts(monkeypatch):
    """Every text that figures write, because letters are drawn as paths."""
    texts = []
    for name in ("text", "annotate", "set_title"):
        original = getattr(Axes, name)

        def record(self, *values, original=original, **options):
            texts.extend(str(value) for value in values if isinstance(value, str))
            return original(self, *values, **options)

        monkeypatch.setattr(Axes, name, record)
    return texts


def plan_of(**parts):
    return read_plans([Source("f", 1, "", {"figures": [{"title": "t", **parts}]})])[0]


def line(board, name):
    return next(line for line in board.entries if line.name == name)


def test_every_figure_of_the_suite_is_drawn_before_the_leaderboard(study, tmp_path):
    page = render(study, tmp_path)
    text = page.read_text(encoding="utf-8")
    places = [text.index(f"<h3>{title}</h3>") for title in ("Map", "Bars", "Curves", "Leaderboard")]
    assert places == sorted(places)
    assert "As in the report." in text
    names = [path.stem for path in sorted((tmp_path / "figures").glob("*-study-*.svg"))]
    assert names == ["1-mfcc4-study-1", "1-mfcc4-study-2", "1-mfcc4-study-3"]
    ids = [set(re.findall(r'\bid="([^"]+)"', path.read_text("utf-8"))) for path in (tmp_path / "figures").glob("*.svg")]
    assert len(set.union(*ids)) == sum(map(len, ids))
    for path in (tmp_path / "figures").glob("*-study-*.svg"):
        ElementTree.parse(path)


def test_peaks_are_those_of_the_histories_and_intervals_are_over_seeds(study, board):
    found = line(board, "conv")
    for seed, peak in enumerate(found.measured["valid_accuracy"], 1):
        run = next(run for run in (study / "runs").iterdir() if run.name.startswith(f"0-{seed}-"))
        history = (run / "history.csv").read_text("utf-8").splitlines()[1:]
        assert peak == max(float(record.split(",")[6]) for record in history)
    assert estimate(found, "valid_accuracy") == mean_interval(found.measured["valid_accuracy"])
    assert estimate(found, "seconds_per_pass") == (2.0, 1.5, 2.75)
    assert estimate(found, "heads.a") == (0.25, 0.25, 0.25)
    assert estimate(line(board, "forest"), "seconds_per_epoch") is None
    assert estimate(line(board, "large"), "heads.a") is None


def test_lines_come_in_the_order_asked_for_and_grids_in_that_of_their_axes(board):
    plan = plan_of(kind="bars", entrants=["forest", "size", "conv", "large"])
    assert [one.name for one in entries_of(board, plan)] == ["forest", "small", "small_l2", "large", "large_l2", "conv"]
    assert len(entries_of(board, plan_of(kind="bars"))) == 6
    assert entries_of(board, plan_of(kind="bars", entrants=["nobody"])) == []
    assert [label_of(line(board, name)) for name in ("conv", "large", "forest")] == [
        "convolution", "units 16, l2 0.1", "forest"
    ]  # fmt: skip


def test_a_heat_map_holds_the_mean_of_every_cell(board, written_texts):
    plan = plan_of(kind="heatmap", x="units", y="l2", values=["valid_accuracy", "seconds_per_epoch"])
    (drawing,) = draw_studies(board, 1, [plan])
    cells = [text.split("\n")[0] for text in written_texts if "±" in text]
    means = [f"{100 * fmean(line(board, name).measured['valid_accuracy']):.1f}" for name in AXES]
    assert sorted(cells[:4]) == sorted(means)
    assert sorted(cells[4:]) == ["13.0", "3.00", "3.00", "3.00"]  # seeds 1 to 3, and ten more for the large one
    assert "of several recipes" not in drawing.caption


def test_a_place_with_several_lines_shows_the_best_by_validation_and_says_so(board, written_texts):
    (drawing,) = draw_studies(board, 1, [plan_of(kind="bars", x="units")])
    best = [max(fmean(line(board, name).measured["valid_accuracy"]) for name in pair)
            for pair in (("small", "small_l2"), ("large", "large_l2"))]  # fmt: skip
    assert [text for text in written_texts if re.fullmatch(r"\d+\.\d", text)] == [
        f"{100 * value:.1f}" for value in best
    ]
    assert "A position of several recipes" in drawing.caption


def test_curves_show_the_best_by_validation_accuracy(board, monkeypatch):
    seen = {}

    def curves(histories, name, bands, show):
        seen.update(histories=histories, bands=bands)
        return ""

    monkeypatch.setattr(study_figures, "learning_curves", curves)
    (drawing,) = draw_studies(board, 1, [plan_of(kind="curves", best=2)])
    trained = sorted(
        (one for one in board.entries if one.histories), key=lambda one: -fmean(one.measured["valid_accuracy"])
    )
    assert list(seen["histories"]) == [label_of(one) for one in trained[:2]] == list(seen["bands"])
    assert drawing.caption.startswith("The 2 best of 5 by validation accuracy.")
    mean = seen["histories"][label_of(trained[0])]
    assert mean["loss"][3] == pytest.approx(fmean(history["loss"][3] for history in trained[0].histories))


def test_seeds_are_averaged_as_far_as_all_of_them_go():
    runs = [{key: [1.0, 2.0, 3.0] for key in COLUMNS}, {key: [3.0, 6.0] for key in COLUMNS}]
    mean, (low, high) = over_seeds(runs)
    assert (mean["valid_loss"], low["valid_loss"], high["valid_loss"]) == ([2.0, 4.0], [1.0, 2.0], [3.0, 6.0])


def test_what_no_line_has_is_not_drawn(board):
    for parts in (
        {"kind": "curves", "values": ["heads"]},
        {"kind": "heatmap", "x": "units", "y": "beta"},
        {"kind": "bars", "x": "beta"},
        {"kind": "bars", "entrants": ["forest"], "values": ["seconds_per_epoch"]},
        {"kind": "curves", "entrants": ["forest"]},
    ):
        assert draw_studies(board, 1, [plan_of(**parts)]) == []


def test_one_seed_one_cell_and_odd_values_are_drawn(tmp_path):
    add_results(tmp_path, zoo={"a": 1.0, "b": 0.1}, baselines={}, seeds=(1,), songs=40, resamples=10)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()]
    (tmp_path / "rows.jsonl").unlink()
    values = {"a": [None, "<b>"], "b": [True, [4, 2]]}
    for row in rows:
        append(tmp_path, {**row, "study": "odd", "axes": dict(zip("xy", values[row["recipe"]], strict=True))})
    found = leaderboard(tmp_path).boards[0]
    plans = [plan_of(kind="heatmap", x="x", y="y"), plan_of(kind="bars", x="y"), plan_of(kind="curves")]
    for drawing in draw_studies(found, 1, plans):
        ElementTree.fromstring(drawing.svg)
    assert label_of(line(found, "b")) == "x yes, y 4, 2"


def test_lines_that_would_be_called_alike_bear_their_names(board):
    twins = [line(board, "conv"), line(board, "conv")]
    assert labels_of([line(board, "conv"), line(board, "large")]) == ["convolution", "units 16, l2 0.1"]
    assert labels_of(twins) == ["conv", "conv"]


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ({"kind": "pie"}, "kind: must be 'heatmap', 'bars', 'curves', 'table', 'difficulty' or 'weights', got 'pie'"),
        ("bars", "must be a valid dictionary"),
        ({"kind": "bars", "title": 3}, "title: must be a valid string, got 3"),
        ({"kind": "bars", "title": "t", "entrants": "lstm"}, "entrants: must be a valid tuple, got 'lstm'"),
        ({"kind": "heatmap", "title": "t", "x": "units"}, "a heat map needs two different axes, x and y"),
    ],
)
def test_a_suite_that_asks_for_no_figure_is_refused(figure, message):
    with pytest.raises(DataError, match=message) as caught:
        read_plans([Source("f", 1, "", {"figures": [figure]})])
    assert "figure 1" in str(caught.value)


def test_the_same_figure_of_two_folders_is_drawn_once():
    source = Source("f", 1, "", {"figures": [HEATMAP, BARS]})
    assert len(read_plans([source, source, Source("g", 1, "", None)])) == 2


def test_measured_stands_beside_reported_where_the_suite_asks(study, capsys):
    report = leaderboard(study)
    text = markdown(report)
    table = text.split("### Measured and reported")[1]
    (row,) = [part for part in table.splitlines() if part.startswith("| conv ")]
    peak = 100 * fmean(line(report.boards[0], "conv").measured["valid_accuracy"])
    assert f"| {peak:.1f} [" in row
    assert row.endswith("| MSD-10 validation accuracy 0.63 |")
    assert "| large " not in table
    print_leaderboard(study)
    shown = capsys.readouterr().out.split("Measured and reported")[1]
    assert f"{peak:.1f}" in shown
    assert "0.63" in shown


@pytest.mark.slow
def test_nothing_is_said_of_the_reported_where_no_suite_asks(results):
    assert "Measured and reported" not in markdown(leaderboard(results))


def test_a_model_without_epochs_has_no_curves_and_no_complaint(tmp_path):
    add_results(tmp_path, zoo={"ensemble": 1.0}, baselines={}, songs=40, resamples=10)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()]
    (tmp_path / "rows.jsonl").unlink()
    for row in rows:
        append(tmp_path, {**row, "epochs": 0} if row["kind"] == "accuracy" else row)
        write_history(tmp_path / row["run"] / "history.csv", 0.5, epochs=0) if "run" in row else None
    found = leaderboard(tmp_path).boards[0]
    assert found.notes == ()
    assert found.entries[0].histories == ()
