"""Looking models up, building them by name, adding one; and the search spaces."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from genrezoo import models
from genrezoo.errors import GenrezooError, SettingsError, UnknownNameError
from genrezoo.models import create_model, list_models, model_info, register_model
from genrezoo.recipes import Recipe
from genrezoo.registry import MODELS, Registry
from genrezoo.tuning.oracles.base import random_points
from genrezoo.tuning.search_space import search_space

ROOMY = {
    "efficientnet_lite0": (32, 33, 3),
    "mel_cnn": (21, 18),
    "resnet50": (32, 33, 3),
    "spectrogram_cnn": (124, 126, 3),
    "vgg_tagger": (64, 64),
}
"""Input shapes that are large enough for every point of the search space, where (40, 5) is not."""


def builder(input_shape, num_classes, *, size=3):
    """Stands for a user's model."""
    return input_shape, num_classes, size


@pytest.fixture
def mine():
    register_model("mine", summary="mine", reference="me", expects="image")(builder)
    yield "mine"
    MODELS.remove("mine")


def test_the_families_are_there():
    expected = {"conv_in_time", "fully_connected", "lstm", "mlp", "segment_cnn", "snippet_lstm", "stabilised_lstm"}
    expected |= {"multitask_autoencoder", "multitask_binary", "snippet_ensemble", "student_mlp"}
    expected |= {"feature_mlp", "mel_cnn", "mfcc_mlp", "resnet50", "spectrogram_cnn"}
    expected |= {"efficientnet_lite0", "musicnn", "vgg_tagger"}
    assert expected <= set(list_models())
    assert list_models("conv*") == ["conv_in_time"]


def test_info_tells_arguments_and_their_defaults():
    info = model_info("snippet_lstm")
    assert info["arguments"]["snippets"] == 4
    assert info["reported"]["MSD-10 test accuracy"].startswith("65 %")
    assert info["masks_padding"]
    assert not info["any_length"]


def test_unknown_model_suggests_near_names():
    with pytest.raises(UnknownNameError, match=r"unknown model 'lsmt'. Did you mean 'lstm'"):
        create_model("lsmt", (12, 3), 3)


def test_unknown_argument_suggests_near_names():
    with pytest.raises(UnknownNameError, match="unknown argument of model 'lstm' 'unit'. Did you mean 'units'"):
        create_model("lstm", (12, 3), 3, unit=5)
    with pytest.raises(UnknownNameError, match="'zzz'. Known: classifier_activation, dropout, l2"):
        create_model("lstm", (12, 3), 3, zzz=5)


@pytest.mark.parametrize("shape", [(12,), (12, 3, 1), (0, 3), (12, None), (12.0, 3), "12", 12, (True, 3)], ids=repr)
def test_shape_of_another_form_is_refused(shape):
    with pytest.raises(SettingsError, match=r"input_shape must be \(n_segments or None, n_features\)"):
        create_model("lstm", shape, 3)


@pytest.mark.parametrize("classes", [1, 0, 2.0, True], ids=repr)
def test_number_of_classes_out_of_range_is_refused(classes):
    with pytest.raises(SettingsError, match="num_classes must be a whole number from 2"):
        create_model("lstm", (12, 3), classes)


@pytest.mark.parametrize(("shape", "classes"), [(None, 3), ((12, 3), None)])
def test_without_weights_shape_and_classes_are_needed(shape, classes):
    with pytest.raises(SettingsError, match="model 'lstm' needs input_shape and num_classes; only named weights"):
        create_model("lstm", shape, classes)


def test_open_length_is_for_models_of_any_length():
    assert create_model("lstm", [None, 3], 3, units=2).input_shape == (None, None, 3)
    with pytest.raises(SettingsError, match="fixed number of segments"):
        create_model("mlp", (None, 3), 3)


def test_numbers_of_numpy_are_numbers():
    assert create_model("lstm", (np.int64(12), np.int32(3)), np.int64(3), units=np.int64(2)).output_shape == (None, 3)


