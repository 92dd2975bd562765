"""An export is compared on songs that show differences, and every kind of difference is found."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from genrezoo.errors import DataError
from genrezoo.exporting.parity import BATCHES, TOLERANCE, compare, random_songs, sizes
from genrezoo.exporting.source import open_source


@pytest.fixture(scope="module")
def source(run):
    return open_source(run)


def own_answers(source):
    return lambda x: np.asarray(source.model(x, training=False))


def test_model_equals_itself(source, songs):
    found = compare(source, own_answers(source), songs=songs)
    assert found.largest_difference < 1e-6
    assert (found.songs, found.real_songs) == (sum(BATCHES) + songs.n_songs, songs.n_songs)


def test_random_songs_have_the_training_songs_statistics_and_padding_at_the_end(run, source):
    x = random_songs(source, 2000, 12, np.random.default_rng(0))
    np.testing.assert_allclose(np.nanmean(x, axis=(0, 1)), run.card.mean, atol=0.1)
    np.testing.assert_allclose(np.nanstd(x, axis=(0, 1)), run.card.scale, atol=0.1)
    real = ~np.isnan(x).any(axis=-1)
    assert real[0].all()
    assert set(real.sum(axis=1)) == set(range(1, 13))
    assert (np.diff(real.astype(int), axis=1) <= 0).all()


def test_sizes_follow_from_what_the_model_reads(source, perceptron):
    assert list(sizes(source)) == [(1, 12), (3, 6), (257, 17)]
    assert list(sizes(open_source(perceptron))) == [(1, 12), (3, 12), (257, 12)]


def test_batches_are_smaller_where_a_layer_gives_much(perceptron):
    songs = keras.Input((12, 4))
    wide = keras.Model(songs, keras.layers.Dense(2**18)(songs))  # 12 MiB a song
    opened = dataclasses.replace(open_source(perceptron), model=wide)
    assert [size for size, _ in sizes(opened)] == [1, 3, 2**26 // (12 * 2**18)]


@pytest.mark.parametrize("spoil", ["one song", "nan", "shape", "only other lengths", "only real songs"])
def test_difference_is_found_wherever_it_is(source, songs, spoil):
    right = own_answers(source)

    def answers(x):
        found = right(x).copy()
        if spoil == "one song" and len(x) == 257:
            found[200, 1] += 2 * TOLERANCE * np.abs(found).max()
        if spoil == "nan":
            found[0, 0] = np.nan
        if spoil == "only other lengths" and x.shape[1] != 12:
            found *= 1.01
        if spoil == "only real songs" and len(x) == songs.n_songs:
            found *= 1.01
        return found[:, :2] if spoil == "shape" else found

    words = {
        "one song": "a batch of 257 random songs of 17 segments, song 200, output 1",
        "nan": "song 0, output 0: nan instead of",
        "shape": r"shape \(1, 2\), expected \(1, 3\)",
        "only other lengths": "random songs of",
        "only real songs": "the run's songs",
    }
    with pytest.raises(DataError, match=words[spoil]):
        compare(source, answers, songs=songs)
