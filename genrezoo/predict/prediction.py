"""`Prediction`: the genre of one audio file, as a whole and over time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction of a model for one audio file.

    Attributes:
        path: The file.
        genres: Names of the classes, in the order of all probabilities; of a tagger its genres, then other tags.
        probabilities: Of the whole recording, ``(n_genres,)`` float32, summing to 1; empty if the file was refused. Of
            a tagger the independent activations of its tags, from 0 to 1.
        rule: How the windows' posteriors were combined; None if the model read the whole recording at once.
        starts: Start of each window, in seconds from the beginning of the file, ``(n_windows,)``.
        ends: End of each window, in seconds, ``(n_windows,)``; windows may overlap.
        windows: Probabilities of each window, ``(n_windows, n_genres)`` float32.
        warnings: Unusual facts about the file.
        reason: Why there is no prediction; None if there is one.
        other_tags: How many of ``genres``, at their end, are tags but not genres.
        scores: What the values are: ``"probabilities"`` or ``"activations"``.
    """

    path: Path
    genres: tuple[str, ...]
    probabilities: np.ndarray
    rule: str | None
    starts: np.ndarray
    ends: np.ndarray
    windows: np.ndarray
    warnings: tuple[str, ...] = ()
    reason: str | None = None
    other_tags: int = 0
    scores: str = "probabilities"

    @classmethod
    def refused(cls, path: Path, genres: tuple[str, ...], reason: str) -> Prediction:
        """The prediction of a file that was refused."""
        nothing = np.zeros(0)
        return cls(path, genres, nothing, None, nothing, nothing, np.zeros((0, len(genres))), reason=reason)

    @property
    def genre(self) -> str | None:
        """The most probable genre; None if the file was refused."""
        return None if self.reason else self.best(1)[0][0]

    def best(self, number: int, *, other: bool = False) -> list[tuple[str, float]]:
        """Returns the genres, or with ``other`` the other tags, with the highest scores, in descending order."""
        first = len(self.genres) - self.other_tags
        part = slice(first, None) if other else slice(first)
        ranked = zip(self.genres[part], map(float, self.probabilities[part]), strict=True)
        return sorted(ranked, key=lambda pair: -pair[1])[:number]

    @property
    def score(self) -> str:
        """The singular of ``scores``."""
        return {"probabilities": "probability", "activations": "activation"}[self.scores]

    @property
    def seconds(self) -> float:
        """Seconds of the recording that were read, from the first window to the last."""
        return float(self.ends[-1] - self.starts[0]) if len(self.ends) else 0.0

    @property
    def how(self) -> str:
        """How the answer to the whole recording was computed, in words."""
        if self.rule is None or len(self.windows) == 1:
            return "read at once"
        return f"{self.rule} of {len(self.windows):,} windows"

    def timeline(self) -> tuple[np.ndarray, np.ndarray]:
        """The genres over time, without overlap.

        Windows without overlap are returned as they are. If windows overlap, each second has the mean of those that
        cover its middle.

        Returns:
            The start of each part, and the end of the last, in seconds, ``(n_parts + 1,)``; and the probabilities,
            ``(n_parts, n_genres)``.
        """
        if not len(self.starts) or np.all(self.starts[1:] >= self.ends[:-1] - 1e-6):
            return np.append(self.starts, self.ends[-1:]), self.windows
        whole = np.arange(self.starts[0], self.ends[-1] - 1e-6)  # seconds; the last may be a part of one
        edges = np.append(whole, self.ends[-1])
        middle = (edges[1:] + edges[:-1]) / 2
        first = np.searchsorted(self.ends, middle, side="right")
        last = np.searchsorted(self.starts, middle, side="right")
        sums = np.concatenate([np.zeros((1, len(self.genres))), np.cumsum(self.windows, axis=0, dtype=np.float64)])
        return edges, ((sums[last] - sums[first]) / (last - first)[:, None]).astype(np.float32)

    def describe(self) -> dict[str, Any]:
        """Returns the prediction and its timeline as plain data; for a refused file its path and the reason."""
        if self.reason:
            return {"file": str(self.path), "reason": self.reason}
        edges, posteriors = self.timeline()
        return {
            "file": str(self.path),
            "genre": self.genre,
            self.scores: self._named(self.probabilities),
            "rule": self.rule,
            "windows": len(self.windows),
            "seconds": round(self.seconds, 3),
            "warnings": list(self.warnings),
            "timeline": [
                {"start": round(float(start), 3), "end": round(float(end), 3), self.scores: self._named(posterior)}
                for start, end, posterior in zip(edges, edges[1:], posteriors, strict=False)
            ],
        }

    def _named(self, probabilities: np.ndarray) -> dict[str, float]:
        return {genre: round(float(p), 6) for genre, p in zip(self.genres, probabilities, strict=True)}
