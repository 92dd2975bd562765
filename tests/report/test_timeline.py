import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib import colormaps, image
from matplotlib.colors import to_hex

from genrezoo.errors import DataError, UnknownNameError
from genrezoo.report.run import timeline
from genrezoo.report.run.timeline import clock, timeline_figure

GENRES = ["blues", "jazz", "rock"]
POSTERIOR = np.array([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.05, 0.05, 0.9], [0.0, 1.0, 0.0]])


def draw(posterior=POSTERIOR, *, kind=".svg", edges=None, genres=GENRES, answer=None, title="a.wav"):
    edges = np.arange(len(posterior) + 1) if edges is None else edges
    answer = posterior.mean(axis=0) if answer is None else answer
    return timeline_figure(edges, posterior, genres, answer=answer, rule="mean of windows", title=title, kind=kind)


def cells(svg):
    """Place (left, top) and colour of each coloured cell of the timeline."""
    mesh = re.search(r'id="figure-timeline-QuadMesh_1">(.*?)</g>', svg, re.DOTALL).group(1)
    found = {}
    for path, colour in re.findall(r'<path d="([^"]+)"[^>]*?fill: (#[0-9a-f]{6})', mesh):
        numbers = np.array(re.findall(r"-?\d+\.?\d*", path), float)
        found[numbers[::2].min(), numbers[1::2].min()] = colour
    return [colour for _, colour in sorted(found.items())]


def test_each_probability_is_a_cell_of_its_colour_genres_downwards_seconds_to_the_right():
    colours = cells(draw().decode())
    assert colours == [to_hex(colormaps["magma_r"](share)) for share in POSTERIOR.ravel()]


def test_the_most_probable_genre_is_marked_in_stretches():
    rows, starts, ends = timeline._runs(np.array([0.0, 1.0, 2.0, 3.5, 4.0]), POSTERIOR.argmax(axis=1))
    assert rows.tolist() == [0, 2, 1]
    assert starts.tolist() == [0.0, 2.0, 3.5]
    assert ends.tolist() == [2.0, 3.5, 4.0]
    svg = draw().decode()
    assert len(set(re.findall(r'<path d="([^"]+)"[^>]*stroke: #56b4e9', svg))) == 3


@pytest.mark.parametrize("kind", [".png", ".svg"])
def test_figures_are_whole_and_the_same_each_time(kind):
    one = draw(kind=kind)
    assert one == draw(kind=kind)
    if kind == ".svg":
        ET.fromstring(one)
        assert b'fill="#ffffff"' in one
    else:
        pixels = image.imread(io.BytesIO(one))
        assert pixels.shape[1] > 1400
        assert (pixels[:, :, 3] == 1).all()  # no transparent ground: it is to be seen in any viewer


def test_a_long_timeline_is_drawn_as_means_that_weigh_moments_by_their_length(monkeypatch):
    monkeypatch.setattr(timeline, "MOST_COLUMNS", 2)
    edges, pooled, together = timeline.pooled(np.array([0.0, 1.0, 4.0, 5.0]), np.array([[0.0], [1.0], [0.5]]), most=2)
    assert together == 2
    assert edges.tolist() == [0.0, 4.0, 5.0]
    assert pooled.ravel().tolist() == [0.75, 0.5]
    assert len(cells(draw().decode())) == 2 * 3


def test_an_hour_of_25_genres_stays_small():
    posterior = np.random.default_rng(1).dirichlet(np.ones(25), size=3600)
    svg = draw(posterior, genres=[f"genre {number}" for number in range(25)])
    assert len(svg) < 2_000_000
    assert "QuadMesh" not in svg.decode()  # pixels, not 15,000 paths


@pytest.mark.parametrize(
    ("end", "places", "labels"),
    [
        (5, 11, ["0", "0.5", "1"]),
        (60, 13, ["0", "5", "10"]),
        (150, 11, ["0:00", "0:15", "0:30"]),
        (3600, 13, ["0:00", "5:00", "10:00"]),
        (7200, 13, ["0:00:00", "0:10:00", "0:20:00"]),
        (0.2, 5, ["0", "0.05", "0.1"]),
    ],
)
def test_ticks_stand_at_round_times(end, places, labels):
    axis = Axis()
    timeline._time_axis(axis, np.array([0.0, end]), 1)
    ticks = axis.locator()
    assert len(ticks) == places
    assert [axis.formatter(tick, 0) for tick in ticks[:3]] == labels


class Axis:
    def set_major_locator(self, locator):
        self.locator = locator

    def set_major_formatter(self, formatter):
        self.formatter = formatter

    def set_label_text(self, text):
        self.text = text


def test_clock():
    assert [clock(0), clock(59.6), clock(600), clock(3601, hours=True)] == ["0:00", "1:00", "10:00", "1:00:01"]


def test_names_that_could_be_formulas_or_markup_are_drawn():
    ET.fromstring(draw(genres=["$r&b$", "<rock>", "日本"], title="$x_1$ & <b>.wav"))


def test_what_does_not_fit_is_refused():
    with pytest.raises(UnknownNameError, match="kind of figure '.pgn'. Did you mean '.png'"):
        draw(kind=".pgn")
    with pytest.raises(DataError, match="one edge more than windows"):
        draw(edges=np.arange(4))
    with pytest.raises(DataError, match="one probability per genre"):
        draw(genres=["blues", "jazz"])
    with pytest.raises(DataError):
        draw(np.zeros((0, 3)), answer=np.zeros(3))
