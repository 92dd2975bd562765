"""The tables of a run's page: its genres and its mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from genrezoo.evaluation import softmax
from genrezoo.files import csv_text
from genrezoo.report.style.columns import Column
from genrezoo.report.style.markup import harmless
from genrezoo.report.style.number_format import percent, plain


@dataclass(frozen=True)
class GenreRow:
    """A run's results for one genre."""

    genre: str
    songs: float
    precision: float
    recall: float
    f1: float
    taken_for: str


@dataclass(frozen=True)
class SongRow:
    """A run's prediction for one song."""

    id: str
    genre: str
    predicted: str
    confidence: float
    probability: float

    @property
    def right(self) -> bool:
        """Whether the prediction is correct."""
        return self.genre == self.predicted


GENRES: list[Column[GenreRow]] = [
    Column("genre", "Genre", "Name of the genre.", attrgetter("genre"), look="text name"),
    Column("songs", "Songs", "Number of songs of the genre.", attrgetter("songs"), plain),
    Column("precision", "Precision (%)", "Correct fraction of its predictions.", attrgetter("precision"), percent),
    Column("recall", "Recall (%)", "Fraction of its songs that are found.", attrgetter("recall"), percent),
    Column("f1", "F1 (%)", "Harmonic mean of precision and recall.", attrgetter("f1"), percent),
    Column("taken_for", "Most often mistaken for", "And the number of songs.", attrgetter("taken_for"), look="text"),
]  # fmt: skip
SONGS: list[Column[SongRow]] = [
    Column("id", "Song", "Id of the song.", attrgetter("id"), look="text name"),
    Column("genre", "Genre", "Its label.", attrgetter("genre"), look="text"),
    Column("predicted", "Predicted", "The most probable genre.", attrgetter("predicted"), look="text"),
    Column("confidence", "Confidence (%)", "Probability of the prediction.", attrgetter("confidence"), percent),
    Column("probability", "Of its genre (%)", "Probability of the label.", attrgetter("probability"), percent),
]


def genre_rows(genres: Sequence[str], metrics: Mapping[str, Any]) -> list[GenreRow]:
    """Returns a row for each genre in their order.

    Args:
        genres: Names of the genres.
        metrics: The result of `genrezoo.evaluation.evaluate`.
    """
    scores, confusion = metrics["per_class"], np.array(metrics["confusion"])
    rows = []
    for place, genre in enumerate(genres):
        wrong = confusion[place] * (np.arange(len(genres)) != place)
        worst = int(wrong.argmax())
        taken = f"{genres[worst]} ({wrong[worst]})" if wrong[worst] else ""
        songs, precision, recall, f1 = (float(scores[name][place]) for name in ("support", "precision", "recall", "f1"))
        rows.append(GenreRow(genre, songs, precision, recall, f1, taken))
    return rows


def song_rows(genres: Sequence[str], stored: Mapping[str, np.ndarray]) -> list[SongRow]:
    """Returns a row for each song in their order.

    Args:
        genres: Names of the genres.
        stored: ``ids``, ``y`` and ``logits`` of the songs.
    """
    posteriors, best = softmax(stored["logits"]), stored["logits"].argmax(axis=1)
    return [
        SongRow(str(name), genres[label], genres[top], float(posterior[top]), float(posterior[label]))
        for name, label, top, posterior in zip(stored["ids"], stored["y"], best, posteriors, strict=True)
    ]


def mistakes(rows: Sequence[SongRow]) -> list[SongRow]:
    """Returns the songs with wrong predictions, the most confident mistakes first."""
    return sorted((row for row in rows if not row.right), key=lambda row: (-row.confidence, row.id))


def as_csv(columns: Sequence[Column[Any]], rows: Sequence[Any]) -> str:
    """Returns a table as CSV in full precision."""
    lines: list[list[Any]] = [[column.key for column in columns]]
    lines += [[column.value(row) for column in columns] for row in rows]
    return csv_text(map(harmless, line) for line in lines)
