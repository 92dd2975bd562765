"""Distillation: a student learns the logits of a teacher, a better model that is too slow or too large to be used.

Pass the teacher's logits out of fold (each song's from a model that never saw it): those of songs that the teacher was
trained on are more certain than the teacher is right.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, Unpack

import numpy as np
from pydantic import Field

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras
from genrezoo.registry import PROCEDURES
from genrezoo.songs import SongSet
from genrezoo.spaces import Choice, Float
from genrezoo.training.fitted import Fitted, Options
from genrezoo.training.members import training_logits
from genrezoo.training.objectives import Objective, objectives, per_song
from genrezoo.training.search_space import PACE
from genrezoo.training.settings import TrainingSettings
from genrezoo.training.supervised import fit


class DistillationSettings(TrainingSettings):
    """Settings of distillation."""

    match: Literal["logits", "posteriors"] = Field(
        "logits",
        description="What the student matches of the teacher: logits, by mean squared error; or softened posteriors, "
        "by cross entropy.",
    )
    class_reduction: Literal["mean", "sum"] = Field(
        "mean",
        description="What is taken of the squared differences of logits over the genres. Beside the sum, the larger, "
        "penalties on weights count for less.",
    )
    temperature: float = Field(2.0, gt=0, description="Logits are divided by it before the posteriors are matched.")
    teacher_weight: float = Field(
        1.0, ge=0, le=1, description="Weight of the teacher in the loss; the rest is the genre's, as in supervised."
    )


def squared_error(teacher: Any, student: Any, reduction: Literal["mean", "sum"] = "mean") -> Any:
    """Mean or sum over the classes of the squared difference of logits, one value a song.

    The source's text speaks of the mean squared error; its formula is the squared norm of the difference, the sum.
    """
    reduce = keras.ops.mean if reduction == "mean" else keras.ops.sum
    return reduce(keras.ops.square(teacher - student), axis=-1)


def softened_cross_entropy(teacher: Any, student: Any, temperature: float) -> Any:
    """Cross entropy of the student's softened posteriors under the teacher's, times the squared temperature.

    Gradients of softened posteriors shrink with the square of the temperature; the factor undoes it, so that the weight
    of the teacher in the loss means the same at each temperature.

    Args:
        teacher: ``(n_songs, classes)`` logits.
        student: The same of the student.
        temperature: Above 0; the higher, the more the small probabilities count.

    Returns:
        ``(n_songs,)``.

    Example:
        >>> import numpy as np
        >>> float(softened_cross_entropy(np.zeros((1, 2), "float32"), np.zeros((1, 2), "float32"), 1.0)[0])
        0.6931...

    Reference:
        G. Hinton, O. Vinyals, J. Dean, Distilling the Knowledge in a Neural Network, 2015, section 2.
    """
    posterior = keras.ops.softmax(teacher / temperature)
    return -(temperature**2) * keras.ops.sum(posterior * keras.ops.log_softmax(student / temperature), axis=-1)


@PROCEDURES.register(
    "distillation",
    summary="A student is trained on the logits of a teacher",
    reference="document A, Building the Student Model; Ba and Caruana 2014; Hinton, Vinyals and Dean 2015",
    settings=DistillationSettings,
    space={
        **PACE,
        "match": Choice(("logits", "posteriors")),
        "temperature": Float(1.0, 10.0, sampling="log", when={"match": ("posteriors",)}),
        "teacher_weight": Float(0.1, 1.0),
    },
    members=("teacher",),
)
def distillation(
    model: keras.Model, songs: SongSet, settings: DistillationSettings, **options: Unpack[Options]
) -> Fitted:
    """Trains a model on a teacher's logits and keeps its best snapshot by the true labels of the validation songs.

    The history's ``loss`` is that of the student under the teacher, its ``accuracy`` and all of validation are against
    the true genres. Heads beside the logits are trained as ever. With ``teacher_weight=0`` it is bit-identical to
    supervised training.

    Args:
        model: Uncompiled model whose output is logits or a dict with the key ``logits``; it is trained in place.
        songs: Standardised songs with splits ``train`` and ``valid``; test songs are never read.
        settings: See `DistillationSettings`.
        options: See `Options`; of the logits of ``"teacher"`` those of the training songs are used.

    Returns:
        The model with the weights to keep, its history and the epoch that they are from.

    Raises:
        SettingsError: There are no logits of a teacher, the model does not train its logits, or a setting is
            impossible.
        DataError: Logits of a training song are missing, or the training diverged.
    """
    teacher = training_logits(options.get("logits"), "teacher", songs)
    aims = objectives(model, songs.split("train"), settings)
    if not aims["logits"].weight:
        raise SettingsError("this model does not train its logits (their head has weight 0), so nothing can teach them")
    aims["logits"] = taught(aims["logits"], teacher, settings)
    return fit(model, songs, settings, aims=aims, **options)


def taught(aim: Objective, teacher: np.ndarray, settings: DistillationSettings) -> Objective:
    """The objective of logits that are trained on a teacher's too.

    Args:
        aim: The objective without a teacher; its loss is a Keras loss.
        teacher: ``(n_songs, classes)`` logits.
        settings: What is matched, and the teacher's weight.

    Returns:
        An objective whose target holds the teacher's logits and after them the target of ``aim``, so that both are
        drawn, weighed and mixed as one.
    """
    classes = teacher.shape[1]
    weight = settings.teacher_weight
    plain = per_song(aim)

    def truth(target: Any) -> Any:
        rest = target[:, classes:]
        return rest if aim.target.ndim == 2 else keras.ops.cast(rest[:, 0], "int32")

    def loss(target: Any, student: Any) -> Any:
        shown = target[:, :classes]
        if settings.match == "logits":
            found = weight * squared_error(shown, student, settings.class_reduction)
        else:
            found = weight * softened_cross_entropy(shown, student, settings.temperature)
        return found if weight == 1 else found + (1 - weight) * plain(truth(target), student)

    def accuracy(target: Any, student: Any) -> Any:
        assert aim.accuracy is not None  # logits always have one
        return aim.accuracy(truth(target), student)

    both = np.concatenate([teacher, aim.target.reshape(len(teacher), -1)], axis=1).astype(np.float32)
    return dataclasses.replace(aim, target=both, loss=loss, accuracy=accuracy)
