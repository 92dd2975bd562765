"""Chunks of one segment: each segment is an example, and a song is answered by all its real ones."""

import dataclasses

import numpy as np
import pytest
from toys import make_songs

import genrezoo as gz
from genrezoo.evaluation import log_softmax, softmax


@pytest.mark.parametrize("rule", ["mean", "product"])
def test_segments_are_trained_by_themselves_and_songs_answered_by_their_real_ones(tmp_path, rule):
    songs = dataclasses.replace(make_songs(90), lengths=1 + np.arange(90) % 6)
    recipe = gz.get_recipe("segment_mlp").changed(
        {
            "units": [16],
            "dropout": 0.0,
            "epochs": 4,
            "batch_size": 16,
            "learning_rate": 0.03,
            "chunks": {**ONE, "rule": rule},
        }
    )
    told = []
    run = gz.train(recipe, songs, seed=1, out=tmp_path / "run", verbose=0, on_epoch=told.append)
    assert run.card.input_shape == (1, 4)
    real = int(songs.split("train").lengths.sum())
    assert len(told) == 4
    assert run.preprocessing.training_songs(songs)[0].split("train").n_songs == real  # padding is no example

    test = songs.split("test")
    standardiser = run.preprocessing.standardiser
    segments = (test.x - standardiser.mean) / standardiser.scale  # (songs, segments, features)
    answers = run.network.predict(segments.reshape(-1, 1, 4), verbose=0).reshape(len(test), 6, 3)
    for song, length, found in zip(answers, test.lengths, run.logits(test), strict=True):
        own = song[:length]
        expected = softmax(own).mean(axis=0) if rule == "mean" else softmax(log_softmax(own).sum(axis=0))
        np.testing.assert_allclose(softmax(found), expected, atol=1e-5)
    long = songs.take(songs.lengths >= 3)
    assert (run.logits(long).argmax(axis=1) == long.y).mean() > 0.7  # chance is a third


ONE = {"segments": 1, "hop": 1}
