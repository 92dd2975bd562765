"""Curriculum learning: songs come in the order of their difficulty, a level at a time.

A song's difficulty is the cross entropy of its genre under a model that was trained before, the judge. Choose
it to study the order of training; the source found no gain in accuracy over training on all songs at once.
"""

from __future__ import annotations

from typing import Any, Literal, Unpack

import numpy as np
from pydantic import Field, model_validator

from genrezoo.evaluation import log_softmax
from genrezoo.lazy import keras
from genrezoo.registry import PROCEDURES
from genrezoo.songs import SongSet
from genrezoo.spaces import Boolean, Choice, Int
from genrezoo.training.fitted import Fitted, Options
from genrezoo.training.loop import History
from genrezoo.training.members import training_logits
from genrezoo.training.search_space import PACE
from genrezoo.training.settings import TrainingSettings
from genrezoo.training.supervised import fit, shuffled


class CurriculumSettings(TrainingSettings):
    """Settings of curriculum learning.

    Left as they are, there is one level of all songs, which is supervised training. The source calls the first five
    ``curriculum_step``, ``repetitions``, ``repeat_school_class``, ``shuffle_cur_curriculum`` and ``reverse_order``. Its
    ``enable_auto_level_incr`` is ``pace="epochs"``. Without it the source's caller raises the level while the network
    trains. Here no caller stands beside a training, which is data and can be resumed: either the validation error
    raises the level, ``pace="validation"``, or epochs that are listed beforehand do, ``pace="given"``.

    A level of the source is a number of batches; ``levels`` makes as many levels of songs of any number.
    """

    batches_per_level: int | None = Field(None, ge=1, description="Batches that make a level; None: all songs are one.")
    levels: int | None = Field(
        None, ge=1, description="Levels of equal size; they take the place of batches_per_level, whose number is fixed."
    )
    epochs_per_level: int = Field(1, ge=1, description="Epochs that a level takes, if they set the pace.")
    keep_levels: bool = Field(True, description="A level goes through the songs of the levels before it as well.")
    shuffle_levels: bool = Field(True, description="Shuffle a level's songs each epoch; else they come by difficulty.")
    hardest_first: bool = Field(False, description="From the hardest songs to the easiest.")
    pace: Literal["epochs", "validation", "given"] = Field(
        "epochs",
        description="What ends a level: its number of epochs; the first epoch of it whose validation loss is not below "
        "that of the epoch before; or the epochs given in level_ends.",
    )
    level_ends: tuple[int, ...] = Field((), description="Epochs (from 1) that end a level, if the pace is given.")
    final_epochs: int | None = Field(
        None, ge=0, description="Epochs on all songs after the last level; None: until the epochs are over."
    )

    @model_validator(mode="after")
    def _pace_and_ends_agree(self) -> CurriculumSettings:
        if (self.pace == "given") != bool(self.level_ends):
            raise ValueError(f"level_ends belongs to pace='given', got pace={self.pace!r}, {self.level_ends}")
        return self


