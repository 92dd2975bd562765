import keras
import numpy as np
import pytest
import tensorflow
from toys import make_model, make_songs

from genrezoo.composition.combiner import build_combiner
from genrezoo.composition.correcting import build_correcting
from genrezoo.composition.ensemble import build_ensemble
from genrezoo.layers import Frozen
from genrezoo.seeds import keras_seed
from genrezoo.training.stagewise import StagewiseSettings, stagewise
from genrezoo.training.supervised import SupervisedSettings, supervised

MEMBERS = {"a": make_model(), "b": make_model("dropout", seed=3)}
BUILDS = {
    "combiner": lambda: build_combiner(MEMBERS, (6, 4), 3),
    "unfrozen": lambda: build_combiner(MEMBERS, (6, 4), 3, freeze=["a"]),
    "ensemble": lambda: build_ensemble(MEMBERS, (6, 4), 3),
    "correcting": lambda: build_correcting({"original": MEMBERS["b"]}, (6, 4), 3, units=(8,)),
    "correcting_hidden": lambda: build_correcting({"original": MEMBERS["b"]}, (6, 4), 3, units=(8,), see_hidden=True),
}


def trained(build, procedure, settings, **options):
    with keras_seed(1):
        model = BUILDS[build]()
    fitted = procedure(model, make_songs(90), settings(epochs=3, batch_size=16, learning_rate=0.01, **options), seed=1)
    return model, [{**row, "seconds": 0} for row in fitted.history]


@pytest.mark.parametrize(
    "build",
    ["correcting_hidden", *(pytest.param(b, marks=pytest.mark.slow) for b in [*BUILDS][:-1])],
)
def test_stored_answers_train_as_the_whole_composition_does(build):
    one, history = trained(build, stagewise, StagewiseSettings)
    other, expected = trained(build, supervised, SupervisedSettings)
    for found, wanted in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    for row, line in zip(history, expected, strict=True):
        assert row == pytest.approx(line, abs=1e-5)
    again = keras.Model.from_config(one.get_config())  # its graph is still whole
    again.set_weights(one.get_weights())
    x = make_songs(90).split("test").x
    np.testing.assert_allclose(
        keras.tree.flatten(again.predict_on_batch(x))[0], keras.tree.flatten(one.predict_on_batch(x))[0], atol=1e-6
    )


@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")  # the pipeline itself may stay compiled
@pytest.mark.slow
def test_members_are_asked_once_and_not_in_each_epoch(monkeypatch):
    calls = []
    call = Frozen.call
    monkeypatch.setattr(Frozen, "call", lambda self, inputs: calls.append(1) or call(self, inputs))

    def asked(procedure, settings, epochs):
        with keras_seed(1):
            model = BUILDS["combiner"]()
        calls.clear()
        procedure(model, make_songs(90), settings(epochs=epochs, batch_size=16), seed=1)
        return len(calls)

    tensorflow.config.run_functions_eagerly(True)  # so that a call is a call, not the tracing of one
    try:
        assert asked(stagewise, StagewiseSettings, 3) == asked(stagewise, StagewiseSettings, 1)
        assert asked(supervised, SupervisedSettings, 3) > asked(supervised, SupervisedSettings, 1)
    finally:
        tensorflow.config.run_functions_eagerly(False)


@pytest.mark.slow
def test_songs_changed_at_random_are_heard_by_the_members():
    one, history = trained("combiner", stagewise, StagewiseSettings, noise=0.5)
    other, expected = trained("combiner", supervised, SupervisedSettings, noise=0.5)
    assert history == expected
    for found, wanted in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)
