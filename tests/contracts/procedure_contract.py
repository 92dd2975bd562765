"""What every training procedure must do, as named checks that anyone can run on a procedure of their own."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from toys import make_model, make_songs

from genrezoo.composition.cascade import build_cascade
from genrezoo.composition.combiner import build_combiner
from genrezoo.layers import MaskPadding, RadialBasis
from genrezoo.registry import Entry
from genrezoo.seeds import keras_seed
from genrezoo.songs import SongSet
from genrezoo.training import Fitted, forward
from genrezoo.training.checkpoint import weights_of

Settings = dict[str, Any]


def procedure_checks() -> Iterator[tuple[str, Callable[[Entry, Settings], None]]]:
    """The checks, by name. Each takes the procedure's entry and its smallest settings."""
    yield "learns", check_learns
    yield "history", check_history
    yield "seed", check_seed
    yield "held_out_labels", check_held_out_labels
    yield "songs", check_songs
    yield "resumes", check_resumes


def choice_checks() -> Iterator[tuple[str, Callable[[Entry, Settings], None]]]:
    """The checks of a procedure that learns nothing and chooses on validation songs."""
    yield "chooses", check_chooses
    yield "history", check_choice_is_told
    yield "test_labels", check_test_labels
    yield "songs", check_songs


def check_learns(entry: Entry, settings: Settings) -> None:
    """The loss goes down, and validation songs are told apart better than by chance."""
    fitted = _train(entry, {**settings, "epochs": 5})
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"], "the loss did not fall"
    valid = make_songs(90).split("valid")
    assert (forward(fitted.model, valid.x)["logits"].argmax(1) == valid.y).mean() > 0.5, "no better than chance"


def check_history(entry: Entry, settings: Settings) -> None:
    """One record an epoch, told as it happens, and the kept epoch is one of them."""
    fitted, told = _usual(entry, settings)
    assert told == fitted.history, "the epochs told are not the history"
    assert [row["epoch"] for row in told] == list(range(1, settings["epochs"] + 1)), "epochs are not counted from 1"
    assert 1 <= fitted.best_epoch <= len(told), "the kept epoch never happened"


def check_seed(entry: Entry, settings: Settings) -> None:
    """The same seed gives the same bits, another seed others."""
    first = _bits(_usual(entry, settings)[0])
    assert first == _bits(_train(entry, settings)), "the same seed gave other weights"
    assert first != _bits(_train(entry, settings, seed=2)), "another seed gave the same weights"


def check_held_out_labels(entry: Entry, settings: Settings) -> None:
    """Labels of validation and test songs never reach an update."""
    songs = make_songs(90)
    y = songs.y.copy()
    held = np.concatenate([songs.splits["valid"], songs.splits["test"]])
    y[held] = (y[held] + 1) % 3
    last = {**settings, "snapshot": "last"}
    one, other = (_train(entry, last, songs=given) for given in (songs, dataclasses.replace(songs, y=y)))
    assert _bits(one) == _bits(other), "held-out labels changed the weights"


def _content(songs: SongSet) -> bytes:
    """The songs as bytes; their own checksum is computed once, and would not notice."""
    return songs.x.tobytes() + songs.y.tobytes() + songs.lengths.tobytes()


def check_songs(entry: Entry, settings: Settings) -> None:
    """The songs are left alone."""
    songs = make_songs(90)
    before = _content(songs)
    _train(entry, settings, songs=songs)
    assert _content(songs) == before, "the songs were changed"


