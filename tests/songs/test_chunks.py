import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrezoo.errors import SettingsError
from genrezoo.songs import SongSet
from genrezoo.songs.chunks import chunk_starts, cut_chunks


def some_songs(lengths, groups=None):
    x = np.zeros((len(lengths), max(lengths), 1), np.float32)
    for song, length in enumerate(lengths):
        x[song, :length, 0] = 100 * song + np.arange(length)
    splits = {"train": [0, 1], "valid": [2], "test": [3]}
    return SongSet(
        x=x, y=[0, 1, 0, 1], lengths=lengths, genres=("a", "b"), groups=groups, splits=splits, provenance="random"
    )


def test_chunks_cover_each_song_and_stay_on_its_side():
    songs = some_songs([7, 3, 4, 9])
    chunks, owner = cut_chunks(songs, segments=4, hop=3)
    assert owner.tolist() == [0, 0, 1, 2, 3, 3, 3]
    assert chunks.x[:, 0, 0].tolist() == [0, 3, 100, 200, 300, 303, 305]
    assert chunks.lengths.tolist() == [4, 4, 3, 4, 4, 4, 4]
    assert chunks.ids[:2].tolist() == [f"{songs.ids[0]}#1", f"{songs.ids[0]}#2"]
    assert {name: index.tolist() for name, index in chunks.splits.items()} == {
        "train": [0, 1, 2], "valid": [3], "test": [4, 5, 6],
    }  # fmt: skip
    assert chunks.y.tolist() == songs.y[owner].tolist()
    assert len(set(chunks.groups[:2])) == 1
    chunks.validate()


def test_a_chunk_has_the_weight_of_its_song():
    songs = dataclasses.replace(some_songs([7, 3, 4, 9]), weights=[1, 2, 3, 4])
    chunks, owner = cut_chunks(songs, segments=4, hop=3)
    assert chunks.weights.tolist() == (owner + 1).tolist()


def test_a_group_keeps_its_chunks_together():
    chunks, owner = cut_chunks(some_songs([7, 3, 4, 9], groups=["x", "x", "y", "z"]), segments=4, hop=3)
    assert chunks.groups.tolist() == [["x", "x", "y", "z"][song] for song in owner]


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 20))
def test_every_segment_is_in_a_chunk_and_no_chunk_twice(length, segments, hop):
    hop = min(hop, segments)
    starts = chunk_starts(length, segments, hop)
    covered = {start + offset for start in starts for offset in range(segments)}
    assert set(range(length)) <= covered
    assert len(set(starts)) == len(starts)
    assert max(starts) <= max(length - segments, 0)


@pytest.mark.parametrize(("segments", "hop"), [(0, 1), (4, 0), (4, 5)])
def test_chunks_out_of_range_are_refused(segments, hop):
    with pytest.raises(SettingsError, match=f"got {segments} and {hop}"):
        cut_chunks(some_songs([7, 3, 4, 9]), segments=segments, hop=hop)


def test_chunks_that_memory_cannot_hold_are_refused():
    songs = SongSet(x=np.zeros((4, 3, 2)), y=[0, 1, 0, 1], genres=("blues", "jazz"))
    with pytest.raises(SettingsError, match="chunks of 1,000,000,000,000 segments would need .* of memory"):
        cut_chunks(songs, segments=10**12, hop=1)
