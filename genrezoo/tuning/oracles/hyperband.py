"""Hyperband: many points for a few epochs, the best of them for more; the brackets are read from the trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras_tuner
from pydantic import Field

from genrezoo.errors import SettingsError
from genrezoo.trials import Trial
from genrezoo.tuning.oracles.base import OBJECTIVE, Options, Suggestion, Taken, free_point, seed_of
from genrezoo.tuning.space import Space


class HyperbandOptions(Options):
    """Options of Hyperband."""

    factor: int = Field(
        3, ge=2, le=100, description="Each round keeps one point in so many, for so many times the epochs."
    )
    iterations: int | None = Field(
        None,
        ge=1,
        le=1_000,
        description="Passes over all brackets; None continues until max_trials, or makes one if that is None too.",
    )


class HyperbandOracle:
    """Successive halving in brackets; choose it when a few epochs tell much of what many give.

    Sizes and epochs of the brackets are KerasTuner's. Its oracle itself cannot be made from a journal, and waits for
    ever for a trial that failed or for points that a small space does not have.

    Raises:
        SettingsError: There are no epochs to divide.

    Reference:
        Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar (2018), Hyperband, JMLR 18.
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        max_trials: int | None,
        max_epochs: int | None,
        options: HyperbandOptions,
        **_: Any,
    ):
        if max_epochs is None:
            raise SettingsError("hyperband needs a procedure with epochs; use another tuner")
        self._space, self._seed = space, seed
        self._plan = keras_tuner.oracles.HyperbandOracle(
            objective=OBJECTIVE, max_epochs=max_epochs, factor=options.factor, hyperparameters=space.template, seed=1
        )
        self._kinds = list(range(self._plan._get_num_brackets() - 1, -1, -1))  # a bracket has as many more rounds
        self._most = (options.iterations or (1 if max_trials is None else 10**6)) * len(self._kinds)

    def ask(
        self, trials: Sequence[Trial], told: Mapping[int, float], taken: Taken
    ) -> Suggestion | Literal["wait", "done"]:
        """The next point (see `Oracle`)."""
        size, epochs = self._plan._get_size, self._plan._get_epochs
        levels = [epochs(kind, 0) for kind in self._kinds]
        for kind, rounds in self._brackets(trials):
            if len(rounds[0]) < size(kind, 0):
                # a point that was begun is not begun again, whatever its epochs: what is exhausted stays so
                seed = seed_of(self._seed, trials)
                free = free_point(self._space, seed, lambda point: any(taken(point, level) for level in levels))
                if free is not None:
                    return Suggestion(free, "hyperband", epochs(kind, 0))
            closed = True  # the round gets no more trials
            for number in range(1, kind + 1):
                before, chosen = rounds[number - 1], {trial.origin for trial in rounds[number]}
                running = sum(trial.status == "running" for trial in before)
                open_places = running + (0 if closed else size(kind, number - 1) - len(before))
                # one that did not complete has no weights to continue from
                ready = [trial for trial in before if trial.status == "completed" and trial.number not in chosen]
                if ready and len(chosen) + open_places < size(kind, number):  # the best so far stays among the best
                    best = max(ready, key=lambda trial: (told[trial.number], -trial.number))
                    return Suggestion(best.values, "hyperband", epochs(kind, number), best.number)
                full = len(chosen) == size(kind, number)
                closed = full or (closed and not running and not ready)
        return "wait" if any(trial.status == "running" for trial in trials) else "done"

    def _brackets(self, trials: Sequence[Trial]) -> list[tuple[int, list[list[Trial]]]]:
        """Each bracket's kind and the trials of its rounds; the last one has room, unless no more may be opened.

        The first round of a bracket is filled before the next one is opened, so that a trial's place follows from its
        number and its origin.
        """
        found: list[tuple[int, list[list[Trial]]]] = []
        place: dict[int, tuple[list[list[Trial]], int]] = {}

        def open_bracket() -> None:
            full = not found or len(found[-1][1][0]) == self._plan._get_size(found[-1][0], 0)
            if full and len(found) < self._most:
                kind = self._kinds[len(found) % len(self._kinds)]
                found.append((kind, [[] for _ in range(kind + 1)]))

        for trial in (trial for trial in trials if trial.by == "hyperband"):
            open_bracket()
            rounds, number = (found[-1][1], 0) if trial.origin is None else place[trial.origin]
            place[trial.number] = rounds, number + 1
            rounds[number].append(trial)
        open_bracket()
        return found
