import numpy as np
import pytest
from pydantic import ValidationError
from toys import make_model

from genrezoo import seeds
from genrezoo.errors import SettingsError
from genrezoo.models import create_model
from genrezoo.training.checkpoint import weights_of
from genrezoo.training.pruning import (
    PruningSettings,
    kernel_values,
    mask_of,
    prune_and_refit,
    weight_histogram,
)
from genrezoo.training.supervised import SupervisedSettings, supervised

SMALL = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 16}


def settings(**options):
    return PruningSettings(**{**SMALL, "epochs": 4, "refit_fraction": 0.5, "threshold": 0.2, **options})


def bits(fitted):
    return b"".join(value.tobytes() for value in weights_of(fitted.model).values())


def test_a_mask_keeps_what_is_not_nearer_to_zero_than_the_threshold():
    weights = np.array([[0.1, -0.1], [0.0999, -0.5], [0.0, 2.0]])
    assert mask_of(weights, 0.1).tolist() == [[True, True], [False, True], [False, True]]
    assert mask_of(weights, 0.0).all()  # nothing is pruned, not even what is zero by chance


def test_histograms_share_their_edges_and_count_zeros():
    found = weight_histogram({"a": np.array([[0.0, 0.0], [4.0, 1.0]]), "b": np.array([-4.0, 0.5])}, bins=4)
    assert found["edges"] == [-4.0, -2.0, 0.0, 2.0, 4.0]
    assert found["counts"] == {"a": [0, 0, 3, 1], "b": [1, 0, 1, 0]}
    assert found["zeros"] == {"a": 0.5, "b": 0.0}


def test_kernels_are_found_by_their_layers_name(songs):
    model = create_model("segment_cnn", (6, 4), 3, seed=0, filters=5, units=6)
    assert list(kernel_values(model)) == ["conv_1/kernel", "conv_2/kernel", "dense/kernel", "logits/kernel"]
    assert list(kernel_values(model, "conv_*")) == ["conv_1/kernel", "conv_2/kernel"]
    recurrent = create_model("lstm", (6, 4), 3, seed=0, units=5)
    assert [path.rpartition("/")[2] for path in kernel_values(recurrent)] == ["kernel", "recurrent_kernel", "kernel"]
    with pytest.raises(SettingsError, match="no layer 'cnv_.' of segment_cnn has a trainable kernel.*conv_1"):
        prune_and_refit(model, songs, settings(layers="cnv_?"), seed=1)


OPTIMIZERS = {
    "sgd": {"optimizer": "sgd", "optimizer_arguments": {"momentum": 0.9, "nesterov": True}},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1},
    "lion": {"optimizer": "lion", "learning_rate": 0.01},
    "muon": {"optimizer": "muon", "learning_rate": 0.01},
    "schedulefreeadamw": {"optimizer": "schedulefreeadamw"},
}


@pytest.mark.parametrize("name", ["sgd", *(pytest.param(n, marks=pytest.mark.slow) for n in OPTIMIZERS if n != "sgd")])
def test_zeros_stay_exactly_zero_and_the_rest_goes_on(songs, name):
    chosen = {**OPTIMIZERS[name], "snapshot": "last"}
    first = supervised(make_model("dropout"), songs, SupervisedSettings(**{**SMALL, **chosen}, epochs=2), seed=1)
    before = list(kernel_values(first.model).values())
    fitted = prune_and_refit(make_model("dropout"), songs, settings(**chosen), seed=1)
    after = list(kernel_values(fitted.model).values())
    for old, new in zip(before, after, strict=True):
        pruned = np.abs(old) < 0.2
        assert 0 < pruned.sum() < pruned.size
        assert (new[pruned] == 0).all()
        assert not np.signbit(new[pruned]).any()
        assert (new[~pruned] != old[~pruned]).mean() > 0.5  # steps of Lion can take each other back
        assert np.isfinite(new).all()


def test_only_the_layers_named_are_pruned(songs):
    model = create_model("segment_cnn", (6, 4), 3, seed=0, filters=5, units=6)
    prune_and_refit(model, songs, settings(layers="conv_*", threshold=0.3, l1=1e-3, refit_l2=1e-2), seed=1)
    zeros = weight_histogram(kernel_values(model))["zeros"]
    assert zeros["conv_1/kernel"] > 0 < zeros["conv_2/kernel"]
    assert zeros["dense/kernel"] == zeros["logits/kernel"] == 0


def descent(kernel, bias, x, y, penalty, *, steps, mask=1.0):
    """Gradient descent of a linear model in NumPy on all songs, with the slope of a penalty, zeros kept."""
    for _ in range(steps):
        logits = x @ kernel + bias
        posterior = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        error = (posterior - np.eye(3)[y]) / len(x)
        kernel, bias = (kernel - 0.1 * (x.T @ error + penalty(kernel))) * mask, bias - 0.1 * error.sum(axis=0)
    return kernel, bias


