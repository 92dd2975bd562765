"""What every training procedure must do, as named checks that anyone can run on a procedure of their own."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from toys import make_model, make_songs

from genrezoo.registry import Entry
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


def check_learns(entry: Entry, settings: Settings) -> None:
    """The loss goes down, and validation songs are told apart better than by chance."""
    fitted = _train(entry, {**settings, "epochs": 5})
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"], "the loss did not fall"
    valid = make_songs(90).split("valid")
    assert (forward(fitted.model, valid.x)["logits"].argmax(1) == valid.y).mean() > 0.5, "no better than chance"


def check_history(entry: Entry, settings: Settings) -> None:
    """One record an epoch, told as it happens, and the kept epoch is one of them."""
    told: list[dict[str, float]] = []
    fitted = _train(entry, settings, on_epoch=told.append)
    assert told == fitted.history, "the epochs told are not the history"
    assert [row["epoch"] for row in told] == list(range(1, settings["epochs"] + 1)), "epochs are not counted from 1"
    assert 1 <= fitted.best_epoch <= len(told), "the kept epoch never happened"


def check_seed(entry: Entry, settings: Settings) -> None:
    """The same seed gives the same bits, another seed others."""
    assert _bits(_train(entry, settings)) == _bits(_train(entry, settings)), "the same seed gave other weights"
    assert _bits(_train(entry, settings)) != _bits(_train(entry, settings, seed=2)), (
        "another seed gave the same weights"
    )


def check_held_out_labels(entry: Entry, settings: Settings) -> None:
    """Labels of validation and test songs never reach an update."""
    songs = make_songs(90)
    y = songs.y.copy()
    held = np.concatenate([songs.splits["valid"], songs.splits["test"]])
    y[held] = (y[held] + 1) % 3
    last = {**settings, "snapshot": "last"}
    one, other = (_train(entry, last, songs=given) for given in (songs, dataclasses.replace(songs, y=y)))
    assert _bits(one) == _bits(other), "held-out labels changed the weights"


def check_songs(entry: Entry, settings: Settings) -> None:
    """The songs are left alone."""
    songs = make_songs(90)
    before = songs.checksum()
    _train(entry, settings, songs=songs)
    assert songs.checksum() == before, "the songs were changed"


def check_resumes(entry: Entry, settings: Settings) -> None:
    """Stopped after an epoch and called again, it ends with the same bits."""

    class Stop(Exception):
        pass

    def stop(record: dict[str, float]) -> None:
        raise Stop

    expected = _bits(_train(entry, settings))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        try:
            _train(entry, settings, checkpoint_path=path, on_epoch=stop)
        except Stop:
            pass
        else:
            raise AssertionError("the epoch was not told")
        assert _bits(_train(entry, settings, checkpoint_path=path)) == expected, "resumed to other weights"


def _train(entry: Entry, settings: Settings, *, songs: Any = None, seed: int = 1, **options: Any) -> Fitted:
    assert entry.settings is not None, "a procedure registers its settings"
    given = make_songs(90) if songs is None else songs
    return entry.call(make_model("dropout"), given, entry.settings(**settings), seed=seed, **options)


def _bits(fitted: Fitted) -> bytes:
    return b"".join(value.tobytes() for value in weights_of(fitted.model).values())
