"""Hypermodels, driven by KerasTuner's own tuners as they are."""

from __future__ import annotations

import keras
import keras_tuner
import numpy as np
import pytest
from toys import make_songs

from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.recipes import get_recipe
from genrezoo.tuning.hypermodel import hypermodel

SHAPE = (6, 4)
KERASTUNERS_OWN = [  # it calls a method by the name that Python has deprecated, and touches optimisers of old
    "ignore:currentThread\\(\\) is deprecated:DeprecationWarning",
    "ignore:getName\\(\\) is deprecated:DeprecationWarning",
]
pytestmark = [*(pytest.mark.filterwarnings(text) for text in KERASTUNERS_OWN), pytest.mark.usefixtures("eagerly")]

TUNERS = {
    "random": lambda model, **given: keras_tuner.RandomSearch(model, max_trials=2, **given),
    "bayesian": lambda model, **given: keras_tuner.BayesianOptimization(model, max_trials=2, **given),
    "grid": lambda model, **given: keras_tuner.GridSearch(model, max_trials=2, **given),
    "hyperband": lambda model, **given: keras_tuner.Hyperband(model, max_epochs=2, factor=2, **given),
}


@pytest.fixture
def data():
    songs = make_songs()
    train, valid = songs.split("train"), songs.split("valid")
    return train.x, train.y, (valid.x, valid.y)


def search(tuner, data):
    x, y, valid = data
    tuner.search(x, y, validation_data=valid, verbose=0)
    return [trial for trial in tuner.oracle.trials.values() if trial.status == "COMPLETED"]


@pytest.mark.parametrize("name", ["random", *(pytest.param(name, marks=pytest.mark.slow) for name in list(TUNERS)[1:])])
def test_tuners_of_kerastuner_drive_it(name, data, tmp_path):
    model = hypermodel("fully_connected", SHAPE, 3, units=[4], epochs=2)
    tuner = TUNERS[name](model, objective="val_accuracy", directory=tmp_path, seed=1)
    done = search(tuner, data)
    assert len(done) == (len(tuner.oracle.trials) if name == "hyperband" else 2)
    assert len(done) >= 2
    names = {one.name for one in model.space.hyperparameters}
    for trial in done:
        assert 0 <= trial.score <= 1
        assert model.space.holds(model.space.point(trial.hyperparameters.values))
    best = tuner.get_best_models()[0]
    assert best.predict_on_batch(data[0][:2]).shape == (2, 3)
    assert {hp.name for hp in tuner.oracle.get_space().space} - {
        *("tuner/epochs", "tuner/initial_epoch", "tuner/bracket", "tuner/round", "tuner/trial_id")
    } == names


@pytest.mark.parametrize(
    ("name", "fixed"),
    [
        ("snippet_ensemble", {"member": "fully_connected", "member_arguments": {"units": [3]}, "rule": "weighted"}),
        pytest.param(
            "multitask_binary", {"trunk": "fully_connected", "trunk_arguments": {"units": [3]}}, marks=pytest.mark.slow
        ),
        pytest.param(
            "multitask_autoencoder",
            {"trunk": "fully_connected", "trunk_arguments": {"units": [3]}},
            marks=pytest.mark.slow,
        ),
    ],
)
@pytest.mark.slow
def test_models_with_further_outputs_have_the_logits_accuracy(name, fixed, data, tmp_path):
    model = hypermodel(name, SHAPE, 3, epochs=1, **fixed)
    tuner = keras_tuner.RandomSearch(model, "val_accuracy", max_trials=1, directory=tmp_path, seed=1)
    (done,) = search(tuner, data)
    again = tuner.get_best_models()[0]
    found = np.asarray(again.predict_on_batch(data[2][0])["logits"]).argmax(axis=1)
    assert done.score == pytest.approx(float((found == data[2][1]).mean()))


def test_build_compiles_for_the_point():
    model = hypermodel("lstm", SHAPE, 3, space={"units": [2, 3]}, only=["units", "learning_rate", "optimizer"])
    hp = keras_tuner.HyperParameters()
    hp.values = {"units": 2, "learning_rate": 0.01, "optimizer": "adamw"}
    built = model.build(hp)
    assert built.get_layer("lstm").units == 2
    assert built.compiled
    assert isinstance(built.optimizer, keras.optimizers.AdamW)
    assert float(built.optimizer.learning_rate) == pytest.approx(0.01)
    assert hp.values == {"units": 2, "learning_rate": 0.01, "optimizer": "adamw"}
    default = keras_tuner.HyperParameters()
    model.build(default)
    assert default.values == {"units": 3, "learning_rate": 0.001, "optimizer": "adam"}


def test_fit_takes_epochs_batch_size_and_augmentation_of_the_point(data):
    x, y, valid = data
    model = hypermodel("fully_connected", SHAPE, 3, units=[4], space={"epochs": [1, 3], "batch_size": [6, 12]})
    hp = keras_tuner.HyperParameters()
    model.build(hp)
    hp.values |= {"epochs": 3, "batch_size": 12, "noise": 0.3, "mixup": 0.2, "schedule": "cosine"}
    built = model.build(hp)
    history = model.fit(hp, built, x, y, validation_data=valid, verbose=0)
    assert len(history.history["val_accuracy"]) == 3
    assert int(built.optimizer.iterations) == 3 * 3
    assert float(built.optimizer.learning_rate) == pytest.approx(0, abs=1e-8)  # the end of the cosine
    short = model.build(hp)
    assert len(model.fit(hp, short, x, y, epochs=2, batch_size=36, verbose=0).history["loss"]) == 2
    assert int(short.optimizer.iterations) == 2