def test_l1_comes_before_pruning_and_l2_after_it(songs):
    train = songs.split("train")
    x = train.x.reshape(len(train), -1).astype(np.float64)
    model = make_model()
    kernel, bias = (value.astype(np.float64) for value in weights_of(model).values())
    kernel, bias = descent(kernel, bias, x, train.y, lambda k: 0.3 * np.sign(k), steps=2)
    mask = np.abs(kernel) >= 0.1
    kernel, bias = descent(kernel * mask, bias, x, train.y, lambda k: 0.5 * 2 * k, steps=2, mask=mask)
    options = settings(batch_size=100, threshold=0.1, l1=0.3, refit_l2=0.5, snapshot="last")
    found = list(weights_of(prune_and_refit(model, songs, options, seed=1).model).values())
    np.testing.assert_allclose(found[0], kernel, atol=2e-5)
    np.testing.assert_allclose(found[1], bias, atol=2e-5)


@pytest.mark.slow
def test_a_models_own_penalties_stay_unless_others_are_given_and_come_back(songs):
    def conv_model():
        return create_model("segment_cnn", (6, 4), 3, seed=0, filters=5, units=6, conv_l1=0.1, conv_l2=0.0)

    def loss(**options):
        few = settings(layers="conv_*", epochs=3, refit_fraction=0.34, **options)
        return prune_and_refit(conv_model(), songs, few, seed=1).history

    own, none, later = loss(), loss(l1=0.0), loss(refit_l2=0.0)
    assert own[0]["loss"] == later[0]["loss"] > none[0]["loss"]
    assert own[2]["loss"] > later[2]["loss"]
    model = conv_model()
    before = [(weight.regularizer, weight.constraint) for weight in model.weights]
    prune_and_refit(model, songs, settings(layers="conv_*", l1=0.2, refit_l2=0.3), seed=1)
    assert [(weight.regularizer, weight.constraint) for weight in model.weights] == before
    with pytest.raises(SettingsError, match="would prune all 20 weights of conv_1/kernel"):
        prune_and_refit(model, songs, settings(layers="conv_*", threshold=1e3), seed=1)
    assert [(weight.regularizer, weight.constraint) for weight in model.weights] == before


def test_the_history_is_of_both_trainings(songs):
    told = []
    fitted = prune_and_refit(make_model(), songs, settings(epochs=5, refit_fraction=0.4), seed=1, on_epoch=told.append)
    assert told == fitted.history
    assert [row["epoch"] for row in told] == [1, 2, 3, 4, 5]
    assert fitted.best_epoch in (4, 5)
    scores = [row["valid_accuracy"] for row in told[3:]]
    assert fitted.best_epoch == 4 + int(np.argmax(scores))


def test_without_a_second_training_it_is_supervised_training_to_the_bit(songs):
    plain = supervised(make_model("dropout"), songs, SupervisedSettings(**SMALL, epochs=3), seed=1)
    neutral = PruningSettings(**SMALL, epochs=3)
    fitted = prune_and_refit(make_model("dropout"), songs, neutral, seed=1)
    assert bits(fitted) == bits(plain)
    assert fitted.best_epoch == plain.best_epoch


@pytest.mark.slow
def test_with_nothing_to_prune_it_is_two_trainings_one_after_the_other(songs):
    model = make_model("dropout")
    supervised(model, songs, SupervisedSettings(**SMALL, epochs=2), seed=1)
    plain = supervised(model, songs, SupervisedSettings(**SMALL, epochs=2), seed=seeds.child_seed(1, "refit"))
    assert bits(prune_and_refit(make_model("dropout"), songs, settings(threshold=0.0), seed=1)) == bits(plain)


class Stop(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_stopped_in_either_training_it_ends_with_the_same_bits(songs, tmp_path, at):
    options, path = settings(optimizer="adam", learning_rate=0.02), tmp_path / "checkpoint.safetensors"
    expected = prune_and_refit(make_model("dropout"), songs, options, seed=1)

    def stop(record):
        if record["epoch"] == at:
            raise Stop

    with pytest.raises(Stop):
        prune_and_refit(make_model("dropout"), songs, options, seed=1, checkpoint_path=path, on_epoch=stop)
    told = []
    resumed = prune_and_refit(
        make_model("dropout", seed=9), songs, options, seed=1, checkpoint_path=path, on_epoch=told.append
    )
    assert bits(resumed) == bits(expected)
    assert [row["epoch"] for row in told] == list(range(at + 1, 5))  # no finished epoch is done again
    assert [row["epoch"] for row in resumed.history] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"refit_fraction": 0.9}, "must leave at least one epoch before and after pruning"),
        ({"refit_fraction": 0}, "threshold and refit_l2 need a refit_fraction"),
        ({"refit_fraction": 0, "threshold": 0.0, "refit_l2": 0.1}, "threshold and refit_l2 need a refit_fraction"),
        ({"optimizer_arguments": {"use_ema": True}}, "use_ema would replace weights"),
    ],
)
def test_stages_must_agree(options, message):
    with pytest.raises(ValidationError, match=message):
        settings(**options)


def test_the_reason_for_refusing_averages_holds(songs):
    """Keras applies constraints to weights but not to their averages: if that changes, averages can be allowed."""
    options = settings(snapshot="last").model_copy(update={"optimizer_arguments": {"use_ema": True}})
    fitted = prune_and_refit(make_model(), songs, options, seed=1)
    assert weight_histogram(kernel_values(fitted.model))["zeros"] == {"logits/kernel": 0.0}
