import csv
import dataclasses
import json
import re
import warnings
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from made_results import append
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from genrezoo.report import leaderboard, learning_curves
from genrezoo.report.benchmark.figures import (
    accuracy_figure,
    confusion_figure,
    draw_board,
    genre_figure,
    pareto_front,
    timed_entries,
)
from genrezoo.report.benchmark.rendering import comma_separated
from genrezoo.report.style.drawing import as_svg, place_labels, short, spread


@pytest.fixture(scope="module")
def drawings(report):
    return [draw_board(board, number) for number, board in enumerate(report.boards, 1)]


@pytest.mark.slow
def test_every_board_has_every_figure(drawings):
    for number, stem in ((0, "1-mfcc4"), (1, "2-synthetic")):
        kinds = ("accuracy", "speed", "learning", "genres", "confusion")
        assert [drawing.name for drawing in drawings[number]] == [f"{stem}-{kind}" for kind in kinds]
        assert all(drawing.title and drawing.caption for drawing in drawings[number])


def test_figures_are_well_formed_and_hold_no_date_no_raster_and_no_text_that_needs_a_font(drawings):
    for drawing in (drawing for part in drawings for drawing in part):
        root = ElementTree.fromstring(drawing.svg)
        assert root.tag.endswith("svg")
        kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert not kinds & {"image", "text", "script", "style", "metadata", "foreignObject"}
        assert "<!--" not in drawing.svg
        assert not set("{}") & {*drawing.title, *drawing.caption}  # a name that was never filled in


def test_ids_of_two_figures_never_meet(drawings):
    ids = [set(re.findall(r'\bid="([^"]+)"', drawing.svg)) for part in drawings for drawing in part]
    assert len(set.union(*ids)) == sum(map(len, ids))
    for part in drawings:
        for drawing in part:
            used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', drawing.svg))
            assert {one or other for one, other in used} <= set(re.findall(r'\bid="([^"]+)"', drawing.svg))


def test_what_was_not_measured_leaves_out_only_its_own_figure(results):
    (results / "rows.jsonl").write_text(
        "".join(
            line for line in (results / "rows.jsonl").read_text("utf-8").splitlines(keepends=True)
            if '"kind": "speed"' not in line
        ),
        encoding="utf-8",
    )  # fmt: skip
    for path in results.glob("runs/*/history.csv"):
        path.unlink()
    names = [drawing.name for drawing in draw_board(leaderboard(results).boards[0], 1)]
    assert names == ["1-mfcc4-accuracy", "1-mfcc4-genres", "1-mfcc4-confusion"]


