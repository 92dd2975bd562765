"""Tables that suites ask for, from rows alone: what stands in them, where they stand, and in which files."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from made_results import add_results, append
from matplotlib.axes import Axes

from genrezoo.errors import DataError
from genrezoo.evaluation import mean_interval
from genrezoo.report import leaderboard, print_leaderboard, render
from genrezoo.report.benchmark.captions import facts
from genrezoo.report.benchmark.leaderboard import read_plans
from genrezoo.report.benchmark.rendering import study_csv
from genrezoo.report.benchmark.results import Source
from genrezoo.report.benchmark.study_figures import draw_studies
from genrezoo.report.benchmark.study_tables import tables_together
from genrezoo.report.benchmark.study_values import quantity_of

NAMES = {"sgd": "SGD", "adam": "Adam", "forest": "forest"}
SECONDS = {"sgd": [10.0, 12.0, 14.0], "adam": [20.0, 20.0, 20.0]}
TABLE = {
    "kind": "table", "title": "Optimisers", "caption": "As in the document.", "entrants": ["sgd", "adam", "forest"],
    "values": ["test_accuracy", "train_macro_f1", "train_seconds", "best_epoch", "valid_accuracy"],
}  # fmt: skip
TOGETHER = {"kind": "table", "title": "Both", "values": ["test_accuracy"], "transpose": True, "together": True}


def rewritten(folder, change):
    """The rows of a folder, each changed."""
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text("utf-8").splitlines()]
    (folder / "rows.jsonl").unlink()
    for row in rows:
        change(row)
        append(folder, row)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two recipes of three seeds with scores on training songs, and a baseline without; two sets of songs."""
    folder = tmp_path_factory.mktemp("tables") / "out"
    zoo, baselines = {"sgd": 0.3, "adam": 1.2}, {"forest": 0.8}
    add_results(folder, zoo=zoo, baselines=baselines, songs=60, resamples=20)
    add_results(folder, data="other", zoo={"adam": 0.9}, baselines={}, songs=40, resamples=20)

    def change(row):
        row["label"] = NAMES[row["recipe"]]
        row["study"], row["axes"] = "optimisers", {"optimizer": row["recipe"]}
        if row["kind"] == "accuracy" and row["family"] == "zoo":
            row["train_seconds"] = SECONDS[row["recipe"]][row["seed"] - 1]
            row["train"] = {**row["test"], "macro_f1": 0.5 + 0.1 * row["seed"]}
            row["valid"]["accuracy"] = 0.25

    rewritten(folder, change)
    suite = {"name": "s", "figures": [TABLE, {"kind": "curves", "title": "Curves"}, TOGETHER]}
    (folder / "suite.json").write_text(json.dumps(suite), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def report(study):
    return leaderboard(study)


def table_of(board, **parts):
    plan = read_plans([Source("f", 1, "", {"figures": [{**TABLE, **parts}]})])
    return draw_studies(board, 1, plan)[0]


def line(report, name):
    return next(line for line in report.boards[0].entries if line.name == name)


def changed(report, name, **changes):
    """The first board with other facts on one line."""
    board = report.boards[0]
    return replace(board, entries=tuple(replace(one, **changes) if one.name == name else one for one in board.entries))


def test_entrants_stand_in_columns_in_the_order_asked_for_and_values_in_rows(report):
    grid = table_of(report.boards[0]).grid()
    assert [text for text, _ in grid[0]] == ["Model", "SGD", "Adam", "forest"]
    assert [row[0][0] for row in grid[1:]] == [
        "Test accuracy (%)", "Training macro F1 (%)", "Training (s)", "Best epoch", "Validation accuracy (%)",
    ]  # fmt: skip
    accuracies = [100 * line(report, name).accuracy.mean for name in ("sgd", "adam", "forest")]
    assert [text for text, _ in grid[1][1:]] == [f"{value:.1f}" for value in accuracies]


def test_figures_are_means_with_students_intervals_where_seeds_differ(report):
    """Of 10, 12 and 14: mean 12, deviation 2, so that the interval is 12 +- 4.303 x 2 / sqrt(3) = 7.03 to 16.97."""
    _, _, f1, seconds, best, valid = table_of(report.boards[0]).grid()
    assert seconds[1:3] == [("12.0", "[7.03, 17.0]"), ("20.0", "")]
    assert f1[1] == ("70.0", "[45.2, 94.8]")  # 0.6, 0.7, 0.8: 70 +- 24.8
    assert f1[3] == best[3] == ("–", "")  # a baseline has no epochs, and was not measured on training songs here
    assert best[1] == ("7", "")
    assert valid[1] == ("25.0", "")  # of the weights kept, whatever the history's best epoch


def test_a_figure_shows_the_best_epoch_where_a_table_shows_the_weights_kept(report):
    found = line(report, "sgd").measured
    assert found["valid_accuracy_kept"] == (0.25, 0.25, 0.25)
    assert found["valid_accuracy"] != found["valid_accuracy_kept"]
    assert quantity_of("valid_accuracy").title == "Best validation accuracy (%)"


def test_a_table_can_stand_the_other_way_and_over_an_axis(report):
    straight, turned = table_of(report.boards[0]).grid(), table_of(report.boards[0], transpose=True).grid()
    assert turned == [list(column) for column in zip(*straight, strict=True)]
    over = table_of(report.boards[0], x="optimizer", entrants=[], transpose=True).grid()
    assert [row[0][0] for row in over] == ["Optimizer", "adam", "forest", "sgd"]


def test_an_interval_does_not_leave_what_there_is(report):
    """Three accuracies of 0.2, 0.9 and 1.0 have an interval from below 0 to above 1."""
    low, high = mean_interval([0.2, 0.9, 1.0])[1:]
    assert low < 0 < 1 < high
    measured = {**line(report, "sgd").measured, "test_accuracy": (0.2, 0.9, 1.0)}
    assert table_of(changed(report, "sgd", measured=measured)).grid()[1][1] == ("70.0", "[0.0, 100.0]")


def test_nothing_that_no_line_has_makes_a_row_or_a_table(report):
    grid = table_of(report.boards[0], values=["test_accuracy", "seconds_per_pass"]).grid()
    assert len(grid) == 2
    plan = read_plans([Source("f", 1, "", {"figures": [{**TABLE, "values": ["seconds_per_pass"]}]})])
    assert draw_studies(report.boards[0], 1, plan) == []


def test_one_table_over_all_sets_of_songs_says_which_is_which(report):
    (table,) = tables_together(report.boards, report.plans)
    head, *rows = table.grid()
    assert [text for text, _ in head] == ["Model", "Songs", "Test accuracy (%)"]
    assert {(row[0][0], row[1][0]) for row in rows} == {
        ("SGD", "mfcc4"), ("Adam", "mfcc4"), ("forest", "mfcc4"), ("Adam", "other")
    }  # fmt: skip
    shown = {(row[0][0], row[1][0]): row[2][0] for row in rows}
    other = next(board for board in report.boards if board.data == "other").entries[0]
    assert shown["Adam", "other"] == f"{100 * other.accuracy.mean:.1f}"
    assert "its own set" in table.caption
    assert "1-mfcc4" not in table.name


def test_tables_are_in_the_page_in_markdown_and_in_files_of_all_digits(study, tmp_path):
    page = render(study, tmp_path).read_text(encoding="utf-8")
    places = [page.index(f"<h3>{title}</h3>") for title in ("Both", "Optimisers", "Curves", "Leaderboard")]
    assert places == sorted(places)
    assert '12.0<span class="range">[7.03, 17.0]</span>' in page
    text = (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
    assert re.search(r"\| Training \(s\) \| 12\.0 \\\[7\.03, 17\.0\\\] \| 20\.0 \|", text)
    assert text.index("### Both") < text.index("## mfcc4") < text.index("### Optimisers")
    for path in re.findall(r"\]\((tables/[^)]+)\)", text):
        assert (tmp_path / path).is_file()
    names = sorted(path.name for path in (tmp_path / "tables").iterdir())
    assert names == ["0-study-1.csv", "1-mfcc4-study-1.csv", "2-other-study-1.csv"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tables" / names[1]).read_text("utf-8"))))
    assert [row["label"] for row in rows] == ["SGD", "Adam", "forest"]
    assert (float(rows[0]["train_seconds"]), rows[0]["seeds"]) == (12.0, "3")
    assert float(rows[0]["train_seconds_low"]) == pytest.approx(12 - 4.30265 * 2 / 3**0.5, abs=1e-4)
    assert rows[2]["train_macro_f1"] == ""


def test_a_label_that_a_spreadsheet_would_calculate_is_a_text(report):
    table = table_of(changed(report, "sgd", label="=1+1"))
    assert study_csv(table).splitlines()[1].startswith("'=1+1,sgd,3,")


def test_the_terminal_shows_a_row_for_each_entrant(study, capsys):
    print_leaderboard(study)
    shown = capsys.readouterr().out
    assert re.search(r"SGD +[\d.]+ +70\.0 +12\.0 +7 +25\.0", shown)
    assert "As in the document." in shown
    assert shown.index("Optimisers") < shown.index("Both")


@pytest.mark.parametrize("name", ["transpose", "together"])
def test_switches_are_true_or_false(name):
    with pytest.raises(DataError, match=f"{name}: must be a valid boolean.*got 'si'"):
        read_plans([Source("f", 1, "", {"figures": [{**TABLE, name: "si"}]})])


@pytest.mark.parametrize(
    ("value", "title", "written"),
    [
        ("test_macro_precision", "Test macro precision (%)", "12.3"),
        ("valid_log_loss", "Validation log loss (nats)", "0.123"),
        ("train_calibration_error", "Training calibration error (%)", "12.3"),
        ("evaluation_seconds", "Evaluation of the test songs (s)", "0.123"),
        ("parameters", "Parameters", "0"),
        ("heads.expert_1", "Validation accuracy of expert 1 alone (%)", "12.3"),
    ],
)
def test_values_have_names_and_units(value, title, written):
    kind = quantity_of(value)
    assert (kind.title, kind.write(0.123 * kind.scale)) == (title, written)


def test_what_images_are_is_said_in_pixels(tmp_path):
    add_results(tmp_path, zoo={"a": 1.0}, baselines={}, seeds=(1,), songs=40, resamples=10)
    rewritten(tmp_path, lambda row: row.update(shape=[172, 173, 3]))
    assert "input: images of 172 x 173 x 3 (height, width, channels)" in facts(leaderboard(tmp_path).boards[0])


def test_the_learning_rate_curve_is_drawn_over_the_seeds_in_place_of_the_loss(study, report, monkeypatch):
    titles = []
    original = Axes.set_title
    monkeypatch.setattr(Axes, "set_title", lambda axes, text, **o: titles.append(text) or original(axes, text))
    lines = {}
    plot = Axes.plot
    monkeypatch.setattr(
        Axes, "plot", lambda axes, x, y, *a, **o: lines.setdefault(str(y), 0) or plot(axes, x, y, *a, **o)
    )
    plan = read_plans(
        [Source("f", 1, "", {"figures": [{"kind": "curves", "title": "t", "values": ["learning_rate"]}]})]
    )
    (drawing,) = draw_studies(report.boards[0], 1, plan)
    assert titles == ["Learning rate at the end of the epoch", "Accuracy (%)"]
    assert str([0.001] * 11) in lines  # as far as all seeds go
    assert drawing.caption.startswith("Learning rates are those after the last step of each epoch.")
    bare = tuple(
        {key: value for key, value in one.items() if key != "learning_rate"} for one in line(report, "sgd").histories
    )
    (left,) = draw_studies(changed(report, "sgd", histories=bare), 1, plan)
    assert left.svg != drawing.svg
