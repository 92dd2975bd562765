"""The formats of exported models: how each is written, and how its answers are read again to compare them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.exported import Metadata, seal
from genrezoo.exporting.parity import Answers
from genrezoo.exporting.source import Source


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        ending: Of the file's name; empty for a folder.
        needs: Packages that it needs besides those of genrezoo, as pip calls them.
        write: Makes of a source what `answers` and `finish` take; the path is one that files can be put at.
        answers: What computes with it.
        finish: The bytes of the file, with its metadata.
    """

    ending: str
    needs: tuple[str, ...]
    write: Callable[[Source, Path], Any]
    answers: Callable[[Any], Answers]
    finish: Callable[[Any, Metadata], bytes]


def _write_onnx(source: Source, path: Path) -> bytes:
    from genrezoo.exporting.trace import to_onnx

    return to_onnx(source.model, source.reading.output)


def onnx_answers(model: bytes) -> Answers:
    """An ONNX model's output, computed by ONNX Runtime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def answers(x: np.ndarray) -> np.ndarray:
        return np.asarray(session.run(None, {"songs": x})[0])

    return answers


FORMATS = {"onnx": Format(".onnx", ("onnx", "onnxruntime"), _write_onnx, onnx_answers, seal)}
"""By name."""
