"""A fast model that consults a better one for songs of which it is uncertain.

Choose it where a small model is nearly as good as a large one and songs are many: one threshold trades accuracy for
speed continuously, and can be changed at any time after training (see `trade_off`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from genrezoo.composition._members import check_members, listen
from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_count
from genrezoo.models._inference import in_batches
from genrezoo.registry import COMPOSITIONS


@COMPOSITIONS.register(
    "cascade",
    summary="a fast student, and a teacher that is consulted where the student is uncertain",
    reference="G. Pligoropoulos, Million Song Dataset Classification Problem (2017): further work",
    masks_padding=True,
    any_length=True,
    members=("student", "teacher"),
    forward=lambda model, x: cascade_forward(model, x)[0],
    by_gradient=False,
)
def build_cascade(
    members: Mapping[str, Any], input_shape: InputShape, num_classes: int, *, threshold: float = 0.5
) -> Any:
    """The student predicts; where its uncertainty exceeds the threshold, the more certain of student and teacher does.

    The source compares cross-entropies, which need the true genre; here the entropy of a model's posteriors, as a
    fraction of its maximum, replaces them. There is nothing to train. The graph runs both models on every song, so that
    it is an ordinary model to evaluate, store and export; `cascade_forward` runs the teacher only where it is
    consulted, which makes a cascade fast.

    Args:
        members: ``{"student": model, "teacher": model}``, both trained; they are copied and not changed.
        threshold: Uncertainty above which the teacher is consulted, in [0, 1]; 1 never consults it. It is a weight, see
            `set_threshold`.

    Returns:
        An uncompiled model without trainable weights, with the outputs ``logits``, ``student`` and ``teacher``.

    Raises:
        SettingsError: A member does not fit, or the threshold is out of range.

    Example:
        >>> from genrezoo.models import create_model
        >>> student, teacher = (create_model(name, (120, 25), 10) for name in ("fully_connected", "lstm"))
        >>> model = build_cascade({"student": student, "teacher": teacher}, (120, 25), 10, threshold=0.3)
        >>> round(threshold_of(model), 4)
        0.3

    Reference:
        G. Pligoropoulos, Million Song Dataset Classification Problem (2017), further work; P. Viola, M. Jones, Rapid
        object detection using a boosted cascade of simple features, CVPR 2001; the rule: X. Wang et al., IDK cascades:
        fast deep learning by learning not to overthink, UAI 2018.
    """
    members = check_members(members, ("student", "teacher"), input_shape=input_shape, num_classes=num_classes)
    songs = keras.Input(tuple(input_shape), name="songs")
    answers = {name: listen(name, member, songs, frozen=True) for name, member in members.items()}
    answers["logits"] = layers.Cascade(threshold, name="cascade")([answers["student"], answers["teacher"]])
    outputs = {name: layers.Head(target="genre", weight=0.0, name=name)(answer) for name, answer in answers.items()}
    return keras.Model(songs, outputs, name="cascade")


def threshold_of(model: Any) -> float:
    """Returns the threshold of a cascade.

    Raises:
        SettingsError: The model is not a cascade.
    """
    return float(np.asarray(keras.ops.convert_to_tensor(_parts(model)[2].threshold)))


def set_threshold(model: Any, threshold: float) -> None:
    """Changes the threshold of a cascade in place.

    Args:
        model: A model from `build_cascade`.
        threshold: The new threshold, in [0, 1], e.g. from `choose_threshold`.

    Raises:
        SettingsError: The model is not a cascade, or the threshold is out of range.
    """
    _parts(model)[2].threshold.assign(layers.cascade.check_threshold(threshold))


def cascade_forward(model: Any, x: np.ndarray, *, batch_size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Runs a cascade the fast way: the student on all songs, the teacher only on those for which it is consulted.

    Args:
        model: A model from `build_cascade`.
        x: ``(songs, segments, features)`` float32, padding as NaN.
        batch_size: Largest number of songs in a batch. The last batch is padded to a power of two, so that only a
            handful of sizes are compiled.

    Returns:
        The logits ``(songs, classes)`` float32, equal to those of the model, and for which songs the teacher was
        consulted, ``(songs,)`` bool.

    Raises:
        SettingsError: The model is not a cascade, or ``batch_size`` is out of range.

    Example:
        >>> from genrezoo.models import create_model
        >>> members = {name: create_model("lstm", (None, 5), 3, units=4) for name in ("student", "teacher")}
        >>> model = build_cascade(members, (None, 5), 3, threshold=1.0)  # never asks
        >>> logits, asked = cascade_forward(model, np.zeros((7, 12, 5), "float32"))
        >>> logits.shape, asked.any()
        ((7, 3), np.False_)
    """
    student, teacher, decide = _parts(model)
    check_count("batch_size", batch_size)
    first = in_batches(student.model, x, batch_size)
    asked = np.asarray(keras.ops.convert_to_numpy(decide.asks(first)))
    second = first.copy()
    if asked.any():
        second[asked] = in_batches(teacher.model, x[asked], batch_size)
    return np.asarray(keras.ops.convert_to_numpy(decide([first, second]))), asked


def _parts(model: Any) -> list[Any]:
    parts = {layer.name: layer for layer in getattr(model, "layers", ())}
    names = ("member_student", "member_teacher", "cascade")
    if not set(names) <= set(parts):
        raise SettingsError(f"expected a model from build_cascade, got {model!r}")
    return [parts[name] for name in names]
