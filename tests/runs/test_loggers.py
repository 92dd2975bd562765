import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util
from toys import make_songs
from typer.testing import CliRunner

import genrezoo
from genrezoo import files
from genrezoo.cli import app
from genrezoo.errors import DataError, SettingsError
from genrezoo.recipes import get_recipe
from genrezoo.runs import train
from genrezoo.runs.loggers import loggers
from genrezoo.songs.storage import save_songs

SMALL = get_recipe("fully_connected").changed({"units": [6], "epochs": 3, "dropout": 0.2})
VALUES = {"units": [6], "epochs": 3, "dropout": 0.2, "optimizer": "adam", "patience": None}
# of SQLAlchemy, when MLflow describes its tables
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


class Stop(Exception):
    pass


def stop_after(epochs):
    def stop(record):
        if record["epoch"] == epochs:
            raise Stop

    return stop


def scalars(folder):
    """Of each tag the values by step."""
    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: {event.step: float(tensor_util.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)}
        for tag in events.Tags()["tensors"]
        if tag.startswith("epoch_")
    }


def hyperparameters(folder):
    events = EventAccumulator(str(folder)).Reload()
    content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The address of an MLflow store that is not there yet."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/log.db"


def runs_of(store, name, experiment="genrezoo"):
    from mlflow import MlflowClient

    client = MlflowClient(store)
    number = client.get_experiment_by_name(experiment).experiment_id
    return [run for run in client.search_runs([number]) if run.info.run_name == name]


def course(store, run, metric):
    from mlflow import MlflowClient

    return {point.step: point.value for point in MlflowClient(store).get_metric_history(run.info.run_id, metric)}


def test_tensorboard_reads_each_epoch_and_the_hyperparameters(tmp_path):
    with loggers(name="first", values=VALUES, tensorboard=tmp_path / "logs") as callbacks:
        run = train(SMALL, make_songs(), seed=1, out=tmp_path / "a", callbacks=callbacks)
    history = run.history()
    trained, valid = (scalars(tmp_path / "logs" / "first" / part) for part in ("train", "validation"))
    assert set(trained) == {"epoch_loss", "epoch_accuracy", "epoch_learning_rate"}
    assert set(valid) == {"epoch_loss", "epoch_accuracy", "epoch_macro_f1"}
    assert trained["epoch_loss"] == pytest.approx(dict(enumerate(history["loss"])))
    assert valid["epoch_macro_f1"] == pytest.approx(dict(enumerate(history["valid_macro_f1"])))
    shown = {**VALUES, "units": "[6]", "patience": "null"}
    assert hyperparameters(tmp_path / "logs" / "first") == shown


@pytest.mark.slow
def test_tensorboard_has_the_epochs_of_an_interrupted_training_and_the_rest_later(tmp_path):
    given = {"name": "a", "tensorboard": tmp_path / "logs"}
    with pytest.raises(Stop), loggers(**given) as callbacks:
        train(SMALL, make_songs(), seed=1, out=tmp_path / "a", callbacks=callbacks, on_epoch=stop_after(2))
    del callbacks
    assert set(scalars(tmp_path / "logs" / "a" / "train")["epoch_loss"]) == {0, 1}
    with loggers(**given) as callbacks:
        train(SMALL, make_songs(), seed=1, out=tmp_path / "a", callbacks=callbacks)
    assert set(scalars(tmp_path / "logs" / "a" / "train")["epoch_loss"]) == {0, 1, 2}


@pytest.mark.slow
def test_mlflow_keeps_each_epoch_and_the_hyperparameters(tmp_path, store):
    with loggers(name="first", values=VALUES, mlflow=store) as callbacks:
        run = train(SMALL, make_songs(), seed=1, out=tmp_path / "a", callbacks=callbacks)
    (logged,) = runs_of(store, "first")
    assert logged.info.status == "FINISHED"
    assert {name: logged.data.params[name] for name in VALUES} == {name: str(value) for name, value in VALUES.items()}
    assert logged.data.params["optimizer_beta_1"] == "0.9"
    assert course(store, logged, "val_accuracy") == pytest.approx(dict(enumerate(run.history()["valid_accuracy"])))
    assert course(store, logged, "loss") == pytest.approx(dict(enumerate(run.history()["loss"])))
    assert logged.info.artifact_uri.startswith(f"file://{os.path.dirname(store.removeprefix('sqlite:///'))}/mlruns/")


@pytest.mark.slow
def test_an_mlflow_run_is_continued_until_its_training_has_ended(tmp_path, store):
    given = {"name": "second", "values": VALUES, "mlflow": store}
    with pytest.raises(Stop), loggers(**given) as callbacks:
        train(SMALL, make_songs(), seed=1, out=tmp_path / "a", callbacks=callbacks, on_epoch=stop_after(1))
    assert [run.info.status for run in runs_of(store, "second")] == ["FAILED"]
    with loggers(**given) as callbacks, contextlib.suppress(Stop):  # it was meant
        train(SMALL, make_songs(), seed=1, out=tmp_path / "a", callbacks=callbacks, on_epoch=stop_after(2))
    assert [run.info.status for run in runs_of(store, "second")] == ["KILLED"]
    for _ in range(2):  # the second time there is nothing to train
        with loggers(**given) as callbacks:
            train(SMALL, make_songs(), seed=1, out=tmp_path / "a", callbacks=callbacks)
        (logged,) = runs_of(store, "second")
        assert logged.info.status == "FINISHED"
        assert set(course(store, logged, "loss")) == {0, 1, 2}
    with loggers(**given) as callbacks:
        train(SMALL, make_songs(), seed=2, out=tmp_path / "b", callbacks=callbacks)
    assert len(runs_of(store, "second")) == 2


