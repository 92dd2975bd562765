"""The whole graph and the fast way give the same answers; the fast way runs the teacher only where it is asked."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.composition.cascade import build_cascade, cascade_forward, set_threshold, threshold_of
from genrezoo.errors import SettingsError
from genrezoo.models import create_model
from genrezoo.training.trade_off import trade_off

SHAPE, CLASSES = (6, 4), 3
SONGS = np.random.default_rng(0).standard_normal((37, *SHAPE)).astype("float32")
SONGS[0, 4:] = np.nan


def sharpened(name, factor, **arguments):
    """A model whose posteriors are sure enough to differ in their uncertainty."""
    model = create_model(name, SHAPE, CLASSES, seed=1, **arguments)
    kernel = model.get_layer("logits").kernel
    kernel.assign(factor * kernel)
    return model


@pytest.fixture(scope="module")
def cascade():
    members = {"student": sharpened("fully_connected", 5, units=(5,)), "teacher": sharpened("lstm", 20, units=4)}
    return build_cascade(members, SHAPE, CLASSES)


def numbers(outputs):
    return {name: np.asarray(output) for name, output in outputs.items()}


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("batch_size", [5, 256])
def test_both_ways_give_the_same_logits(cascade, threshold, batch_size):
    set_threshold(cascade, threshold)
    whole = numbers(cascade(SONGS))
    logits, asked = cascade_forward(cascade, SONGS, batch_size=batch_size)
    np.testing.assert_allclose(logits, whole["logits"], atol=1e-5)
    heard = ~(whole["logits"] == whole["student"]).all(axis=1)
    assert not (heard & ~asked).any()
    assert asked.all() == (threshold == 0.0)
    assert asked.any() == (threshold < 1.0)


def test_the_middle_asks_some_and_hears_some(cascade):
    set_threshold(cascade, 0.5)
    whole = numbers(cascade(SONGS))
    _, asked = cascade_forward(cascade, SONGS)
    heard = (whole["logits"] == whole["teacher"]).all(axis=1)
    assert 0 < heard.sum() < asked.sum() < len(SONGS)  # or the tests above show little


def test_the_teacher_runs_on_what_it_is_asked_about_and_a_little_more(cascade, monkeypatch):
    set_threshold(cascade, 0.5)
    sizes = {}
    for name in ("student", "teacher"):
        inner = cascade.get_layer(f"member_{name}").model
        run, sizes[name] = inner.predict_on_batch, []

        def counted(x, run=run, sizes=sizes[name]):
            sizes.append(len(x))
            return run(x)

        monkeypatch.setattr(inner, "predict_on_batch", counted)
    _, asked = cascade_forward(cascade, SONGS, batch_size=16)
    assert sizes["student"] == [16, 16, 8]  # 37 songs: 16, 16, and 5 filled up to 8
    full, rest = divmod(int(asked.sum()), 16)
    assert sizes["teacher"] == [16] * full + [1 << (rest - 1).bit_length()] * (rest > 0)
    sizes["teacher"].clear()
    set_threshold(cascade, 1.0)
    cascade_forward(cascade, SONGS)
    assert sizes["teacher"] == []


def test_no_songs_give_no_logits(cascade):
    logits, asked = cascade_forward(cascade, SONGS[:0])
    assert (logits.shape, asked.shape) == ((0, CLASSES), (0,))


def test_graph_does_what_the_curve_of_its_stored_predictions_says(cascade):
    y = np.arange(len(SONGS)) % CLASSES
    outputs = numbers(cascade(SONGS))
    curve = trade_off(outputs["student"], outputs["teacher"], y)
    for number in (0, len(curve) // 3, len(curve) // 2, len(curve) - 1):
        point = curve[number]
        set_threshold(cascade, point.threshold)
        logits, asked = cascade_forward(cascade, SONGS)
        assert asked.mean() == pytest.approx(point.fraction)
        assert (logits.argmax(axis=1) == y).mean() == pytest.approx(point.accuracy)


def test_threshold_is_saved_with_the_weights(cascade, tmp_path):
    set_threshold(cascade, 0.125)
    cascade.save_weights(tmp_path / "cascade.weights.h5")
    set_threshold(cascade, 0.5)
    cascade.load_weights(tmp_path / "cascade.weights.h5")
    assert threshold_of(cascade) == 0.125


def test_what_is_no_cascade_and_no_threshold_is_refused(cascade):
    with pytest.raises(SettingsError, match="expected a model from build_cascade"):
        set_threshold(keras.Sequential(), 0.5)
    with pytest.raises(SettingsError, match="from 0 to 1, got 1.5"):
        set_threshold(cascade, 1.5)
    with pytest.raises(SettingsError, match="batch_size must be a whole number from 1, got 0"):
        cascade_forward(cascade, SONGS, batch_size=0)