def difficulty(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Cross entropy of each song's genre under a model.

    Args:
        logits: ``(n_songs, classes)``.
        y: ``(n_songs,)`` labels.

    Returns:
        ``(n_songs,)`` float64 in nats, from 0 (easy).

    Example:
        >>> import numpy as np
        >>> difficulty(np.array([[0.0, 0.0], [9.0, 0.0]]), np.array([1, 0])).round(3)
        array([0.693, 0.   ])
    """
    found: np.ndarray = -np.take_along_axis(log_softmax(logits), np.asarray(y)[:, None], axis=1)[:, 0]
    return found


def difficulty_rows(ids: np.ndarray, logits: np.ndarray, y: np.ndarray) -> list[dict[str, Any]]:
    """Each song's id and difficulty, easiest first: the rows of a table.

    Args:
        ids: ``(n_songs,)`` names.
        logits: ``(n_songs, classes)``; songs whose logits are not known (NaN) are left out.
        y: ``(n_songs,)`` labels.

    Example:
        >>> import numpy as np
        >>> difficulty_rows(np.array(["a", "b"]), np.array([[0.0, 0.0], [9.0, 0.0]]), np.array([1, 0]))[0]["id"]
        'b'
    """
    known = np.flatnonzero(np.isfinite(logits).all(axis=1))
    found = difficulty(np.asarray(logits)[known], np.asarray(y)[known])
    return [
        {"id": str(ids[known[place]]), "difficulty": float(found[place])} for place in np.argsort(found, kind="stable")
    ]


def difficulty_table(
    ids: np.ndarray, logits: np.ndarray, y: np.ndarray, *, most: int = 10, bins: int = 50
) -> dict[str, Any]:
    """The easiest and hardest songs and how difficulty is spread, as plain data.

    Args:
        ids: As for `difficulty_rows`.
        logits: As for `difficulty_rows`.
        y: As for `difficulty_rows`.
        most: How many of the easiest and of the hardest songs to name.
        bins: Bars of the histogram.

    Returns:
        ``songs`` (their number), ``mean``, ``variance``, ``easiest`` and ``hardest`` (the most extreme first) and
        ``histogram`` (``edges``, one more than ``counts``).

    Example:
        >>> import numpy as np
        >>> logits = np.array([[0.0, 0.0], [9.0, 0.0]])
        >>> difficulty_table(np.array(["a", "b"]), logits, np.array([1, 0]), most=1)["hardest"][0]["id"]
        'a'

    Reference:
        Document A, section Collect Cross Entropies.
    """
    rows = difficulty_rows(ids, logits, y)
    found = np.array([row["difficulty"] for row in rows])
    counts, edges = np.histogram(found, bins)
    return {
        "songs": len(rows),
        "mean": float(found.mean()),
        "variance": float(found.var()),
        "easiest": rows[:most],
        "hardest": rows[::-1][:most],
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def level_size(n_songs: int, settings: CurriculumSettings) -> int:
    """Songs of a level.

    Args:
        n_songs: All songs of the curriculum.
        settings: Levels, or batches of a level.

    Example:
        >>> [level_size(n_songs, CurriculumSettings(levels=16, batch_size=50)) for n_songs in (40_000, 3_000)]
        [2500, 188]
    """
    if settings.levels:
        return -(-n_songs // settings.levels)
    return settings.batches_per_level * settings.batch_size if settings.batches_per_level else n_songs


def songs_of_level(order: np.ndarray, level: int, size: int, *, keep_levels: bool) -> np.ndarray:
    """The songs that a level goes through.

    Args:
        order: Songs in the order of the curriculum.
        level: Number of the level, from 0; after the last one there are all songs.
        size: Songs of a level.
        keep_levels: Whether the levels before it belong to it.

    Example:
        >>> import numpy as np
        >>> [songs_of_level(np.array([3, 0, 2, 1]), level, 3, keep_levels=False).tolist() for level in (0, 1, 2)]
        [[3, 0, 2], [1], [3, 0, 2, 1]]
    """
    if level * size >= len(order):
        return order
    return order[0 if keep_levels else level * size : (level + 1) * size]


def place_in_curriculum(history: History, settings: CurriculumSettings, levels: int) -> tuple[int, int]:
    """The level of the next epoch, and how many epochs of that level are over.

    A function of the records alone, so that a resumed training goes on where it was. The level after the last one, that
    of all songs, does not end.

    Args:
        history: Records of the epochs so far.
        settings: The pace.
        levels: Number of levels.

    Example:
        >>> place_in_curriculum([{}] * 5, CurriculumSettings(epochs_per_level=2), levels=4)
        (2, 1)
    """
    level, start = 0, 0
    for epoch in range(1, len(history) + 1):
        if level < levels and _ends(history[start:epoch], epoch, settings):
            level, start = level + 1, epoch
    return level, len(history) - start


def _ends(level: History, epoch: int, settings: CurriculumSettings) -> bool:
    if settings.pace == "epochs":
        return len(level) >= settings.epochs_per_level
    if settings.pace == "given":
        return epoch in settings.level_ends
    return len(level) > 1 and level[-1]["valid_loss"] >= level[-2]["valid_loss"]


@PROCEDURES.register(
    "curriculum",
    summary="From easy songs to hard ones, or the reverse, a level at a time",
    reference="document A, Curriculum Learning; Y. Bengio et al., Curriculum learning, ICML 2009",
    settings=CurriculumSettings,
    space={
        **PACE,
        "batches_per_level": Int(5, 100, sampling="log"),
        "hardest_first": Boolean(),
        "keep_levels": Boolean(),
        "pace": Choice(("epochs", "validation")),
        "epochs_per_level": Int(1, 20, when={"pace": ("epochs",)}),
    },
    members=("judge",),
)
def curriculum(model: keras.Model, songs: SongSet, settings: CurriculumSettings, **options: Unpack[Options]) -> Fitted:
    """Trains level by level on songs sorted by their difficulty, and at last on all of them.

    An epoch is one pass over the songs of its level. With one level (the default) it is bit-identical to
    supervised training. With ``pace="validation"`` the validation songs decide how long a level takes, as they do with
    early stopping.

    Args:
        model: Uncompiled model whose output is logits or a dict with the key ``logits``; it is trained in place.
        songs: Standardised songs with splits ``train`` and ``valid``; test songs are never read.
        settings: See `CurriculumSettings`.
        options: See `Options`; of the logits of ``"judge"`` those of the training songs are used.

    Returns:
        The model with the weights to keep, its history and the epoch that they are from.

    Raises:
        SettingsError: There are no logits of a judge, or a setting is impossible.
        DataError: Logits of a training song are missing, or the training diverged.
    """
    train_y = songs.y[songs.splits["train"]]
    judged = training_logits(options.get("logits"), "judge", songs)
    order = np.argsort(difficulty(judged, train_y), kind="stable")
    order = order[::-1] if settings.hardest_first else order
    size = level_size(len(order), settings)
    levels = -(-len(order) // size)

    def choose(epoch: int, history: History) -> np.ndarray:
        level, _ = place_in_curriculum(history, settings, levels)
        chosen = songs_of_level(order, level, size, keep_levels=settings.keep_levels)
        if not settings.shuffle_levels:
            return chosen
        within: np.ndarray = np.sort(chosen)[shuffled(options["seed"], len(chosen))(epoch, history)]
        return within

    def finished(history: History) -> bool:
        level, over = place_in_curriculum(history, settings, levels)
        return settings.final_epochs is not None and level == levels and over >= settings.final_epochs

    return fit(model, songs, settings, choose=choose, finished=finished, **options)
