import keras
import pytest
from toys import make_songs

from genrezoo.errors import SettingsError
from genrezoo.recipes import get_recipe
from genrezoo.runs import train

SMALL = get_recipe("fully_connected").changed({"units": [6], "epochs": 3, "dropout": 0.2})


class Noted(keras.callbacks.Callback):
    """Notes what it is told, and looks at the model each time."""

    def __init__(self):
        super().__init__()
        self.told = []

    def on_train_begin(self, logs=None):
        self.told.append(("begin", self.params["epochs"], float(self.model.optimizer.learning_rate), logs))

    def on_epoch_end(self, epoch, logs=None):
        self.model.predict(make_songs(4).x, verbose=0)
        self.told.append((epoch, dict(logs)))
        logs.clear()  # its own copy

    def on_train_end(self, logs=None):
        self.told.append(("end", dict(logs)))


class Stop(Exception):
    pass


def test_callbacks_are_told_what_fit_tells_them(tmp_path):
    one, other = Noted(), Noted()
    run = train(SMALL, make_songs(), seed=1, out=tmp_path / "a", callbacks=[one, other])
    assert one.told == other.told
    begin, *epochs, end = one.told
    assert begin == ("begin", 3, pytest.approx(1e-3), {})
    assert [number for number, _ in epochs] == [0, 1, 2]
    history = run.history()
    names = ("loss", "accuracy", "learning_rate")
    for number, logs in epochs:
        expected = {name: history[name][number] for name in names}
        expected |= {f"val_{name}": history[f"valid_{name}"][number] for name in ("loss", "accuracy", "macro_f1")}
        assert logs == pytest.approx(expected)
    assert end == ("end", epochs[-1][1])


@pytest.mark.slow
def test_the_run_does_not_depend_on_them(tmp_path):
    songs = make_songs()
    plain = train(SMALL, songs, seed=1, out=tmp_path / "a")
    told = []
    watched = train(SMALL, songs, seed=1, out=tmp_path / "b", callbacks=[Noted()], on_epoch=told.append)
    assert watched.card.weights_sha256 == plain.card.weights_sha256
    assert (tmp_path / "a" / "plan.json").read_text() == (tmp_path / "b" / "plan.json").read_text()
    assert [record["epoch"] for record in told] == [1, 2, 3]
    again = Noted()
    train(SMALL, songs, seed=1, out=tmp_path / "b", callbacks=[again])
    assert again.told == []  # there was nothing to train


@pytest.mark.slow
def test_epochs_are_counted_on_when_a_training_goes_on(tmp_path):
    def stop(record):
        if record["epoch"] == 2:
            raise Stop

    first, second = Noted(), Noted()
    with pytest.raises(Stop):
        train(SMALL, make_songs(), seed=1, out=tmp_path / "a", callbacks=[first], on_epoch=stop)
    assert [entry[0] for entry in first.told] == ["begin", 0, 1]
    train(SMALL, make_songs(), seed=1, out=tmp_path / "a", callbacks=[second])
    assert [entry[0] for entry in second.told] == ["begin", 2, "end"]


@pytest.mark.parametrize(
    ("recipe", "changes", "epochs"),
    [
        pytest.param("rnn", {"units": 3, "epochs": 2}, [0, 1], marks=pytest.mark.slow),
        pytest.param("pruned", {"filters": 2, "units": 3, "epochs": 4}, [0, 1, 2, 3], marks=pytest.mark.slow),
        pytest.param("linear_combiner", {"epochs": 1}, [0], marks=pytest.mark.slow),
        ("cascade", {}, [0]),  # it is not trained at all
    ],
)
def test_every_procedure_tells_of_its_beginning_once(tmp_path, recipe, changes, epochs):
    recipe = get_recipe(recipe).changed(changes, everywhere=True)
    recipe = recipe.model_copy(
        update={
            "members": {
                name: member.model_copy(update={"recipe": SMALL.changed({"epochs": 1})})
                for name, member in recipe.members.items()
            }
        }
    )
    told = []
    note = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: told.append("begin"),
        on_epoch_end=lambda epoch, logs: told.append(epoch),
        on_train_end=lambda logs: told.append("end"),
    )
    train(recipe, make_songs(n_segments=12), seed=1, out=tmp_path / "a", callbacks=[note])
    assert told == ["begin", *epochs, "end"]


@pytest.mark.slow
def test_a_callback_that_interferes_is_refused(tmp_path):
    songs = make_songs()
    early = keras.callbacks.EarlyStopping(monitor="val_loss", patience=0, min_delta=10.0)
    with pytest.raises(SettingsError, match="EarlyStopping stops the training; callbacks may only observe.*patience"):
        train(SMALL, songs, seed=1, out=tmp_path / "a", callbacks=[early])
    slower = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(slower.model.optimizer, "learning_rate", 1e-5)
    )
    with pytest.raises(SettingsError, match="LambdaCallback changed weights or learning rate"):
        train(SMALL, songs, seed=1, out=tmp_path / "b", callbacks=[Noted(), slower])
    zeros = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: zeros.model.set_weights([0 * weight for weight in zeros.model.get_weights()])
    )
    with pytest.raises(SettingsError, match="changed weights"):
        train(SMALL, songs, seed=1, out=tmp_path / "c", callbacks=[zeros])
    with pytest.raises(SettingsError, match="callbacks must be Keras callbacks, got function"):
        train(SMALL, songs, seed=1, out=tmp_path / "d", callbacks=[lambda record: None])
    # what was trained until then is not lost, and is what it would have been
    plain = train(SMALL, songs, seed=1, out=tmp_path / "e")
    for name in "abc":
        run = train(SMALL, songs, seed=1, out=tmp_path / name)
        assert run.card.weights_sha256 == plain.card.weights_sha256
