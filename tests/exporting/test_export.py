"""An exported file answers as its run does, says what it is, and is not written if it differs."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from toys import make_songs
from typer.testing import CliRunner

import genrezoo as gz
from genrezoo.cli import app
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.exported import OPERATORS, OPSET
from genrezoo.exporting import formats
from genrezoo.exporting.source import open_source
from genrezoo.songs.standardise import TRANSFORMS


@pytest.fixture(scope="module")
def exported(run, songs, tmp_path_factory):
    path = tmp_path_factory.mktemp("exports") / "lstm.onnx"
    return path, gz.export(run, "onnx", path, songs=songs.split("test"))


def test_file_answers_raw_songs_of_other_lengths_as_the_run(exported, run, songs):
    x = np.concatenate([songs.x, songs.x], axis=1)[:, :17]
    x[0, 5:] = np.nan
    lengths = np.array([5, *[17] * (len(x) - 1)])
    raw = run.reading.songs(np.nan_to_num(x), lengths)
    np.testing.assert_allclose(gz.load_exported(exported[0]).logits(raw), run.logits(raw), atol=1e-5)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transforms_of_features_are_in_the_file(songs, tmp_path, transform):
    tails = dataclasses.replace(songs, x=np.exp(2 * songs.x))
    recipe = gz.get_recipe("fully_connected").changed({"epochs": 1, "units": [4], "transform": transform})
    run = gz.train(recipe, tails, out=tmp_path / "run")
    parity = gz.export(run, "onnx", tmp_path / "a.onnx", songs=tails.split("test")).parity
    assert parity.largest_difference < 1e-5
    assert parity.real_songs == tails.split("test").n_songs


def test_file_says_what_it_is(exported, run, songs):
    path, metadata = exported
    (entry,) = onnx.load(path).metadata_props
    plain = json.loads(entry.value)
    assert plain["genres"] == list(songs.genres)
    assert plain["card_sha256"] == gz.files.sha256_of(run.folder / "card.json")
    assert plain["provenance"] == songs.provenance
    assert plain["parity"]["real_songs"] == songs.split("test").n_songs
    assert plain["input_shape"] == [None, songs.n_features]
    assert metadata.parity.largest_difference < 1e-5


def test_recurrent_layer_is_one_operator(exported):
    model = onnx.load(exported[0])
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("LSTM") == 1
    assert set(operators) <= OPERATORS
    assert [opset.version for opset in model.opset_import] == [OPSET]


def test_file_that_differs_is_not_kept(run, tmp_path, monkeypatch):
    written = formats.FORMATS["onnx"].write

    def spoilt(source, path):
        model = onnx.load_from_string(written(source, path))
        bias = next(one for one in model.graph.initializer if list(one.dims) == [3])
        bias.raw_data = (onnx.numpy_helper.to_array(bias) + np.float32(0.01)).tobytes()
        return model.SerializeToString()

    monkeypatch.setitem(formats.FORMATS, "onnx", dataclasses.replace(formats.FORMATS["onnx"], write=spoilt))
    with pytest.raises(DataError, match=r"differs from the model by .* \(a batch of .* song .*, output .*: .* instead"):
        gz.export(run, "onnx", tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_target_that_exists_is_replaced_only_if_asked(run, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"mine")
    with pytest.raises(DataError, match="already exists"):
        gz.export(run, "onnx", path)
    assert path.read_bytes() == b"mine"
    gz.export(run, "onnx", path, overwrite=True)
    onnx.checker.check_model(str(path))


def test_embedding_is_what_the_output_layer_reads(run, songs, tmp_path):
    metadata = gz.export(run, "onnx", tmp_path / "a.onnx", embedding=True)
    assert (metadata.output, metadata.n_outputs, metadata.genres) == ("embedding", 4, ())
    found = onnxruntime.InferenceSession(str(tmp_path / "a.onnx")).run(["embedding"], {"songs": songs.x})[0]
    np.testing.assert_allclose(found, np.asarray(gz.feature_extractor(run)(songs.x)), atol=1e-5)


def test_what_cannot_be_exported_is_refused(run, songs, tmp_path, monkeypatch):
    path = tmp_path / "a.onnx"
    with pytest.raises(UnknownNameError, match="unknown format 'onx'. Did you mean 'onnx'"):
        gz.export(run, "onx", path)
    with pytest.raises(UnknownNameError, match="Did you mean 'vgg_tagger.msd'"):
        gz.export("vgg_tagger.ms", "onnx", path)
    with pytest.raises(DataError, match="not a run folder"):
        gz.export(tmp_path, "onnx", path)
    with pytest.raises(SettingsError, match="labels of 'efficientnet_lite0.imagenet' are not music genres"):
        gz.export("efficientnet_lite0.imagenet", "onnx", path)
    with pytest.raises(SettingsError, match="must end in .onnx, got 'a.keras'"):
        gz.export(run, "onnx", tmp_path / "a.keras")
    with pytest.raises(SettingsError, match="pass embedding=True"):
        gz.export(run, "onnx", path, layer="lstm")
    with pytest.raises(DataError, match="songs have 2 features"):
        gz.export(run, "onnx", path, songs=songs.select([0, 1]))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="pip install onnx onnxruntime"):
        gz.export(run, "onnx", path)
    assert not path.exists()


def test_groups_of_features_and_chunks(tmp_path):
    songs = make_songs(n_segments=12, n_features=5)
    songs = dataclasses.replace(songs, about={"feature_groups": {"a": [3, 1], "b": [0, 2, 4]}})
    changes = {"epochs": 1, "features": ["a"], "clip": 2.0, "chunks": {"segments": 5, "hop": 3, "rule": "product"}}
    run = gz.train(gz.get_recipe("fully_connected").changed(changes), songs, seed=1, out=tmp_path / "run")
    metadata = gz.export(run, "onnx", tmp_path / "a.onnx", songs=songs.split("test"))
    assert metadata.input_shape == (5, 5)
    assert metadata.chunks.rule == "product"


def test_command(run, tmp_path):
    arguments = ["export", str(run.folder), "onnx", str(tmp_path / "a.onnx")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "differs by at most" in done.output
    done = CliRunner().invoke(app, [*arguments, "--overwrite", "--json"])
    assert json.loads(done.output)["name"] == "lstm"


def test_cascade_asks_its_teacher_in_a_branch(run, perceptron, songs, tmp_path):
    recipe = gz.get_recipe("cascade").with_runs({"student": perceptron.folder, "teacher": run.folder})
    run = gz.train(recipe, songs, seed=1, out=tmp_path / "cascade")
    source = open_source(run)
    assert 0 <= source.origin["cascade"]["threshold"] <= 1
    gz.export(run, "onnx", tmp_path / "a.onnx", songs=songs.split("test"))
    operators = [node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node]
    assert "If" in operators
    assert "LSTM" not in operators  # only inside of it
