"""Each format's file answers as the run, read by what the format is for, and carries its metadata."""

from __future__ import annotations

import importlib
import json
import zipfile

import keras
import numpy as np
import pytest

import genrezoo as gz
from genrezoo.errors import SettingsError
from genrezoo.exporting.formats import FORMATS, METADATA


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


def test_folder_that_is_there_is_replaced_only_if_asked(perceptron, tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "mine").touch()
    with pytest.raises(gz.DataError, match="already exists"):
        gz.export(perceptron, "saved_model", path)
    assert (path / "mine").exists()
    gz.export(perceptron, "saved_model", path, overwrite=True)
    assert not (path / "mine").exists()
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


def test_model_that_a_format_cannot_express_is_refused_with_the_reason(run, tmp_path):
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(SettingsError, match="lstm cannot be expressed in format 'litert': Select TensorFlow op"):
        gz.export(run, "litert", tmp_path / "a.tflite")
    assert not list(tmp_path.iterdir())


def test_recurrent_network_in_openvino_heeds_the_lengths(run, songs, tmp_path):
    pytest.importorskip("openvino")
    assert gz.export(run, "openvino", tmp_path / "a.xml").parity.largest_difference < 1e-5
