"""The curve against the definition, at every threshold that makes a difference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import evaluate, log_softmax
from genrezoo.layers import uncertainty
from genrezoo.training.trade_off import (
    COLUMNS,
    RESOLUTION,
    cascade_speed,
    choose_threshold,
    normalised_entropy,
    trade_off,
)

POINTS = [(0.0, 1.0, 0.7, 0.9), (0.2, 0.8, 0.8, 0.8), (0.4, 0.5, 0.8, 0.7), (0.6, 0.2, 0.6, 0.8), (1.0, 0.0, 0.5, 1.0)]
CURVE = np.rec.fromrecords(POINTS, names=COLUMNS)


def by_definition(student, teacher, y, threshold):
    first, second = (normalised_entropy(log_softmax(each)) for each in (student, teacher))
    asked = first > threshold
    logits = np.where((asked & (second < first))[:, None], teacher, student)
    figures = evaluate(logits, y)
    return asked.mean(), figures["accuracy"], figures["log_loss"]


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(2, 5), st.booleans())
def test_every_point_is_what_the_definition_gives(seed, songs, classes, coarse):
    generator = np.random.default_rng(seed)
    student, teacher = (3 * generator.standard_normal((songs, classes)) for _ in range(2))
    if coarse:
        student = student.round()  # many songs of one uncertainty
    y = generator.integers(0, classes, songs)
    curve = trade_off(student, teacher, y)
    for point in map(curve.__getitem__, range(len(curve))):
        fraction, accuracy, log_loss = by_definition(student, teacher, y, point.threshold)
        assert point.fraction == pytest.approx(fraction)
        assert point.accuracy == pytest.approx(accuracy)
        assert point.log_loss == pytest.approx(log_loss)
    doubts = np.unique(normalised_entropy(log_softmax(student)))
    told_apart = doubts[np.append(np.diff(doubts) > RESOLUTION, True)]
    reached = {round(by_definition(student, teacher, y, doubt)[0], 9) for doubt in told_apart}
    assert reached <= {round(fraction, 9) for fraction in curve.fraction}  # no set of songs is left out


def test_ends_are_the_student_alone_and_the_surer_of_the_two():
    generator = np.random.default_rng(3)
    student, teacher = (generator.standard_normal((50, 4)) for _ in range(2))
    y = np.arange(50) % 4
    curve = trade_off(student, teacher, y)
    assert (curve[-1].threshold, curve[-1].fraction) == (1.0, 0.0)
    assert curve[-1].accuracy == pytest.approx(evaluate(student, y)["accuracy"])
    assert (curve[0].threshold, curve[0].fraction) == (0.0, 1.0)
    assert curve[0].accuracy == pytest.approx(by_definition(student, teacher, y, 0.0)[1])
    assert (np.diff(curve.threshold) > 0).all()
    assert (np.diff(curve.fraction) < 0).all()
    assert len(curve) == 51


def test_songs_without_any_doubt_are_never_asked_about():
    student = np.array([[900.0, 0.0], [0.1, 0.0]])
    curve = trade_off(student, student, np.array([0, 0]))
    assert curve.fraction.tolist() == [0.5, 0.5, 0.0]


def test_uncertainty_is_that_of_the_layer():
    logits = 4 * np.random.default_rng(1).standard_normal((20, 6)).astype("float32")
    np.testing.assert_allclose(normalised_entropy(log_softmax(logits)), np.asarray(uncertainty(logits)), atol=1e-5)


def test_smallest_share_that_reaches_an_accuracy():
    assert choose_threshold(CURVE, accuracy=0.6).fraction == 0.2
    assert choose_threshold(CURVE, accuracy=0.65).fraction == 0.5
    assert choose_threshold(CURVE, accuracy=0.0).fraction == 0.0
    with pytest.raises(SettingsError, match="no threshold reaches accuracy 0.9; the best is 0.8000"):
        choose_threshold(CURVE, accuracy=0.9)


def test_best_accuracy_within_a_share():
    assert choose_threshold(CURVE, fraction=1.0) == CURVE[2]  # of the two best the one that asks less
    assert choose_threshold(CURVE, fraction=0.3).threshold == 0.6
    assert choose_threshold(CURVE, fraction=0.0).threshold == 1.0


@pytest.mark.parametrize("wish", [{}, {"accuracy": 0.5, "fraction": 0.5}])
def test_one_wish_is_expected(wish):
    with pytest.raises(SettingsError, match="either accuracy or fraction"):
        choose_threshold(CURVE, **wish)


def test_songs_that_rounding_could_swap_are_asked_about_together():
    logits = np.array([[1.0, 0.0], [1.0 + 1e-9, 0.0], [3.0, 0.0], [0.1, 0.0]])
    curve = trade_off(logits, logits[::-1], np.zeros(4, int))
    assert curve.fraction.tolist() == [1.0, 0.75, 0.25, 0.0]


def test_wishes_out_of_range_are_refused():
    with pytest.raises(SettingsError, match="accuracy must be a number from 0 to 1, got 60"):
        choose_threshold(CURVE, accuracy=60)
    with pytest.raises(SettingsError, match="fraction must be a number from 0 to 1, got nan"):
        choose_threshold(CURVE, fraction=float("nan"))


def test_speed_adds_the_times():
    assert cascade_speed(0.0, student=5000, teacher=1000) == 5000
    assert cascade_speed(1.0, student=5000, teacher=1000) == pytest.approx(1 / (1 / 5000 + 1 / 1000))
    curve = cascade_speed(np.array([0.0, 0.5]), student=4.0, teacher=2.0)
    np.testing.assert_allclose(curve, [4.0, 2.0])
    with pytest.raises(SettingsError, match="speed of the teacher must be a positive number of songs per second"):
        cascade_speed(0.5, student=1.0, teacher=0.0)


def test_predictions_of_other_songs_are_refused():
    with pytest.raises(DataError, match="labels"):
        trade_off(np.zeros((3, 2)), np.zeros((4, 2)), np.zeros(3, int))
    with pytest.raises(DataError, match=r"shapes \(3, 2\) and \(3, 4\)"):
        trade_off(np.zeros((3, 2)), np.zeros((3, 4)), np.zeros(3, int))
