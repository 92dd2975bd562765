import contextlib

import keras
import pytest
from toys import make_songs
from typer.testing import CliRunner

from genrezoo.cli import app
from genrezoo.errors import SettingsError
from genrezoo.runs import devices, load_run
from genrezoo.runs.devices import device_kinds, list_devices, on_device
from genrezoo.songs.storage import save_songs


@pytest.fixture
def placed(monkeypatch):
    """A backend that sees two graphics cards; what it was told to use, in order."""
    used = []

    @contextlib.contextmanager
    def device(name):
        used.append(name)
        yield

    monkeypatch.setattr(devices.keras.distribution, "list_devices", lambda: ["gpu:1", "gpu:0"])
    monkeypatch.setattr(devices.keras, "device", device)
    return used


@pytest.fixture(scope="module")
def songs_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices") / "toy"
    save_songs(make_songs(), folder)
    return folder


def train(songs_folder, out, *more):
    recipe = ["train", "fully_connected", "--data", songs_folder, "--epochs", 3, "--set", "units=[4]"]
    return CliRunner().invoke(app, [str(part) for part in [*recipe, "--out", out, *more]])


def test_the_cpu_is_always_there_and_first(placed):
    assert list_devices() == ["cpu:0", "gpu:0", "gpu:1"]
    assert device_kinds() == {"cpu": "cpu:0", "gpu": "gpu:0"}


def test_a_kind_means_its_first_device_and_a_name_itself(placed):
    for name, full in (("cpu", "cpu:0"), ("gpu", "gpu:0"), ("gpu:1", "gpu:1")):
        with on_device(name) as device:
            assert device == full
    assert placed == ["cpu:0", "gpu:0", "gpu:1"]


def test_a_device_that_is_not_there_is_refused_with_those_that_are(placed):
    with (
        pytest.raises(SettingsError, match="device 'tpu' does not exist; Keras sees cpu:0, gpu:0, gpu:1"),
        on_device("tpu"),
    ):
        pass
    assert placed == []


def test_what_is_computed_in_the_block_is_computed_there():
    with on_device("cpu"):
        assert "cpu" in str(keras.ops.ones(1).device).lower()


def test_both_kinds_are_trained_with_the_same_seed_and_their_times_told(placed, songs_folder, tmp_path):
    """The second device is made up: the same processor does the work, so that the weights must be the same too."""
    answer = train(songs_folder, tmp_path, "--device", "compare")
    assert answer.exit_code == 0, answer.output
    assert placed == ["cpu:0", "gpu:0"]
    runs = {kind: load_run(tmp_path / kind) for kind in ("cpu", "gpu")}
    assert runs["cpu"].card.weights_sha256 == runs["gpu"].card.weights_sha256
    seconds = {kind: run.card.train_seconds for kind, run in runs.items()}
    lines = answer.output.splitlines()
    for kind in runs:
        assert any(line.startswith(f"{kind}: {seconds[kind]:.3g} s for 3 epochs, ") for line in lines)
    fast, slow = sorted(seconds, key=lambda kind: seconds[kind])
    least, most = seconds[fast], seconds[slow]
    assert lines[-1] == f"the {fast} took {most - least:.3g} s less than the {slow} ({most / least:.3g} times as fast)"


def test_one_kind_is_trained_once_and_nothing_compared(monkeypatch, songs_folder, tmp_path):
    monkeypatch.setattr(devices.keras.distribution, "list_devices", lambda: ["cpu:0"])
    answer = train(songs_folder, tmp_path, "--device", "compare")
    assert answer.exit_code == 0, answer.output
    assert answer.output.splitlines()[-1] == "only a CPU: nothing to compare with"
    assert [path.name for path in tmp_path.iterdir()] == ["cpu"]


def test_one_device_is_trained_on_in_the_folder_itself(placed, songs_folder, tmp_path):
    answer = train(songs_folder, tmp_path, "--device", "gpu")
    assert answer.exit_code == 0, answer.output
    assert placed == ["gpu:0"]
    assert load_run(tmp_path).card.epochs == 3


def test_folds_have_processes_of_their_own(songs_folder, tmp_path):
    answer = train(songs_folder, tmp_path, "--device", "cpu", "--folds", "2")
    assert isinstance(answer.exception, SettingsError)
    assert "--device cannot be combined with --folds" in str(answer.exception)
