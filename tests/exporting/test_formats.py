"""Each format's file answers as the run, read by what the format is for, and carries its metadata."""

from __future__ import annotations

import dataclasses
import errno
import importlib
import json
import zipfile

import keras
import numpy as np
import pytest

import genrezoo as gz
from genrezoo.errors import ResourceError, SettingsError
from genrezoo.exporting.formats import FORMATS, METADATA, check_target


def answers(name, path, x):
    if name == "keras":
        return np.asarray(keras.saving.load_model(path)(x))
    if name == "saved_model":
        loaded = importlib.import_module("tensorflow").saved_model.load(str(path))
        return np.asarray(loaded.serve(x))
    if name == "openvino":
        core = pytest.importorskip("openvino").Core()
        return core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(x)[0]
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path))
    interpreter.resize_tensor_input(0, x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def metadata(name, path):
    if name == "saved_model":
        return json.loads((path / METADATA).read_text(encoding="utf-8"))
    if name == "openvino":
        model = pytest.importorskip("openvino").Core().read_model(path)
        return json.loads(model.get_rt_info("genrezoo").astype(str))
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(METADATA))


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "onnx"])
def test_format(name, perceptron, songs, tmp_path):
    for package in FORMATS[name].needs:
        pytest.importorskip(package.replace("-", "_"))
    path = tmp_path / f"model{FORMATS[name].ending}"
    found = gz.export(perceptron, name, path, songs=songs.split("test"))
    test = songs.split("test")
    np.testing.assert_allclose(answers(name, path, test.x), perceptron.logits(test), atol=1e-5)
    assert metadata(name, path)["genres"] == list(songs.genres)
    assert metadata(name, path)["parity"]["largest_difference"] == found.parity.largest_difference


def test_earlier_export_is_replaced_only_if_asked(perceptron, tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    gz.export(perceptron, "saved_model", path, overwrite=True)  # an empty folder
    (path / "mine").touch()
    with pytest.raises(gz.DataError, match="already exists"):
        gz.export(perceptron, "saved_model", path)
    assert (path / "mine").exists()
    gz.export(perceptron, "saved_model", path, overwrite=True)
    assert not (path / "mine").exists()
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(("name", "ending"), [("saved_model", ""), ("onnx", ".onnx")])
def test_folder_of_other_files_is_never_replaced(perceptron, tmp_path, name, ending):
    path = tmp_path / f"songs{ending}"
    path.mkdir()
    (path / "song.wav").touch()
    with pytest.raises(gz.DataError, match="is a folder that does not hold an earlier export"):
        gz.export(perceptron, name, path, overwrite=True)
    assert (path / "song.wav").exists()


def test_file_beside_the_target_is_replaced_only_if_asked(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"mine")
    with pytest.raises(gz.DataError, match=r"model\.bin: already exists"):
        check_target(FORMATS["openvino"], tmp_path / "model.xml", overwrite=False)
    check_target(FORMATS["openvino"], tmp_path / "model.xml", overwrite=True)


def test_full_disk_is_not_blamed_on_the_format(perceptron, tmp_path, monkeypatch):
    def full(source, folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(FORMATS, "keras", dataclasses.replace(FORMATS["keras"], write=full))
    with pytest.raises(ResourceError, match="No space left on device"):
        gz.export(perceptron, "keras", tmp_path / "a.keras")


def test_model_that_a_format_cannot_express_is_refused_with_the_reason(run, tmp_path):
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(SettingsError, match="lstm cannot be expressed in format 'litert': Select TensorFlow op"):
        gz.export(run, "litert", tmp_path / "a.tflite")
    assert not list(tmp_path.iterdir())


def test_recurrent_network_in_openvino_heeds_the_lengths(run, songs, tmp_path):
    pytest.importorskip("openvino")
    assert gz.export(run, "openvino", tmp_path / "a.xml").parity.largest_difference < 1e-5
