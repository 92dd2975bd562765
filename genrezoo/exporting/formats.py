"""The formats of exported models: how each is written, and how its answers are computed to compare them."""

from __future__ import annotations

import importlib
import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from genrezoo.errors import DataError, SettingsError
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
        write: Converts a source, with an empty folder for its files. Its result is the argument of `answers` and the
            first one of `finish`.
        answers: Returns a function that computes the answers of the converted model.
        finish: Returns the content of each file by its ending, or the folder to copy; ``""`` stands for the target.
        ending: Ending of the target's name; empty if the target is a folder, which may have any name.
        beside: Ending of a second file, beside the target; empty if there is none.
        needs: Packages that it needs besides those that genrezoo always needs, as pip calls them.
        backend: The backend of Keras that it needs; None for any.
    """

    write: Callable[[Source, Path], Any]
    answers: Callable[[Any], Answers]
    finish: Callable[[Any, Metadata], dict[str, bytes | Path]]
    ending: str
    beside: str = ""
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
    """Converts by way of ONNX, without the lengths of songs in recurrent operators, because OpenVINO ignores them."""
    openvino: Any = importlib.import_module("openvino")
    model, path = folder / "model.onnx", folder / "model.xml"
    model.write_bytes(to_onnx(source.model, source.reading.output, sequence_lens=False))
    openvino.save_model(openvino.convert_model(model), path, compress_to_fp16=False)
    return path


def _openvino_answers(path: Path) -> Answers:
    openvino: Any = importlib.import_module("openvino")
    # On some processors the default is bfloat16, and answers then differ by one per cent.
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
    return _eager(lambda x: loaded.serve(x))  # a reference to `loaded` keeps its variables alive


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
    """Adds the metadata to a zip archive, or appends an archive with them: LiteRT's files may end with one."""
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
    "openvino": Format(
        _write_openvino,
        _openvino_answers,
        _finish_openvino,
        ending=".xml",
        beside=".bin",
        needs=("openvino", "onnx"),
    ),
}
"""The formats by name."""


def check_format(name: str, path: Path) -> Format:
    """Returns a format, if it can be written here.

    Args:
        name: Name of the format.
        path: The target.

    Raises:
        SettingsError: A package is missing, Keras runs on another backend, or the target's name has another ending.
    """
    format = FORMATS[name]
    modules = {package: package.replace("-", "_") for package in format.needs}
    if missing := [package for package, module in modules.items() if importlib.util.find_spec(module) is None]:
        packages = " ".join(missing)
        raise SettingsError(f"format {name!r} needs {' and '.join(missing)}; pip install {packages}")
    if format.backend not in (None, keras.backend.backend()):
        raise SettingsError(f"format {name!r} needs the backend {format.backend!r}, not {keras.backend.backend()!r}")
    if format.ending and path.suffix != format.ending:
        raise SettingsError(f"the name of a file of format {name!r} must end in {format.ending}, got {path.name!r}")
    return format


def check_target(format: Format, path: Path, *, overwrite: bool) -> None:
    """Refuses a target that exists, unless it may be overwritten; a folder of other files is never overwritten.

    Args:
        format: The format.
        path: The target.
        overwrite: Whether existing files, or the folder of an earlier export, may be replaced.

    Raises:
        DataError: The target, or the file beside it, exists.
    """
    for place in (path, path.with_suffix(format.beside) if format.beside else path):
        if os.path.lexists(place) and not overwrite:
            raise DataError("already exists", path=place, remedy="use another file, or overwrite it (overwrite=True)")
    earlier = not format.ending and (path / "saved_model.pb").exists()
    if path.is_dir() and not earlier and (format.ending or any(path.iterdir())):
        raise DataError("is a folder that does not hold an earlier export", path=path, remedy="use another name")
