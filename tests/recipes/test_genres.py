"""Twenty-five genres: every recipe takes their number from the songs, and document B's penalty of the output layer."""

import pytest

from genrezoo.benchmarking import load_suite
from genrezoo.datasets import load_songs
from genrezoo.recipes import RECIPES, get_recipe
from genrezoo.runs import train
from genrezoo.runs.building import build_model

OF_DOCUMENT_A = [one.name for one in RECIPES.members() if one.reference.startswith("document A")]
ENTRANTS = {one.called: one for one in load_suite("many_genres").entrants}


def logits_of(recipe, genres):
    """The layer called ``logits``, or the outputs where a rule gives them."""
    model = build_model(recipe, (20, 4), genres, seed=1)
    output = model.output["logits"] if isinstance(model.output, dict) else model.output
    return output, model


@pytest.mark.parametrize("name", OF_DOCUMENT_A)
def test_a_model_of_document_a_has_a_logit_for_each_genre_of_the_songs(name):
    for genres in (10, 25):
        assert logits_of(get_recipe(name), genres)[0].shape == (None, genres)


def test_without_a_readout_there_is_a_state_for_each_genre_of_the_songs():
    _, model = logits_of(get_recipe("rnn_without_readout"), 25)
    assert model.get_layer("rnn").cell.units == 25


def test_a_run_on_25_genres_predicts_25(tmp_path):
    songs = load_songs("synthetic", n_genres=25, n_segments=8, n_train=50, n_valid=25, n_test=25)
    run = train(get_recipe("rnn").changed({"units": 3, "epochs": 1}), songs, seed=1, out=tmp_path / "run")
    assert run.genres == songs.genres
    assert run.logits(songs.split("test")).shape == (25, 25)


@pytest.mark.parametrize("name", ENTRANTS)
def test_an_entrant_on_25_genres_has_25_logits(name):
    assert logits_of(ENTRANTS[name].build({}), 25)[0].shape == (None, 25)


def test_the_output_layer_on_25_genres_is_penalised_in_one_entrant_and_free_in_the_other():
    free, penalised = (
        logits_of(ENTRANTS[name].build({}), 25)[1].get_layer("logits")
        for name in ("conv_in_time", "conv_in_time_output_l2")
    )
    assert free.kernel.shape == penalised.kernel.shape == (200, 25)
    assert free.kernel.regularizer is None
    assert float(penalised.kernel.regularizer.l2) == pytest.approx(0.01)


def test_what_document_b_compares_on_25_genres_is_in_the_suite_and_its_members_have_25_logits():
    assert {"segment_cnn", "conv_in_time", "linear_combiner", "correcting"} <= ENTRANTS.keys()
    _, combiner = logits_of(ENTRANTS["linear_combiner"].build({}), 25)
    assert combiner.get_layer("logits").kernel.shape == (3 * 25, 25)
    assert load_suite("many_genres").data[0]["n_genres"] == 25