def test_averages_over_steps_are_validated_and_those_over_epochs_refused(data):
    x, y, valid = data
    model = hypermodel("fully_connected", SHAPE, 3, units=[4], space={"average": ["ema", "swa"]}, ema_decay=0.5)
    hp = keras_tuner.HyperParameters()
    built = model.build(hp)
    history = model.fit(hp, built, x, y, epochs=2, validation_data=valid, verbose=0).history
    averaged = built.evaluate(*valid, verbose=0, return_dict=True)["loss"]  # with the average, which Keras puts in
    assert history["val_loss"][-1] == pytest.approx(averaged, rel=1e-5)
    hp.values["average"] = "swa"
    with pytest.raises(SettingsError, match="a mean over epochs is not known to KerasTuner's tuners"):
        model.fit(hp, model.build(hp), x, y, epochs=1, verbose=0)


@pytest.mark.slow
def test_it_learns(data):
    x, y, valid = data
    fixed = {"units": [16], "epochs": 6, "batch_size": 12, "learning_rate": 0.05, "l2": 0.0}
    model = hypermodel("fully_connected", SHAPE, 3, only=["dropout"], **fixed)
    keras.utils.set_random_seed(1)
    hp = keras_tuner.HyperParameters()
    history = model.fit(hp, model.build(hp), x, y, validation_data=valid, verbose=0).history
    assert max(history["val_accuracy"]) > 0.7


@pytest.mark.slow
def test_the_same_seed_of_keras_trains_the_same(data):
    x, y, valid = data
    model = hypermodel("fully_connected", SHAPE, 3, units=[4], epochs=2, mixup=0.3)
    losses = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        hp = keras_tuner.HyperParameters()
        losses.append(model.fit(hp, model.build(hp), x, y, validation_data=valid, verbose=0).history["loss"])
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.slow
def test_patience_and_plateaus_become_callbacks_of_keras(data):
    x, y, valid = data
    model = hypermodel(
        *("fully_connected", SHAPE, 3),
        **{"units": [4], "only": ["l2"], "epochs": 9, "optimizer": "sgd", "learning_rate": 1e-9, "patience": 3},
        **{"schedule": "reduce_on_plateau", "schedule_arguments": {"patience": 1, "factor": 0.1}},
    )
    hp = keras_tuner.HyperParameters()
    built = model.build(hp)
    history = model.fit(hp, built, x, y, validation_data=valid, verbose=0).history
    assert len(history["loss"]) == 4
    assert float(built.optimizer.learning_rate) < 1e-9
    other = hypermodel("fully_connected", SHAPE, 3, units=[4], only=["l2"], patience=3, monitor="macro_f1")
    with pytest.raises(SettingsError, match="patience for macro F1 is not known"):
        other.fit(hp, built, x, y, validation_data=valid, verbose=0)


def test_class_weights_and_padding_go_through(data):
    x, y, valid = data
    x = x.copy()
    x[:5, 4:] = np.nan
    model = hypermodel("lstm", SHAPE, 3, only=["learning_rate"], units=2, class_weights="balanced", epochs=1)
    hp = keras_tuner.HyperParameters()
    history = model.fit(hp, model.build(hp), x, y, validation_data=valid, verbose=0).history
    assert np.isfinite(history["loss"][0])


def test_songs_of_another_form_are_refused(data):
    x, y, _ = data
    model = hypermodel("fully_connected", SHAPE, 3, units=[4])
    hp = keras_tuner.HyperParameters()
    built = model.build(hp)
    with pytest.raises(DataError, match="labels are from 1 to 3"):
        model.fit(hp, built, x, y + 1)
    with pytest.raises(DataError, match="validation_data must be songs and labels"):
        model.fit(hp, built, x, y, validation_data=(x, y, y))


def test_a_recipe_comes_before_a_model_and_a_bare_model_is_trained_as_usual():
    assert hypermodel("lstm", SHAPE, 3).space.start == get_recipe("lstm")
    bare = hypermodel("snippet_ensemble", SHAPE, 3).space.start
    assert (bare.model, bare.procedure, bare.settings) == ("snippet_ensemble", "supervised", {})
    own = get_recipe("rnn").model_copy(update={"procedure": "supervised", "settings": {}})
    assert hypermodel(own, SHAPE, 3).space.start == own
    with pytest.raises(UnknownNameError, match="unknown recipe or model 'lsmt'. Did you mean 'lstm'"):
        hypermodel("lsmt", SHAPE, 3)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rnn", "'rnn' is trained by 'truncated', which KerasTuner's tuners cannot drive; use gz.tune"),
        ("linear_combiner", "'linear_combiner' is made of trained members"),
        ("student_mlp", "trained by 'distillation'"),
    ],
)
def test_recipes_that_kerastuner_cannot_drive_are_refused(name, reason):
    with pytest.raises(SettingsError, match=reason):
        hypermodel(name, SHAPE, 3)


def test_shapes_names_and_preparation_are_checked():
    with pytest.raises(SettingsError, match="input_shape must be"):
        hypermodel("lstm", (6,), 3)
    with pytest.raises(SettingsError, match=r"input_shape must be \(height, width, channels\)"):
        hypermodel("spectrogram_cnn", SHAPE, 3)
    with pytest.raises(SettingsError, match="num_classes must be"):
        hypermodel("lstm", SHAPE, 1)
    with pytest.raises(UnknownNameError, match="unknown option 'unitz'"):
        hypermodel("lstm", SHAPE, 3, unitz=3)
    with pytest.raises(SettingsError, match="'clip' changes the songs"):
        hypermodel("lstm", SHAPE, 3, clip=3.0)
