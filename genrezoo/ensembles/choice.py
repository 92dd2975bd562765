"""A selected ensemble: weights, scores, predictions, and its row among the results of a benchmark."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from genrezoo.ensembles.candidates import GREEDY, Answers, Candidate, held_out_answers, member_names, read_answers
from genrezoo.environment import environment
from genrezoo.evaluation import bootstrap_intervals, evaluate
from genrezoo.rows import AccuracyRow, Scores
from genrezoo.runs.predictions import OUT_OF_FOLD
from genrezoo.selection import GreedySettings, Selection, cross_selected, select


@dataclass(frozen=True)
class Choice:
    """The result of a selection among candidates.

    Attributes:
        candidates: The candidates by their names as members.
        seen: Their predictions for the songs used in the selection.
        selection: The weights of the members.
        unseen: Log posteriors ``(songs, classes)`` for the same songs, each with weights that were chosen without it.
        settings: Settings of the selection.
        seed: Seed of the selection.
    """

    candidates: dict[str, Candidate]
    seen: Answers
    selection: Selection
    unseen: np.ndarray
    settings: GreedySettings
    seed: int

    @property
    def members(self) -> dict[str, Candidate]:
        """The candidates with a weight, sorted by weight, largest first."""
        return {name: self.candidates[name] for name in self.selection.weights}

    @property
    def family(self) -> Literal["zoo", "baseline", "mixed"]:
        """Family of the candidates, ``"mixed"`` if there are both."""
        families = {one.facts.family for one in self.candidates.values()}
        return families.pop() if len(families) == 1 else "mixed"

    def scores(self) -> dict[str, Scores]:
        """Metrics of each member on the songs used in the selection, by name."""
        return {name: Scores(**evaluate(self.seen.logits[name], self.seen.y)) for name in self.selection.weights}

    def seen_scores(self) -> Scores:
        """Metrics of the ensemble on the songs that its weights were chosen on, which are optimistic."""
        return Scores(**evaluate(self.selection.combine(self.seen.logits), self.seen.y))

    def unseen_scores(self) -> Scores:
        """Metrics on the same songs, each predicted with weights that were chosen without it."""
        return Scores(**evaluate(self.unseen, self.seen.y))

    def predictions(self) -> dict[str, dict[str, np.ndarray]]:
        """Returns the ensemble's predictions by split, in the form of a run; those for test songs are read only now.

        Predictions for validation songs, and all out-of-fold predictions, use weights that were chosen without the
        song.
        """
        seen = {"ids": self.seen.ids, "y": self.seen.y, "logits": self.unseen}
        stored = {self.seen.split: seen}
        if self.seen.split == OUT_OF_FOLD:
            valid = np.isin(seen["ids"], next(iter(self.members.values())).answers("valid")["ids"])
            stored["valid"] = {name: part[valid] for name, part in seen.items()}
        test = read_answers(self.members, "test")
        stored["test"] = {"ids": test.ids, "y": test.y, "logits": self.selection.combine(test.logits)}
        return stored

    def row(
        self,
        stored: Mapping[str, Mapping[str, np.ndarray]],
        *,
        recipe: str,
        key: str,
        seed: int,
        run: str,
        settings: Mapping[str, Any],
        chosen: Mapping[str, Any] | None = None,
    ) -> AccuracyRow:
        """Builds the accuracy row of the ensemble.

        Args:
            stored: Predictions of the ensemble.
            recipe: Name on the leaderboard.
            key: The cell's key.
            seed: Seed of its members, or of the first of them.
            run: Folder of its predictions, relative to the folder of results.
            settings: The requested settings.
            chosen: Further fields of the row about the selection.
        """
        members = list(self.members.values())
        logits, y = (stored["test"][name] for name in ("logits", "y"))
        choice = {"weights": self.selection.weights, "selected_on": self.seen.split, **(chosen or {})}
        own = {
            "recipe": recipe,
            "key": key,
            "seed": seed,
            "run": run,
            "model": GREEDY,
            "family": self.family,
            "settings": {**settings, "chosen": choice},
            "pretrained": {name: text for one in members for name, text in one.facts.pretrained.items()},
            **dict.fromkeys(("study", "axes", "label")),
        }
        return AccuracyRow(
            **{**members[0].facts.model_dump(), **own},
            environment=environment(),
            valid=Scores(**evaluate(stored["valid"]["logits"], stored["valid"]["y"])),
            test={**evaluate(logits, y), "intervals": bootstrap_intervals(logits, y, seed=seed)},
            parameters=_total(members, lambda one: one.parameters),
            multiply_adds=_total(members, lambda one: one.multiply_adds),
            train_seconds=_total(members, lambda one: one.train_seconds),
            epochs=0,
        )


def choose(candidates: Sequence[Candidate], settings: GreedySettings | None = None, *, seed: int = 1) -> Choice:
    """Selects an ensemble from candidates by their stored predictions for held-out songs.

    Args:
        candidates: Models that were trained on the same songs.
        settings: Settings of the selection; the default is `GreedySettings()`.
        seed: Seed of the selection.

    Raises:
        DataError: Predictions are missing or damaged, or belong to other songs, labels or genres.
    """
    named, settings = member_names(candidates), settings or GreedySettings()
    seen = held_out_answers(named)
    selection = select(seen.logits, seen.y, settings, seed=seed)
    unseen = cross_selected(seen.logits, seen.y, settings, seed=seed)
    return Choice(named, seen, selection, unseen, settings, seed)


def row_key(*parts: Any) -> str:
    """Returns a digest (16 hex digits) of everything that identifies an ensemble's row."""
    return hashlib.sha256(json.dumps(["ensemble", *parts], sort_keys=True).encode()).hexdigest()[:16]


def as_arrays(stored: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Converts predictions by split to the arrays of a predictions file."""
    return {f"{split}_{name}": value for split, part in stored.items() for name, value in part.items()}


def _total(members: Sequence[Candidate], cost: Callable[[Candidate], float | None]) -> float | None:
    """Returns the sum over the members; None if one is unknown."""
    costs = [cost(one) for one in members]
    known = [value for value in costs if value is not None]
    return sum(known) if len(known) == len(costs) else None
