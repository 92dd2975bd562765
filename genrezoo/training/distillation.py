"""Distillation: a student learns the logits of a teacher, a better model that is too slow or too large to deploy.

Pass out-of-fold logits of the teacher (each song's from a model that was not trained on it): on its training songs the
teacher is overconfident.
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
        description="What the student learns from the teacher: 'logits', by mean squared error, or softened "
        "'posteriors', by cross-entropy.",
    )
    class_reduction: Literal["mean", "sum"] = Field(
        "mean",
        description="Reduction of the squared differences of logits over the genres. The sum is larger, so "
        "regularisation has less effect beside it.",
    )
    temperature: float = Field(2.0, gt=0, description="Temperature that divides the logits, for match='posteriors'.")
    teacher_weight: float = Field(
        1.0, ge=0, le=1, description="Weight of the teacher's loss; the supervised loss on the genre has the rest."
    )


def squared_error(teacher: Any, student: Any, reduction: Literal["mean", "sum"] = "mean") -> Any:
    """Returns the mean or sum over the classes of the squared differences of logits, one value per song.

    The source's text speaks of the mean squared error; its formula is the squared norm of the difference, the sum.
    """
    reduce = keras.ops.mean if reduction == "mean" else keras.ops.sum
    return reduce(keras.ops.square(teacher - student), axis=-1)


def softened_cross_entropy(teacher: Any, student: Any, temperature: float) -> Any:
    """Returns the cross-entropy of the student's softened posteriors with the teacher's, times the squared temperature.

    Gradients of softened posteriors shrink with the square of the temperature; the factor compensates for this, so that
    the teacher's weight in the loss has the same meaning at each temperature.

    Args:
        teacher: ``(n_songs, classes)`` logits.
        student: Logits of the student, of the same shape.
        temperature: Above 0; the higher it is, the more small probabilities count.

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
    summary="Training of a student on the logits of a teacher",
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
    """Trains a model on a teacher's logits and selects the best epoch by the true labels of the validation songs.

    The history's ``loss`` is the training loss with the teacher; ``accuracy`` and all validation metrics use the true
    genres. Other heads are trained as usual. With ``teacher_weight=0`` it is bit-identical to supervised training.

    Args:
        model: Uncompiled model whose output is logits or a dict with the key ``logits``; it is trained in place.
        songs: Standardised songs with splits ``train`` and ``valid``; test songs are never read.
        settings: See `DistillationSettings`.
        options: See `Options`; uses the training songs' logits of the member ``"teacher"``.

    Returns:
        The model with the selected weights, its history, and the epoch of these weights.

    Raises:
        SettingsError: The logits of a teacher are missing, the model does not train its logits, or a setting is
            invalid.
        DataError: Logits of a training song are missing, or the training diverged.
    """
    teacher = training_logits(options.get("logits"), "teacher", songs)
    aims = objectives(model, songs.split("train"), settings)
    if not aims["logits"].weight:
        raise SettingsError(
            "this model does not train its logits (their head has weight 0), so they cannot learn from a teacher"
        )
    aims["logits"] = taught(aims["logits"], teacher, settings)
    return fit(model, songs, settings, aims=aims, **options)


def taught(aim: Objective, teacher: np.ndarray, settings: DistillationSettings) -> Objective:
    """Builds the objective of logits that also learn from a teacher.

    Args:
        aim: The objective without a teacher; its loss is a Keras loss.
        teacher: ``(n_songs, classes)`` logits.
        settings: Settings with what is matched and the teacher's weight.

    Returns:
        An objective whose target concatenates the teacher's logits and the target of ``aim``, so that both are batched,
        weighted and mixed together.
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