def test_a_single_model_below_its_ceilings_is_drawn(results):
    board = dataclasses.replace(leaderboard(results).boards[0], bayes=0.9, order_free=0.6)
    alone, two = (dataclasses.replace(board, entries=board.entries[:number]) for number in (1, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that the texts found no room
        heights = [ElementTree.fromstring(accuracy_figure(one)).get("height") for one in (alone, two)]
    assert heights[0] == heights[1]


def test_exported_models_stand_beside_the_others(results, drawings):
    rows = [json.loads(line) for line in (results / "rows.jsonl").read_text("utf-8").splitlines()]
    speed = next(row for row in rows if row["kind"] == "speed" and row["recipe"] == "gru")
    latency = {"p50": 0.01, "p90": 0.02, "p99": 0.03}
    append(results, {**speed, "engine": "onnx", "latency_ms": latency, "bulk_songs_per_second": 1e6})
    report = leaderboard(results)
    board = report.boards[0]
    entry = next(entry for entry in board.entries if entry.name == "gru")
    assert (entry.speed["p50"], entry.speed["onnx_p50"]) == (speed["latency_ms"]["p50"], 0.01)
    assert timed_entries(board) == [*((one, "p50") for one in board.entries), (entry, "onnx_p50")]
    (drawn,) = [plot for plot in draw_board(board, 1) if plot.name.endswith("speed")]
    assert "ONNX Runtime" in drawn.caption
    assert all("ONNX Runtime" not in plot.caption for plot in drawings[0])
    lines = list(csv.DictReader(comma_separated(report).splitlines()))
    found = next(line for line in lines if (line["model"], line["data"]) == ("gru", board.data))
    assert float(found["onnx_bulk_songs_per_second"]) == 1e6


def test_the_front_holds_exactly_the_points_that_no_other_beats():
    draw = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in draw.integers(0, 6, (40, 2))]
    front = pareto_front(points)
    for x, y in points:
        beaten = any((u <= x and v >= y) and (u, v) != (x, y) for u, v in points)
        assert beaten == ((x, y) not in [points[number] for number in front])
    assert [points[number] for number in front] == sorted(points[number] for number in front)


def test_spread_keeps_order_distance_and_middle():
    places = [5.0, 1.0, 1.1, 9.0]
    spreaded = spread(places, gap=1.0)
    assert np.argsort(spreaded).tolist() == np.argsort(places).tolist()
    assert np.diff(sorted(spreaded)).min() >= 1 - 1e-9
    assert spreaded[0] == 5
    assert spreaded[3] == 9
    assert spreaded[1] + spreaded[2] == pytest.approx(2.1)
    assert spread([], gap=1) == []


def test_labels_overlap_neither_each_other_nor_points_nor_obstacles():
    figure = Figure(figsize=(8, 5), dpi=72)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    draw = np.random.default_rng(1)
    points = [(float(x), float(y)) for x, y in draw.normal(size=(17, 2))]
    points[1] = (points[0][0] + 0.01, points[0][1])
    axes.plot(*zip(*points, strict=True), "o")
    axes.set_xlim(-4, 4)
    axes.set_ylim(-4, 4)
    figure.canvas.draw()
    x, y = axes.transData.transform(points[2])
    wall = Bbox.from_extents(x + 8, y - 20, x + 10, y + 20)
    place_labels(axes, points, [f"model_number_{number}" for number in range(17)], [wall])
    boxes = [text.get_window_extent() for text in axes.texts]
    dots = [Bbox.from_extents(x - 3, y - 3, x + 3, y + 3) for x, y in axes.transData.transform(points)]
    assert len(boxes) == 17
    for number, box in enumerate(boxes):
        others = [*boxes[:number], *dots, wall]
        assert not any(Bbox.intersection(box, other) for other in others)
        assert axes.get_window_extent().contains(*box.p0)
        assert axes.get_window_extent().contains(*box.p1)


def test_short_names_stay_and_long_ones_are_cut_on_one_line():
    assert short("snippet_lstm") == "snippet_lstm"
    assert short("a\nb") == "a b"
    assert len(short("x" * 500)) == 40


HISTORY = {
    "epoch": [1.0, 2.0, 3.0], "loss": [2.0, 1.0, 0.5], "accuracy": [0.3, 0.6, 0.8], "valid_loss": [1.8, 1.2, 1.3],
    "valid_accuracy": [0.3, 0.6, 0.55],
}  # fmt: skip


def test_learning_curves_take_any_number_of_runs_and_epochs():
    ElementTree.fromstring(learning_curves({f"run {number}": HISTORY for number in range(9)}))
    ElementTree.fromstring(learning_curves({"one epoch": {key: [1.0] for key in HISTORY}}))


def tips(svg):
    """What the parts of a figure say when they are pointed at, in their order."""
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("title")]


def test_each_epoch_says_the_values_of_all_runs():
    short_run = {key: values[:2] for key, values in HISTORY.items()}
    assert tips(learning_curves({"a": HISTORY, "b": short_run}))[1:4] == [
        "epoch 2\na: 1.200 (training 1.000)\nb: 1.200 (training 1.000)",
        "epoch 3\na: 1.300 (training 0.500)",
        "epoch 1\na: 30.0 % (training 30.0 %)\nb: 30.0 % (training 30.0 %)",
    ]
    rates = learning_curves({"a": {**HISTORY, "learning_rate": [0.1, 0.01, 1e-5]}}, show="learning_rate")
    assert tips(rates)[:3] == ["epoch 1\na: 0.1", "epoch 2\na: 0.01", "epoch 3\na: 0.00001"]


