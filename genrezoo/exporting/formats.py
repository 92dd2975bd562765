"""The formats of exported models: how each is written, and how its answers are computed to compare them."""

from __future__ import annotations

import importlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.exported import Metadata, seal
from genrezoo.exporting.parity import Answers
from genrezoo.exporting.source import Source
from genrezoo.exporting.trace import to_onnx

METADATA = "genrezoo.json"
"""Name of the file with the metadata, in formats that have no other place for it."""


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        write: Makes of a source, in an empty folder, what `answers` and `finish` take.
        answers: What computes with it.
        finish: The files to keep, by what their names add to that of the target: the target itself is ``""``. The
            bytes of a file, or a folder.
        ending: Of the name of a file; empty where any name will do.
        needs: Packages that it needs besides those that genrezoo always needs, as pip calls them.
        backend: The backend of Keras that it needs; None for any.
    """

    write: Callable[[Source, Path], Any]
    answers: Callable[[Any], Answers]
    finish: Callable[[Any, Metadata], dict[str, bytes | Path]]
    ending: str
    needs: tuple[str, ...] = ()
    backend: str | None = None


# ----- ONNX


def _write_onnx(source: Source, folder: Path) -> bytes:
    return to_onnx(source.model, source.reading.output)


def onnx_answers(model: bytes) -> Answers:
    """An ONNX model's output, computed by ONNX Runtime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda x: np.asarray(session.run(None, {"songs": x})[0])


# ----- OpenVINO


def _write_openvino(source: Source, folder: Path) -> Path:
    """By way of ONNX, with recurrent operators that are not told lengths: OpenVINO would not heed them."""
    openvino: Any = importlib.import_module("openvino")
    model, path = folder / "model.onnx", folder / "model.xml"
    model.write_bytes(to_onnx(source.model, source.reading.output, sequence_lens=False))
    openvino.save_model(openvino.convert_model(model), path, compress_to_fp16=False)
    return path


def _openvino_answers(path: Path) -> Answers:
    openvino: Any = importlib.import_module("openvino")
    # Its default on some processors is bfloat16, whose answers differ by a hundredth.
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda x: np.asarray(compiled(x)[0])


def _finish_openvino(path: Path, metadata: Metadata) -> dict[str, bytes | Path]:
    openvino: Any = importlib.import_module("openvino")
    model = openvino.Core().read_model(path)
    model.set_rt_info(metadata.model_dump_json(), "genrezoo")
    finished = path.with_name("finished.xml")
    openvino.save_model(model, finished, compress_to_fp16=False)
    return {".bin": finished.with_suffix(".bin").read_bytes(), "": finished.read_bytes()}


# ----- Keras's own


def _write_keras(source: Source, folder: Path) -> Path:
    path = folder / "model.keras"
    source.model.save(path)
    return path


def _keras_answers(path: Path) -> Answers:
    return _eager(keras.saving.load_model(path))


def _write_saved_model(source: Source, folder: Path) -> Path:
    path = folder / "model"
    source.model.export(str(path), format="tf_saved_model", verbose=False)
    return path


def _saved_model_answers(path: Path) -> Answers:
    import tensorflow

    loaded = tensorflow.saved_model.load(str(path))
    return _eager(lambda x: loaded.serve(x))  # which keeps the variables alive


def _finish_saved_model(path: Path, metadata: Metadata) -> dict[str, bytes | Path]:
    (path / METADATA).write_text(metadata.model_dump_json(indent=2), encoding="utf-8")
    return {"": path}


def _write_litert(source: Source, folder: Path) -> Path:
    path = folder / "model.tflite"
    source.model.export(str(path), format="litert", verbose=False)
    return path


def _litert_answers(path: Path) -> Answers:
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(str(path))
    (read,), (written,) = interpreter.get_input_details(), interpreter.get_output_details()

    def answers(x: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(read["index"], x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(read["index"], x)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(written["index"]))

    return answers


def _finish_archive(path: Path, metadata: Metadata) -> dict[str, bytes | Path]:
    """A zip archive, or what may have one at its end as LiteRT's files do, with one more file in it."""
    buffer = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(METADATA, metadata.model_dump_json(indent=2))
    return {"": buffer.getvalue()}


def _eager(model: Callable[[np.ndarray], Any]) -> Answers:
    return lambda x: np.asarray(keras.ops.convert_to_numpy(model(x)), np.float32)


FORMATS = {
    "onnx": Format(
        _write_onnx,
        onnx_answers,
        lambda model, metadata: {"": seal(model, metadata)},
        ending=".onnx",
        needs=("onnx", "onnxruntime"),
    ),
    "keras": Format(_write_keras, _keras_answers, _finish_archive, ending=".keras"),
    "saved_model": Format(
        _write_saved_model, _saved_model_answers, _finish_saved_model, ending="", backend="tensorflow"
    ),
    "litert": Format(
        _write_litert,
        _litert_answers,
        _finish_archive,
        ending=".tflite",
        needs=("ai-edge-litert",),
        backend="tensorflow",
    ),
    "openvino": Format(_write_openvino, _openvino_answers, _finish_openvino, ending=".xml", needs=("openvino", "onnx")),
}
"""By name."""


def check_format(name: str, path: Path) -> Format:
    """A format that can be written here.

    Raises:
        SettingsError: A package is missing, Keras runs on another backend, or the file's name has another ending.
    """
    format = FORMATS[name]
    modules = {package: package.replace("-", "_") for package in format.needs}
    if missing := [package for package, module in modules.items() if importlib.util.find_spec(module) is None]:
        packages = " ".join(missing)
        raise SettingsError(f"format {name!r} needs {packages.replace(' ', ' and ')}; pip install {packages}")
    if format.backend not in (None, keras.backend.backend()):
        raise SettingsError(f"format {name!r} needs the backend {format.backend!r}, not {keras.backend.backend()!r}")
    if format.ending and path.suffix != format.ending:
        raise SettingsError(f"the name of a file of format {name!r} must end in {format.ending}, got {path.name!r}")
    return format
