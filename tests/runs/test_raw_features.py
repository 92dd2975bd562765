"""A run's whole model reads raw features and answers as the run does, for each kind of input."""

import dataclasses

import keras
import numpy as np
import pytest
from toys import make_songs

import genrezoo as gz
from genrezoo.recipes import Recipe
from genrezoo.runs.preprocessing import Preprocessing
from genrezoo.songs import SongSet, Standardiser
from genrezoo.songs.chunks import Chunks

GROUPS = {"feature_groups": {"first": [0, 1], "middle": [2], "last": [3]}}


def segments():
    """Songs of different lengths, far from standardised; 99 in the padding, which has no meaning."""
    songs = make_songs(48)
    lengths = np.where(np.arange(songs.n_songs) % 2, 4, 6)
    x = np.where(np.arange(6)[:, None] < lengths[:, None, None], 50 + 20 * songs.x, 99.0)
    return dataclasses.replace(songs, x=x, lengths=lengths, about=GROUPS)


def images():
    y = np.arange(48) % 3
    x = np.random.default_rng(0).uniform(0, 255, (48, 8, 8, 3))
    splits = {"train": np.arange(24), "valid": np.arange(24, 36), "test": np.arange(36, 48)}
    return SongSet(x=x, y=y, genres=("a", "b", "c"), splits=splits, provenance="random", kind="image")


def recipe(model, arguments, **more):
    changes = {"procedure": "supervised", "settings": {"epochs": 1, "batch_size": 12}, **more}
    return Recipe(name="raw", summary="s", reference="r", model=model, arguments=arguments, **changes)


LSTM = recipe("lstm", {"units": 3})
KINDS = {
    "segments with padding": (segments, LSTM),
    "feature groups": (segments, recipe("fully_connected", {"units": [4]}, features=("last", "first"), clip=0.8)),
    "chunks": (
        segments,
        recipe("fully_connected", {"units": [4]}, chunks={"segments": 3, "hop": 2, "rule": "product"}),
    ),
    "quantiles": (segments, recipe("fully_connected", {"units": [4]}, features=("first",), transform="quantile")),
    "signed logarithm": (segments, recipe("fully_connected", {"units": [4]}, transform="signed_log")),
    "several outputs": (segments, recipe("snippet_lstm", {"units": 3, "snippets": 2})),
    "image": (
        images,
        recipe("spectrogram_cnn", {"conv_layers": 1, "kernel_size": 3, "strides": 2, "filters": 2}, clip=1.5),
    ),
}


QUICK = ("segments with padding", "feature groups", "chunks", "quantiles", "image")


@pytest.fixture(
    scope="module",
    params=[*QUICK, *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS if kind not in QUICK)],
)
def case(request, tmp_path_factory):
    make, what = KINDS[request.param]
    songs = make()
    return gz.train(what, songs, seed=1, out=tmp_path_factory.mktemp("raw") / "run"), songs


def test_the_model_on_raw_features_answers_as_the_run(case):
    run, songs = case
    test = songs.split("test")
    cut, owner = run.preprocessing.cut(test)
    answers = run.model.predict(cut.padded(), verbose=0)
    found = run.preprocessing.combine(answers["logits"] if isinstance(answers, dict) else answers, owner)
    np.testing.assert_allclose(found, run.logits(test), atol=1e-5)
    np.testing.assert_allclose(found, run.predictions("test")["logits"], atol=1e-5)
    sizes = zip(run.model.input_shape[1:], cut.song_shape, strict=True)
    assert all(size in (None, expected) for size, expected in sizes)  # None: any length
    first, *_ = (layer for layer in run.model.layers if not isinstance(layer, keras.layers.InputLayer))
    assert first.name == "standardise"


def test_a_reopened_run_has_the_same_model(case):
    run, songs = case
    cut, _ = run.preprocessing.cut(songs.split("test"))
    one, other = (each.model.predict(cut.padded(), verbose=0) for each in (run, gz.load_run(run.folder)))
    keras.tree.map_structure(np.testing.assert_array_equal, one, other)


@pytest.mark.slow
def test_the_model_is_trained_further_by_hand(tmp_path):
    songs = segments()
    run = gz.train(LSTM, songs, seed=1, out=tmp_path / "run")
    before, train = run.logits(songs.split("test")), songs.split("train")
    keras.utils.set_random_seed(1)
    run.model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = run.model.fit(train.padded(), train.y, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    after = run.logits(songs.split("test"))
    assert not np.allclose(before, after)
    np.testing.assert_allclose(run.model.predict(songs.split("test").padded(), verbose=0), after, atol=1e-5)
    np.testing.assert_array_equal(gz.load_run(run.folder).logits(songs.split("test")), before)


def test_songs_with_fewer_chunks_than_others_are_combined_of_their_own():
    """By hand: the first song has two chunks, the second one, whose certainty no padding may dilute."""
    chunks = Chunks(segments=3, hop=2, rule="product")
    reads = Preprocessing(None, chunks, Standardiser.none(1))
    songs = SongSet(x=np.zeros((2, 5, 1)), y=[0, 1], genres=("a", "b"), lengths=[5, 3])
    _, owner = reads.cut(songs)
    assert owner.tolist() == [0, 0, 1]
    posteriors = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8]], np.float32)
    product = np.array([0.27, 0.07]) / 0.34
    np.testing.assert_allclose(np.exp(reads.combine(np.log(posteriors), owner)), [product, [0.2, 0.8]], atol=1e-6)
    reads = dataclasses.replace(reads, chunks=Chunks(segments=3, hop=2, rule="mean"))
    np.testing.assert_allclose(np.exp(reads.combine(np.log(posteriors), owner)), [[0.6, 0.4], [0.2, 0.8]], atol=1e-6)
