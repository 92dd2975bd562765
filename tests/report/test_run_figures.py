import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.axes import Axes

from genrezoo.report.run.figures import trade_off_figure
from genrezoo.report.style.histograms import difficulty_figure, weights_figure

TABLE = {"songs": 6, "mean": 0.5, "variance": 0.25, "histogram": {"edges": [0.0, 1.0, 2.0], "counts": [4, 2]}}
WEIGHTS = {
    "edges": [-1.0, 0.0, 1.0],
    "counts": {"conv_1/kernel": [3, 5], "conv_2/kernel": [1, 9]},
    "zeros": {"conv_1/kernel": 0.5, "conv_2/kernel": 0.0},
}
TRADE = {
    "curves": {"valid": ([1.0, 0.5, 0.0], [0.8, 0.9, 0.6]), "test": ([1.0, 0.5, 0.0], [0.7, 0.75, 0.5])},
    "chosen": {"valid": (0.5, 0.9), "test": (0.5, 0.75)},
    "alone": {"valid": {"student": 0.6, "teacher": 0.8}, "test": {"student": 0.5, "teacher": 0.7}},
}
FIGURES = {
    "difficulty": lambda: difficulty_figure(TABLE),
    "weights": lambda: weights_figure({"run": WEIGHTS}),
    "trade_off": lambda: trade_off_figure(TRADE["curves"], alone=TRADE["alone"], chosen=TRADE["chosen"]),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_figures_are_whole_svg_and_the_same_each_time(figure):
    one = FIGURES[figure]()
    ET.fromstring(one)
    assert one == FIGURES[figure]()
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", one)


def test_each_set_of_songs_has_its_own_student_and_teacher(monkeypatch):
    drawn, lines = [], {}
    monkeypatch.setattr(Axes, "axhline", lambda self, height, color, **_: lines.setdefault(color, []).append(height))
    monkeypatch.setattr(Axes, "annotate", lambda self, text, *_, **__: drawn.append(text))
    FIGURES["trade_off"]()
    assert list(lines.values()) == [[60.0, 80.0], [50.0, 70.0]]
    assert drawn == ["student alone, valid", "teacher alone, valid", "student alone, test", "teacher alone, test"]


def bars(svg):
    """Heights of the filled bars, in drawing units, smallest first."""
    found = []
    for path in re.findall(r'<path d="([^"]+)"[^>]*fill: #0072b2', svg):
        numbers = np.array(re.findall(r"-?\d+\.?\d*", path), float)
        found.append(np.ptp(numbers[1::2]))
    return sorted(found)


def test_bars_are_as_high_as_their_counts():
    heights = [height for height in bars(difficulty_figure(TABLE)) if height > 1]
    assert heights[1] / heights[0] == pytest.approx(2, rel=0.01)


def test_each_array_of_weights_has_a_panel():
    three = {**WEIGHTS, "counts": {**WEIGHTS["counts"], "dense": [2, 2]}, "zeros": {**WEIGHTS["zeros"], "dense": 0}}
    assert len(re.findall(r'id="figure-weights-axes_\d+"', weights_figure({"run": WEIGHTS}))) == 2
    assert len(re.findall(r'id="figure-weights-axes_\d+"', weights_figure({"run": three}))) == 3
