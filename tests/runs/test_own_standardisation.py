"""Compositions that do not standardise: each member keeps the standardisation that it was trained with."""

import dataclasses

import numpy as np
import pytest
from toys import make_songs

from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import softmax
from genrezoo.recipes import Recipe, get_recipe
from genrezoo.runs import load_run, train

PLAIN = get_recipe("fully_connected").changed({"units": [3], "epochs": 1, "batch_size": 32})
KINDS = {
    "clipped": {"clip": 0.5},
    "quantile": {"transform": "quantile"},
    "some": {"features": ["b", "a"], "transform": "smooth_clip"},
    "raw": {"standardise": False},
}


def far_songs(n_songs=60):
    """Songs whose features lie far from zero, in two groups."""
    songs = make_songs(n_songs)
    return dataclasses.replace(songs, x=50 + 20 * songs.x, about={"feature_groups": {"a": [3], "b": [0, 1]}})


def together(members, **more):
    given = {"model": "ensemble", "standardise": False, "procedure": "stagewise", **more}
    return Recipe(name="together", summary="s", reference="r", members=members, **given)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    songs, folder = far_songs(), tmp_path_factory.mktemp("parts")
    for name, changes in KINDS.items():
        recipe = PLAIN.changed(changes).model_copy(update={"name": name})
        train(recipe, songs, seed=1, out=folder / name)
    return songs, {name: load_run(folder / name) for name in KINDS}, folder


def given(parts, *names):
    return {name: {"run": str(parts[2] / name)} for name in names}


@pytest.fixture(scope="module")
def ensemble(parts):
    return train(together(given(parts, *KINDS)), parts[0], seed=1, out=parts[2] / "ensemble")


def posteriors(run, songs):
    return softmax(run.logits(songs))


def test_members_of_all_kinds_answer_as_they_do_alone(parts, ensemble):
    songs, runs, _ = parts
    test = songs.split("test")
    expected = np.mean([posteriors(run, test) for run in runs.values()], axis=0)
    again = load_run(ensemble.folder)
    np.testing.assert_allclose(posteriors(again, test), expected, atol=1e-5)
    np.testing.assert_array_equal(again.logits(test), again.predictions("test")["logits"])
    again.network.get_layer("member_quantile").weights[0].assign(np.zeros(4))  # the mean is a weight
    assert not np.allclose(posteriors(again, test), expected, atol=1e-3)


@pytest.mark.slow
def test_an_ensemble_is_a_member_of_an_ensemble(parts, ensemble):
    songs, runs, folder = parts
    members = {"all": {"run": str(ensemble.folder)}, "one": {"run": str(folder / "quantile")}}
    recipe = together(members, arguments={"weights": {"all": 3, "one": 1}})
    run = load_run(train(recipe, songs, seed=1, out=folder / "twice").folder)
    test = songs.split("test")
    expected = 0.75 * posteriors(ensemble, test) + 0.25 * posteriors(runs["quantile"], test)
    np.testing.assert_allclose(posteriors(run, test), expected, atol=1e-5)
    assert run.card.parameters == ensemble.card.parameters + runs["quantile"].card.parameters + 2 * 4 + 2 * 27 * 4


@pytest.mark.slow
def test_it_is_exported(parts, ensemble, tmp_path):
    from genrezoo.exported import load_exported
    from genrezoo.exporting import export
    from genrezoo.exporting.source import open_source

    source = open_source(ensemble)  # random songs to compare on are as far away as those that members were trained on
    assert source.centre.min() > 30
    assert source.spread.min() > 10
    export(ensemble, "onnx", tmp_path / "e.onnx", songs=parts[0].split("test"))
    test = parts[0].split("test")
    np.testing.assert_allclose(load_exported(tmp_path / "e.onnx").logits(test), ensemble.logits(test), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        together({"a": {"recipe": PLAIN}, "b": {"recipe": PLAIN.changed(transform="signed_log")}}, model="combiner"),
        together(
            {"a": {"recipe": PLAIN}, "b": {"recipe": PLAIN.changed(transform="quantile"), "fresh": True}},
            model="combiner",
            arguments={"freeze": ["a"]},
        ),
        together({"original": {"recipe": PLAIN.changed(clip=1.0)}}, model="correcting", arguments={"units": [3]}),
    ],
    ids=["combiner", "fresh", "correcting"],
)
def test_other_compositions_keep_it_too(recipe, tmp_path):
    songs = far_songs()
    run = train(recipe.changed({"epochs": 1, "batch_size": 32}), songs, seed=1, out=tmp_path / "c")
    again = load_run(run.folder)
    np.testing.assert_array_equal(again.logits(songs.split("test")), run.predictions("test")["logits"])
    layer = again.network.get_layer("member_b" if "b" in recipe.members else "member_original")
    model = getattr(layer, "model", layer)
    (own,) = [part for part in model._flatten_layers() if type(part).__name__ == "Standardise"]
    assert 30 < float(np.asarray(own.weights[0]).mean()) < 90


def test_other_songs_and_other_chunks_are_refused(parts, tmp_path):
    songs = parts[0]
    members = given(parts, "clipped", "quantile")
    other = songs.with_split({**songs.splits, "valid": songs.splits["valid"][1:]}, "random")
    with pytest.raises(DataError, match="other songs or another split"):
        train(together(members), other, seed=1, out=tmp_path / "a")
    with pytest.raises(DataError, match="or pass standardise=False"):
        train(together(members, standardise=True), songs, seed=1, out=tmp_path / "b")
    chunked = PLAIN.changed({"chunks": {"segments": 3, "hop": 3}})
    with pytest.raises(SettingsError, match="member 'b' .* other chunks"):
        train(together({**members, "b": {"recipe": chunked}}), songs, seed=1, out=tmp_path / "c")