def test_seed_is_checked_and_makes_the_weights():
    models = (create_model("lstm", (12, 3), 3, seed=seed, units=2) for seed in (1, 1, 2))
    first, again, other = (np.asarray(model.get_layer("lstm").cell.kernel) for model in models)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    with pytest.raises(SettingsError, match="seed must be an integer"):
        create_model("lstm", (12, 3), 3, seed=-1)


def test_registered_model_is_one_of_the_zoo(mine):
    assert mine in list_models()
    assert create_model(mine, (8, 8, 3), 4, size=7) == ((8, 8, 3), 4, 7)
    with pytest.raises(SettingsError, match=r"input_shape must be \(height, width, channels\)"):
        create_model(mine, (8, 8), 4)


def test_taken_name_is_refused_and_the_zoo_stays_whole(mine):
    with pytest.raises(GenrezooError, match="model 'mine' is already registered"):
        register_model(mine, summary="again", reference="me")(builder)
    with pytest.raises(GenrezooError, match="'lstm' is already registered"):
        register_model("lstm", summary="again", reference="me")(builder)
    assert MODELS.get("lstm").call is not builder


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda shape, num_classes: None, "must be of the form"),
        (lambda input_shape, num_classes, units=3: None, "'units' of model 'mine' must be keyword-only with a default"),
        (
            lambda input_shape, num_classes, *, units: None,
            "'units' of model 'mine' must be keyword-only with a default",
        ),
        (lambda input_shape, num_classes, **options: None, "'options' of model 'mine' must be keyword-only"),
    ],
    ids=["names", "positional", "no default", "open"],
)
def test_builder_of_another_form_is_refused(build, reason):
    with pytest.raises(SettingsError, match=reason):
        register_model("mine", summary="mine", reference="me")(build)


def test_facts_of_a_model_are_asked_for():
    with pytest.raises(SettingsError, match="needs a summary and a reference"):
        register_model("mine", summary=" ", reference="me")
    with pytest.raises(SettingsError, match="expects must be 'segments' or 'image', got 'sound'"):
        register_model("mine", summary="mine", reference="me", expects="sound")


def test_clash_is_reported_to_the_newcomer_even_before_the_first_look_up(tmp_path, monkeypatch):
    register = "from genrezoo.models import register_model; register_model('taken', summary='a', reference='b')"
    (tmp_path / "small_zoo").mkdir()
    (tmp_path / "small_zoo" / "__init__.py").write_text("")
    (tmp_path / "small_zoo" / "family.py").write_text(f"{register}(lambda input_shape, num_classes: 'old')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(models, "MODELS", Registry("model", package="small_zoo"))
    with pytest.raises(GenrezooError, match="model 'taken' is already registered"):
        register_model("taken", summary="a", reference="b")(builder)
    assert create_model("taken", (12, 3), 3) == "old"


@pytest.mark.parametrize("name", MODELS.names())
@pytest.mark.slow
def test_random_points_of_the_space_build(name):
    recipe = Recipe(name="mine", summary="mine", reference="me", model=name)
    space = search_space(recipe, only=list(MODELS.get(name).space))
    drawn = [space.recipe(point).arguments for point in itertools.islice(random_points(space, 1), 12)]
    assert len({str(arguments) for arguments in drawn}) > 2  # of spaces without real numbers many come twice
    # one of those that differ in real numbers alone, such as dropout: its layers are theirs
    unlike = {str({key: value for key, value in one.items() if not isinstance(value, float)}): one for one in drawn}
    for arguments in unlike.values():
        model = create_model(name, ROOMY.get(name, (40, 5)), 3, **arguments)
        assert model.get_layer("logits").output.shape == (None, 3)


@pytest.mark.parametrize("name", MODELS.names())
def test_a_search_begins_at_the_builders_defaults(name):
    recipe = Recipe(name="mine", summary="mine", reference="me", model=name)
    space = search_space(recipe, only=list(MODELS.get(name).space))
    assert space.point_of(recipe) == space.point(space.template.values)