@pytest.mark.slow
def test_a_run_of_the_callers_own_holds_ours_and_stays_open(tmp_path, store):
    import mlflow

    mlflow.set_tracking_uri(store)
    number = mlflow.MlflowClient().create_experiment("own", artifact_location=(tmp_path / "artefacts").as_uri())
    with mlflow.start_run(experiment_id=number) as own:
        with loggers(name="third", mlflow=store, experiment="own"):
            pass  # nothing trained, nothing logged
        assert mlflow.active_run().info.run_id == own.info.run_id
        with loggers(name="third", mlflow=store, experiment="own") as callbacks:
            train(SMALL, make_songs(), seed=1, out=tmp_path / "a", callbacks=callbacks)
        assert mlflow.active_run().info.run_id == own.info.run_id
    (logged,) = runs_of(store, "third", "own")
    assert logged.data.tags["mlflow.parentRunId"] == own.info.run_id


@pytest.mark.slow
def test_one_process_at_a_time_opens_a_file(tmp_path):
    entered = threading.Event()

    def enter():
        with loggers(name="a", mlflow=f"sqlite:///{tmp_path}/log.db"):
            entered.set()

    other = threading.Thread(target=enter)
    with files.lock_folder(tmp_path / "mlruns"):  # as a process does that makes the tables
        other.start()
        assert not entered.wait(0.5)
        assert not (tmp_path / "log.db").exists()
    other.join(60)
    assert entered.is_set()


@pytest.mark.slow
def test_the_run_is_the_same_with_all_loggers(tmp_path, store):
    plain = train(SMALL, make_songs(), seed=1, out=tmp_path / "a")
    with loggers(name="fourth", values=VALUES, tensorboard=tmp_path / "logs", mlflow=store) as callbacks:
        logged = train(SMALL, make_songs(), seed=1, out=tmp_path / "b", callbacks=callbacks)
    assert logged.card.weights_sha256 == plain.card.weights_sha256


def test_without_mlflow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with (
        pytest.raises(SettingsError, match=r"MLflow is not installed .*pip install 'genrezoo\[tracking\]'"),
        loggers(name="a", mlflow="sqlite:///a.db"),
    ):
        pass


@pytest.mark.slow
def test_an_address_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "text").write_text("no database" * 100)
    # the second is the folder of old, which MLflow itself refuses
    for address in ("ftp://somewhere", str(tmp_path / "mlruns"), f"sqlite:///{tmp_path}/text"):
        with pytest.raises(SettingsError, match=f"MLflow cannot log to {address}"), loggers(name="a", mlflow=address):
            pass
    with loggers(name="a") as callbacks:
        assert callbacks == []


COMMAND = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        print("NETWORK", event, arguments[-1], file=sys.stderr)
sys.addaudithook(watch)
from genrezoo.cli import main
main()
"""


@pytest.mark.slow
def test_the_command_logs_to_both_without_a_network(tmp_path):
    save_songs(make_songs(), tmp_path / "songs")
    # not as in a test or on a build server, where MLflow would not report home of itself
    names = ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    store = f"sqlite:///{tmp_path}/log.db"
    command = ["train", "fully_connected", "--data", tmp_path / "songs", "--epochs", 2, "--set", "units=[4]"]
    command += ["--out", tmp_path / "a", "--tensorboard", tmp_path / "logs", "--mlflow", store]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, command)],
        capture_output=True,
        text=True,
        env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(Path(genrezoo.__file__).parents[1])},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "NETWORK" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"songs", "a", "logs", "log.db", "mlruns"}
    (folder,) = (tmp_path / "logs").iterdir()
    assert set(scalars(folder / "validation")["epoch_accuracy"]) == {0, 1}
    shown = hyperparameters(folder)
    assert (shown["recipe"], shown["seed"], shown["units"], shown["epochs"]) == ("fully_connected", 1, "[4]", 2)
    (logged,) = runs_of(store, folder.name)
    assert json.loads(logged.data.params["units"]) == [4]
    assert set(course(store, logged, "val_loss")) == {0, 1}


@pytest.mark.parametrize("option", ["--tensorboard", "--mlflow"])
def test_folds_cannot_be_logged(tmp_path, option):
    command = ["train", "fully_connected", "--data", "synthetic", "--folds", "2", "--out", str(tmp_path / "a")]
    result = CliRunner().invoke(app, [*command, option, str(tmp_path / "logs")])
    assert isinstance(result.exception, SettingsError)
    assert "cannot be combined with --folds" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder_of_logs(tmp_path):
    (tmp_path / "f").touch()
    with pytest.raises(DataError, match="cannot be written"), loggers(name="a", tensorboard=tmp_path / "f"):
        pass


def test_a_port_that_refuses_is_told_within_seconds():
    begin = time.monotonic()
    with pytest.raises(SettingsError, match="MLflow cannot log to"), loggers(name="a", mlflow="http://127.0.0.1:9"):
        pass
    assert time.monotonic() - begin < 20
