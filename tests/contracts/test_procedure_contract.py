"""Every registered procedure keeps the contract; each check fails for a procedure that breaks it."""

import numpy as np
import pytest
from procedure_contract import choice_checks, procedure_checks

from genrezoo.registry import PROCEDURES, Entry
from genrezoo.training import Fitted
from genrezoo.training.cascade_threshold import CascadeThresholdSettings, cascade_threshold
from genrezoo.training.supervised import SupervisedSettings, supervised

FEW = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01}
SMALLEST = {  # of procedures that need other settings than these few
    "cascade_threshold": {"fraction": 0.5},
    "curriculum": {**FEW, "batches_per_level": 2, "hardest_first": True},
    "pretraining": {**FEW, "learning_rate": 0.05, "autoencoder_epochs": 2},
    "prune_and_refit": {**FEW, "l1": 1e-3, "threshold": 0.01, "refit_fraction": 0.5},
    "kernel_ridge": {"penalties": (0.1, 10.0)},
    "ridge": {"penalties": (0.1, 10.0)},
    "stagewise": {**FEW, "learning_rate": 0.1},
    "truncated": {**FEW, "learning_rate": 0.05, "num_steps": 4},
}
CHECKS, CHOICES = dict(procedure_checks()), dict(choice_checks())


QUICK = "supervised"
"""The procedure whose checks are quick; the trainings of the others are slow."""


def pairs():
    """Each procedure that descends a gradient with each check."""
    for entry in PROCEDURES.members():
        for check in CHECKS if entry.by_gradient else ():
            marks = [] if entry.name == QUICK else [pytest.mark.slow]
            yield pytest.param(entry.name, check, id=f"{entry.name}-{check}", marks=marks)


@pytest.mark.parametrize(("name", "check"), list(pairs()))
def test_procedure(name, check):
    CHECKS[check](PROCEDURES.get(name), SMALLEST.get(name, FEW))


@pytest.mark.parametrize("check", CHOICES)
@pytest.mark.parametrize("name", [entry.name for entry in PROCEDURES.members() if not entry.by_gradient])
def test_procedure_that_chooses(name, check):
    CHOICES[check](PROCEDURES.get(name), SMALLEST.get(name, FEW))


def idle(model, songs, settings, *, seed, checkpoint_path=None, on_epoch=None, logits=None):
    return supervised(model, songs, settings.model_copy(update={"learning_rate": 1e-30}), seed=seed)


def silent(model, songs, settings, *, seed, checkpoint_path=None, on_epoch=None, logits=None):
    return supervised(model, songs, settings, seed=seed, checkpoint_path=checkpoint_path)


def unseeded(model, songs, settings, *, seed, checkpoint_path=None, on_epoch=None, logits=None):
    return supervised(model, songs, settings, seed=int(np.random.default_rng().integers(2**31)))


def peeking(model, songs, settings, *, seed, checkpoint_path=None, on_epoch=None, logits=None):
    everything = {**songs.splits, "train": np.arange(songs.n_songs)}
    return supervised(model, songs.with_split(everything, "random"), settings, seed=seed)


def clumsy(model, songs, settings, *, seed, checkpoint_path=None, on_epoch=None, logits=None):
    songs.x.base.flags.writeable = True
    songs.x.base[0] += 1
    return supervised(model, songs, settings, seed=seed)


def forgetful(model, songs, settings, *, seed, checkpoint_path=None, on_epoch=None, logits=None):
    path = checkpoint_path and checkpoint_path.with_suffix(".npz")
    if path and path.exists():  # it goes on with the weights, but begins the course of epochs and dropout anew
        with np.load(path) as saved:
            model.set_weights([saved[name] for name in saved.files])
    fitted = supervised(model, songs, settings, seed=seed)
    if path:
        np.savez(path, *model.get_weights())
    if on_epoch:
        on_epoch(fitted.history[-1])
    return fitted


@pytest.mark.parametrize(
    ("check", "broken", "message"),
    [
        ("learns", idle, "did not fall|no better than chance"),
        ("history", silent, "are not the history"),
        ("seed", unseeded, "gave other weights"),
        ("held_out_labels", peeking, "changed the weights"),
        ("songs", clumsy, "were changed"),
        ("resumes", forgetful, "other weights"),
    ],
)
def test_a_broken_procedure_is_caught(check, broken, message):
    entry = Entry(name="broken", call=broken, summary="s", reference="r", settings=SupervisedSettings)
    with pytest.raises(AssertionError, match=message):
        CHECKS[check](entry, FEW)


def test_every_check_has_a_broken_member():
    marks = test_a_broken_procedure_is_caught.pytestmark
    rows = next(mark for mark in marks if mark.name == "parametrize").args[1]
    assert {row[0] for row in rows} == set(CHECKS)


def boasting(model, songs, settings, *, seed, checkpoint_path=None, on_epoch=None, logits=None):
    fitted = cascade_threshold(model, songs, settings, seed=seed)
    return Fitted(model, [{**fitted.history[0], "valid_accuracy": 1.0}], 1)


def cheating(model, songs, settings, *, seed, checkpoint_path=None, on_epoch=None, logits=None):
    swapped = {**songs.splits, "valid": songs.splits["test"]}
    return cascade_threshold(model, songs.with_split(swapped, "random"), settings, seed=seed, on_epoch=on_epoch)


def mute(model, songs, settings, *, seed, checkpoint_path=None, on_epoch=None, logits=None):
    return cascade_threshold(model, songs, settings, seed=seed)


def careless(model, songs, settings, *, seed, checkpoint_path=None, on_epoch=None, logits=None):
    songs.x.base.flags.writeable = True
    songs.x.base[0] += 1
    return cascade_threshold(model, songs, settings, seed=seed, on_epoch=on_epoch)


@pytest.mark.parametrize(
    ("check", "broken", "message"),
    [
        ("chooses", boasting, "not the model's"),
        ("history", mute, "are not the history"),
        ("test_labels", cheating, "changed the choice"),
        ("songs", careless, "were changed"),
    ],
)
def test_a_broken_choice_is_caught(check, broken, message):
    entry = Entry(
        name="cascade_threshold", call=broken, summary="s", reference="r", settings=CascadeThresholdSettings,
        by_gradient=False,
    )  # fmt: skip
    with pytest.raises(AssertionError, match=message):
        CHOICES[check](entry, SMALLEST["cascade_threshold"])


def test_every_check_of_a_choice_has_a_broken_member():
    marks = test_a_broken_choice_is_caught.pytestmark
    rows = next(mark for mark in marks if mark.name == "parametrize").args[1]
    assert {row[0] for row in rows} == set(CHOICES)