def test_a_long_training_says_its_values_at_epochs_that_can_be_pointed_at():
    epochs = list(range(1, 1001))
    said = tips(learning_curves({"a": {**dict.fromkeys(HISTORY, [0.5] * 1000), "epoch": epochs}}))
    assert [text.partition("\n")[0] for text in said] == 2 * [f"epoch {epoch}" for epoch in epochs[::17]]


def test_cells_say_their_songs_and_values():
    assert tips(confusion_figure({"m": [[0, 0], [1, 3]]}, ["a\x07", "<b>"])) == [
        "a? predicted as a?\n0 of 0 songs (0.0 %)", "a? predicted as <b>\n0 of 0 songs (0.0 %)",
        "<b> predicted as a?\n1 of 4 songs (25.0 %)", "<b> predicted as <b>\n3 of 4 songs (75.0 %)",
    ]  # fmt: skip
    assert tips(genre_figure({"m": [0.25, 0.75]}, ["a", "b"])) == [
        "m, macro\nF1 50.0 %",
        "m, b\nF1 75.0 %",
        "m, a\nF1 25.0 %",
    ]


@pytest.fixture
def panels(monkeypatch):
    """The panels of the figures drawn, by their titles."""
    found = {}
    monkeypatch.setattr("matplotlib.axes.Axes.set_title", lambda self, title, **_: found.update({title: self}))
    return found


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_epochs_are_counted_in_whole_numbers(epochs, panels):
    learning_curves({"run": {key: values[:epochs] for key, values in HISTORY.items()}})
    for axes in panels.values():
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks
        assert all(tick == round(tick) for tick in ticks)


def test_errors_of_heads_stand_beside_that_of_the_genre(panels):
    heads = {"logits_loss": [1.5, 1, 0.5], "valid_logits_loss": [1.8, 1.2, 1.3]}
    binary = heads | {"binary_loss": [3.0, 2.5, 2.4], "valid_binary_loss": [3.1, 2.6, 2.7]}
    song = heads | {"song_loss": [0.9, 0.8, 0.7], "valid_song_loss": [1.0, 0.9, 0.8]}
    learning_curves({"a": HISTORY | binary, "b": HISTORY | song}, show="heads")
    curves = {
        title: [list(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 3]
        for title, axes in panels.items()
    }
    assert curves == {
        "Loss of head binary": [binary["binary_loss"], binary["valid_binary_loss"]],
        "Loss of head song": [song["song_loss"], song["valid_song_loss"]],
        "Loss of the genre": 2 * [heads["logits_loss"], heads["valid_logits_loss"]],
    }


def test_a_penalised_or_diverged_training_loss_does_not_flatten_the_curves(panels):
    learning_curves({"a": {**HISTORY, "loss": [5000.0, float("nan"), 0.5]}})
    error = next(axes for title, axes in panels.items() if title.startswith("Loss"))
    assert error.get_ylim()[1] < 3


def test_names_with_dollars_and_letters_without_a_shape_are_drawn(recwarn):
    confusion_figure({r"$\frac": [[3, 1], [0, 4]]}, ["音楽", "x" * 200])
    genre_figure({"a" * 300: [0.2, 0.9]}, [r"_^{$", "é"])
    assert not recwarn.list


def test_a_genre_without_songs_leaves_a_blank_row():
    ElementTree.fromstring(confusion_figure({"m": [[0, 0], [1, 4]]}, ["none", "some"]))


@pytest.mark.slow
def test_the_same_data_give_the_same_bytes(written, drawings):
    again = draw_board(leaderboard(written).boards[0], 1)
    assert again == drawings[0]


def test_a_figure_takes_the_ground_of_its_page():
    svg = as_svg("empty", lambda figure: None, height=1)
    assert "fill: #ffffff" not in svg
