import numpy as np
import pytest
from toys import make_model, make_songs

from genrezoo.composition.cascade import build_cascade, cascade_forward, threshold_of
from genrezoo.errors import SettingsError
from genrezoo.training import forward
from genrezoo.training.cascade_threshold import CascadeThresholdSettings, cascade_threshold
from genrezoo.training.supervised import SupervisedSettings, supervised

SONGS = make_songs(300)


@pytest.fixture(scope="module")
def members():
    def trained(seed, rate, epochs):
        settings = SupervisedSettings(epochs=epochs, learning_rate=rate, batch_size=16)
        return supervised(make_model(seed=seed), SONGS, settings, seed=1).model

    return {"student": trained(1, 0.002, 1), "teacher": trained(2, 0.05, 8)}


def chosen(members, **wish):
    model = build_cascade(members, (6, 4), 3)
    told = []
    fitted = cascade_threshold(model, SONGS, CascadeThresholdSettings(**wish), seed=1, on_epoch=told.append)
    assert told == fitted.history
    assert fitted.best_epoch == 1
    valid = SONGS.split("valid")
    logits, asked = cascade_forward(model, valid.x)
    accuracy = (logits.argmax(1) == valid.y).mean()
    assert fitted.history[0]["valid_accuracy"] == pytest.approx(accuracy)
    return model, float(accuracy), float(asked.mean())


@pytest.mark.slow
def test_without_a_wish_it_keeps_the_teachers_accuracy_asking_as_seldom_as_possible(members):
    model, accuracy, fraction = chosen(members)
    valid = SONGS.split("valid")
    found = forward(model, valid.x)
    teacher = (found["teacher"].argmax(1) == valid.y).mean()
    assert (found["student"].argmax(1) == valid.y).mean() < teacher  # or there was nothing to ask for
    best = max(chosen(members, fraction=1.0)[1], 0)
    wanted = min(teacher, best)
    assert accuracy >= wanted
    assert 0 < fraction <= 1
    doubts = np.unique(np.linspace(threshold_of(model), 1, 200)[1:])
    for threshold in doubts:  # no higher threshold would do
        model.get_layer("cascade").threshold.assign(threshold)
        logits, asked = cascade_forward(model, valid.x)
        assert asked.mean() == fraction or (logits.argmax(1) == valid.y).mean() < wanted


def test_a_wanted_share_is_kept(members):
    accuracies = [chosen(members, fraction=fraction)[1:] for fraction in (0.0, 0.3, 1.0)]
    for (accuracy, fraction), wanted in zip(accuracies, (0.0, 0.3, 1.0), strict=True):
        assert fraction <= wanted
        assert accuracy >= accuracies[0][0]


def test_wishes_that_cannot_be_met_are_refused(members):
    with pytest.raises(SettingsError, match="no threshold reaches accuracy 1"):
        chosen({"student": members["student"], "teacher": members["student"]}, accuracy=1.0)
    with pytest.raises(SettingsError, match="pass accuracy or fraction"):
        chosen(members, accuracy=0.5, fraction=0.5)
    with pytest.raises(SettingsError, match="expected a cascade"):
        cascade_threshold(make_model(), SONGS, CascadeThresholdSettings(), seed=1)
