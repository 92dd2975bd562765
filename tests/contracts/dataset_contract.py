"""What every data set must do, as named checks that anyone can run on a data set of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genrezoo.datasets import find_dataset
from genrezoo.errors import GenrezooError
from genrezoo.registry import Entry
from genrezoo.songs import SongSet
from genrezoo.songs.splits import find_leaks

Sample = dict[str, Any]


def dataset_checks() -> Iterator[tuple[str, Callable[[Entry, Sample], None]]]:
    """The checks, by name. Each takes the data set's entry and the options that load its small sample."""
    yield "facts", check_facts
    yield "sample", check_sample
    yield "repeats", check_repeats
    yield "split", check_split
    yield "refusal", check_refusal
    yield "detection", check_detection


def check_facts(entry: Entry, sample: Sample) -> None:
    """It says what it is, where it comes from and under which licence."""
    for fact in ("summary", "reference", "licence"):
        assert getattr(entry, fact), f"no {fact}"
    assert entry.call.__doc__, "no docstring"


def check_sample(entry: Entry, sample: Sample) -> None:
    """The sample loads, can be trained on, and describes itself in plain data."""
    songs = entry.call(**sample)
    assert isinstance(songs, SongSet), "not a SongSet"
    songs.validate()
    json.dumps(songs.describe(), allow_nan=False)


def check_repeats(entry: Entry, sample: Sample) -> None:
    """Loading twice gives the same songs."""
    assert entry.call(**sample).checksum() == entry.call(**sample).checksum(), "loading twice gave other songs"


def check_split(entry: Entry, sample: Sample) -> None:
    """No song and no group stands on two sides, and a split says where it comes from."""
    songs = entry.call(**sample)
    leaks = find_leaks(songs)
    assert not leaks.songs, "a song is on two sides"
    assert not leaks.groups, "a group is on two sides"
    everything = np.concatenate([*songs.splits.values(), np.array([], np.int64)])
    assert len(everything) <= songs.n_songs, "more songs in the split than there are"


def check_refusal(entry: Entry, sample: Sample) -> None:
    """What cannot be loaded is refused with a message for the user."""
    impossible = {"path": "/nonexistent/songs"} if "path" in sample else {"no_such_option": 1}
    if "paths" in sample:
        impossible = {**sample, "paths": ["/nonexistent/songs"] * len(sample["paths"])}
    with pytest.raises(GenrezooError):
        entry.call(**impossible)


def check_detection(entry: Entry, sample: Sample) -> None:
    """It recognises nothing where nothing is, and `find_dataset` finds it where it recognises its sample."""
    if entry.detects:
        assert not entry.detects(Path("/nonexistent/songs")), "recognises a path where nothing is"
        if entry.detects(Path(sample["path"])):
            found = find_dataset(sample["path"])
            assert found is not None
            assert found.name == entry.name, f"its sample is taken for {found.name}"