def check_resumes(entry: Entry, settings: Settings) -> None:
    """Stopped after an epoch and called again, it ends with the same bits."""

    class Stop(Exception):
        pass

    def stop(record: dict[str, float]) -> None:
        raise Stop

    expected = _bits(_usual(entry, settings)[0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        try:
            _train(entry, settings, checkpoint_path=path, on_epoch=stop)
        except Stop:
            pass
        else:
            raise AssertionError("the epoch was not told")
        assert _bits(_train(entry, settings, checkpoint_path=path)) == expected, "resumed to other weights"


def check_chooses(entry: Entry, settings: Settings) -> None:
    """What it tells of the validation songs is what its model does, and the same each time."""
    fitted, _ = _usual(entry, settings)
    valid = make_songs(90).split("valid")
    accuracy = (forward(fitted.model, valid.x)["logits"].argmax(1) == valid.y).mean()
    assert fitted.history[-1]["valid_accuracy"] == accuracy, "the accuracy told is not the model's"
    assert _bits(_train(entry, settings, seed=2)) == _bits(fitted), "the seed has a say"


def check_choice_is_told(entry: Entry, settings: Settings) -> None:
    """One record, told as it happens."""
    fitted, told = _usual(entry, settings)
    assert told == fitted.history, "the epochs told are not the history"
    assert fitted.best_epoch == len(told) == 1, "there is more than one choice"


def check_test_labels(entry: Entry, settings: Settings) -> None:
    """Test songs have no say."""
    songs = make_songs(90)
    y = songs.y.copy()
    y[songs.splits["test"]] = (y[songs.splits["test"]] + 1) % 3
    one, other = (_train(entry, settings, songs=given) for given in (songs, dataclasses.replace(songs, y=y)))
    assert _bits(one) == _bits(other), "test labels changed the choice"


def _usual(entry: Entry, settings: Settings) -> tuple[Fitted, list[dict[str, float]]]:
    """A training that several checks ask about, which happens once, and the epochs that it told."""
    key = entry.call, json.dumps(settings)
    if key not in _trainings:
        told: list[dict[str, float]] = []
        _trainings[key] = _train(entry, settings, on_epoch=told.append), told
    return _trainings[key]


_trainings: dict[tuple[Callable[..., Any], str], tuple[Fitted, list[dict[str, float]]]] = {}


def _train(entry: Entry, settings: Settings, *, songs: Any = None, seed: int = 1, **options: Any) -> Fitted:
    assert entry.settings is not None, "a procedure registers its settings"
    given = make_songs(90) if songs is None else songs
    if entry.members:
        options["logits"] = {name: _logits(given) for name in entry.members}
    model = TOYS.get(entry.name, lambda: make_model("dropout"))()
    return entry.call(model, given, entry.settings(**settings), seed=seed, **options)


def make_recurrent() -> Any:
    """The smallest model that can be read in parts, with everything whose state a resume must restore."""
    with keras_seed(0):
        inputs = keras.Input((6, 4))
        state = keras.layers.SimpleRNN(8, dropout=0.2, recurrent_dropout=0.2)(MaskPadding()(inputs))
        state = keras.layers.BatchNormalization(momentum=0.8)(keras.layers.Dropout(0.2)(state))
        return keras.Model(inputs, keras.layers.Dense(3, name="logits")(state))


def make_combined() -> Any:
    """A new layer on two finished members."""
    with keras_seed(0):
        return build_combiner({"a": make_model(), "b": make_model("dropout", seed=3)}, (6, 4), 3)


def make_cascade() -> Any:
    """A cascade of two models that differ in all they say."""
    return build_cascade({"student": make_model(seed=1), "teacher": make_model(seed=2)}, (6, 4), 3)


def make_radial() -> Any:
    """Radial basis functions on the mean of a song, fewer than the songs."""
    with keras_seed(0):
        inputs = keras.Input((6, 4))
        similar = RadialBasis(60)(keras.layers.GlobalAveragePooling1D()(MaskPadding()(inputs)))
        return keras.Model(inputs, keras.layers.Dense(3, name="logits")(similar))


TOYS = {
    "truncated": make_recurrent,
    "stagewise": make_combined,
    "cascade_threshold": make_cascade,
    "kernel_ridge": make_radial,
}
"""Models for procedures that need one of a certain form."""


def _logits(songs: SongSet) -> np.ndarray:
    """What a good model would say of `make_songs`; nothing of test songs."""
    mean = songs.x[:, :, :1].mean(axis=1)  # (songs, 1), about 1.5 times the label
    logits = -((mean - 1.5 * np.arange(songs.num_classes)) ** 2).astype(np.float32)
    logits[songs.splits["test"]] = np.nan
    return logits


def _bits(fitted: Fitted) -> bytes:
    return b"".join(value.tobytes() for value in weights_of(fitted.model).values())
