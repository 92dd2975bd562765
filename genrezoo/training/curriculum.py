"""Curriculum learning: songs are presented in order of difficulty, one level at a time.

A song's difficulty is the cross-entropy of its genre under a previously trained model, the judge. Choose it to study
the order of training; the source found no gain in accuracy over training on all songs at once.
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

    By default there is one level with all songs, which is supervised training. The source calls the first five
    ``curriculum_step``, ``repetitions``, ``repeat_school_class``, ``shuffle_cur_curriculum`` and ``reverse_order``. Its
    ``enable_auto_level_incr`` is ``pace="epochs"``. Without it the source's caller raises the level during training.
    Here a training is described by data and can be resumed, so a level ends either by the validation loss,
    ``pace="validation"``, or at epochs listed in advance, ``pace="given"``.

    In the source a level is a number of batches; ``levels`` divides any number of songs into that many levels.
    """

    batches_per_level: int | None = Field(None, ge=1, description="Batches per level; None: one level with all songs.")
    levels: int | None = Field(
        None, ge=1, description="Number of levels, of equal size; replaces batches_per_level, which fixes the size."
    )
    epochs_per_level: int = Field(1, ge=1, description="Epochs per level, for pace='epochs'.")
    keep_levels: bool = Field(True, description="Whether a level includes the songs of the levels before it.")
    shuffle_levels: bool = Field(
        True, description="Shuffle a level's songs in each epoch; otherwise sort them by difficulty."
    )
    hardest_first: bool = Field(False, description="Start with the hardest songs.")
    pace: Literal["epochs", "validation", "given"] = Field(
        "epochs",
        description="When a level ends: 'epochs', after epochs_per_level; 'validation', after its first epoch without "
        "a lower validation loss than the epoch before; 'given', at level_ends.",
    )
    level_ends: tuple[int, ...] = Field((), description="Last epoch (from 1) of each level, for pace='given'.")
    final_epochs: int | None = Field(
        None, ge=0, description="Epochs on all songs after the last level; None: all remaining epochs."
    )

    @model_validator(mode="after")
    def _pace_and_ends_agree(self) -> CurriculumSettings:
        if (self.pace == "given") != bool(self.level_ends):
            raise ValueError(
                f"level_ends must be set for pace='given' and for no other, got pace={self.pace!r}, {self.level_ends}"
            )
        return self


def difficulty(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the cross-entropy of each song's genre under a model.

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
    """Returns each song's id and difficulty, easiest first, as rows of a table.

    Args:
        ids: ``(n_songs,)`` song ids.
        logits: ``(n_songs, classes)``; songs without logits (NaN) are left out.
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
    """Returns the easiest and hardest songs and the distribution of difficulty, as plain data.

    Args:
        ids: As for `difficulty_rows`.
        logits: As for `difficulty_rows`.
        y: As for `difficulty_rows`.
        most: Number of easiest and of hardest songs to list.
        bins: Bins of the histogram.

    Returns:
        ``songs`` (their number), ``mean``, ``variance``, ``easiest`` and ``hardest`` (most extreme first) and
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
    """Returns the number of songs per level.

    Args:
        n_songs: Number of songs of the curriculum.
        settings: Number of levels, or of batches per level.

    Example:
        >>> [level_size(n_songs, CurriculumSettings(levels=16, batch_size=50)) for n_songs in (40_000, 3_000)]
        [2500, 188]
    """
    if settings.levels:
        return -(-n_songs // settings.levels)
    return settings.batches_per_level * settings.batch_size if settings.batches_per_level else n_songs


def songs_of_level(order: np.ndarray, level: int, size: int, *, keep_levels: bool) -> np.ndarray:
    """Returns the songs of a level.

    Args:
        order: Songs in the order of the curriculum.
        level: Number of the level, from 0; after the last level, all songs.
        size: Songs per level.
        keep_levels: Whether a level includes the levels before it.

    Example:
        >>> import numpy as np
        >>> [songs_of_level(np.array([3, 0, 2, 1]), level, 3, keep_levels=False).tolist() for level in (0, 1, 2)]
        [[3, 0, 2], [1], [3, 0, 2, 1]]
    """
    if level * size >= len(order):
        return order
    return order[0 if keep_levels else level * size : (level + 1) * size]


def place_in_curriculum(history: History, settings: CurriculumSettings, levels: int) -> tuple[int, int]:
    """Returns the level of the next epoch, and how many epochs of that level are finished.

    It depends only on the records, so that a resumed training continues at the same level. The level of all songs,
    after the last one, does not end.

    Args:
        history: Records of the epochs so far.
        settings: Settings with the pace.
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
    summary="Training from easy songs to hard ones, or the reverse, one level at a time",
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
    """Trains level by level on songs sorted by difficulty, and finally on all songs.

    An epoch is one pass over the songs of its level. With one level (the default) it is bit-identical to
    supervised training. With ``pace="validation"`` the validation songs decide how long a level takes, as they do with
    early stopping.

    Args:
        model: Uncompiled model whose output is logits or a dict with the key ``logits``; it is trained in place.
        songs: Standardised songs with splits ``train`` and ``valid``; test songs are never read.
        settings: See `CurriculumSettings`.
        options: See `Options`; uses the training songs' logits of the member ``"judge"``.

    Returns:
        The model with the selected weights, its history, and the epoch of these weights.

    Raises:
        SettingsError: The logits of a judge are missing, or a setting is invalid.
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
