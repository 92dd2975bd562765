import functools

import numpy as np
import pytest
from toys import make_model, make_songs

from genrezoo.errors import SettingsError
from genrezoo.evaluation import evaluate
from genrezoo.training import forward
from genrezoo.training.averaging import running_mean
from genrezoo.training.checkpoint import weights_of
from genrezoo.training.optimisation import build_optimizer
from genrezoo.training.supervised import SupervisedSettings, supervised

ONE_STEP = {"batch_size": 64, "optimizer": "adam", "learning_rate": 0.05, "epochs": 4, "snapshot": "last"}
EMA = {"average": "ema", "ema_decay": 0.75}
SWA = {"average": "swa", "swa_start": 0.5}


@functools.cache
def trained(**options):
    """The model of an epoch of one step each, and its own weights at the end of every epoch."""
    model, trail = make_model("dropout"), []
    settings = SupervisedSettings(**{**ONE_STEP, **options})
    fitted = supervised(model, make_songs(), settings, seed=1, on_epoch=lambda record: trail.append(weights_of(model)))
    return fitted, trail


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_the_exponential_average_by_hand():
    fitted, trail = trained(**EMA)
    assert all(same(one, other) for one, other in zip(trail, trained()[1], strict=True))  # training goes on as it would
    names, found = [weight.path for weight in fitted.model.weights], weights_of(fitted.model)
    for (name, value), path in zip(found.items(), names, strict=True):
        first, second, third, last = (epoch[name] for epoch in trail)
        expected = 0.75**3 * first + 0.25 * (0.75**2 * second + 0.75 * third + last)
        np.testing.assert_allclose(value, last if "moving" in path else expected, rtol=1e-5, atol=1e-7)
    assert not same(found, trail[-1])


def test_the_mean_over_epochs_by_hand():
    fitted, trail = trained(**SWA)
    assert all(same(one, other) for one, other in zip(trail, trained()[1], strict=True))
    for name, value in weights_of(fitted.model).items():  # moving statistics too
        np.testing.assert_allclose(value, (trail[2][name] + trail[3][name]) / 2, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("neutral", [{"average": "ema", "ema_decay": 0.0}, {"average": "swa", "swa_start": 0.75}])
def test_an_average_of_one_is_plain_training(neutral):
    plain = trained()
    fitted, _ = trained(**neutral)
    assert same(weights_of(fitted.model), weights_of(plain[0].model))
    for one, other in zip(fitted.history, plain[0].history, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


@pytest.mark.parametrize("average", [EMA, pytest.param(SWA, marks=pytest.mark.slow)])
def test_the_averaged_weights_are_validated_and_kept(average):
    valid = make_songs().split("valid")
    fitted, _ = trained(**average, snapshot="best", monitor="loss")
    losses = [record["valid_loss"] for record in fitted.history]
    assert fitted.best_epoch == 1 + int(np.argmin(losses))
    assert evaluate(forward(fitted.model, valid.x)["logits"], valid.y)["log_loss"] == min(losses)


class Stop(Exception):
    pass


@pytest.mark.parametrize("average", [SWA, pytest.param(EMA, marks=pytest.mark.slow)])
def test_a_stopped_training_ends_with_the_same_average(tmp_path, average):
    path = tmp_path / "checkpoint.safetensors"
    settings = SupervisedSettings(**ONE_STEP, **average)

    def stop(record):
        if record["epoch"] == 3:  # one epoch is in the mean
            raise Stop

    with pytest.raises(Stop):
        supervised(make_model("dropout"), make_songs(), settings, seed=1, checkpoint_path=path, on_epoch=stop)
    resumed = supervised(make_model("dropout", seed=9), make_songs(), settings, seed=1, checkpoint_path=path)
    assert same(weights_of(resumed.model), weights_of(trained(**average)[0].model))


def test_a_weight_that_is_held_at_zero_has_an_average_of_zero():
    model, settings = make_model(), SupervisedSettings(**{**ONE_STEP, **EMA, "epochs": 2})
    kernel = model.get_layer("logits").kernel
    kernel.assign(np.where(np.arange(3) == 1, 0, kernel))
    kernel.constraint = lambda values: values * [1.0, 0.0, 1.0]
    averaged = supervised(model, make_songs(), settings, seed=1).model.get_layer("logits").kernel.numpy()
    assert (averaged != 0).all(axis=0).tolist() == [True, False, True]
    assert not averaged[:, 1].any()


def test_a_running_mean_is_the_mean():
    values = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    mean = values[0]
    for count, value in enumerate(values[1:], start=2):
        mean = running_mean(mean, value, count)
    np.testing.assert_allclose(mean, values.mean(axis=0), rtol=1e-6)
    assert mean.dtype == np.float32
    assert running_mean(np.array(7), np.array(8), 2) == 8  # a counter


def test_keras_own_average_beside_ours_is_refused():
    settings = SupervisedSettings(**EMA, optimizer_arguments={"use_ema": True})
    with pytest.raises(SettingsError, match="rejects its arguments.*use_ema"):
        build_optimizer(settings, 3)
