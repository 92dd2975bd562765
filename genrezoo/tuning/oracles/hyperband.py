"""Hyperband: many points for a few epochs, the best of them for more; KerasTuner's brackets, read from the trials."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras_tuner
from pydantic import Field

from genrezoo.errors import SettingsError
from genrezoo.trials import Trial
from genrezoo.tuning.oracles.base import (
    Options,
    Suggestion,
    Taken,
    Unseen,
    next_number,
    objective,
    seed_of,
)
from genrezoo.tuning.oracles.points import all_points


class HyperbandOptions(Options):
    """Options of Hyperband."""

    factor: int = Field(
        3, ge=2, le=100, description="Each round keeps one point in so many, for so many times the epochs."
    )
    iterations: int | None = Field(
        None,
        ge=1,
        le=1_000,
        description="Passes over all brackets; None goes on until max_trials, or makes one where that is None too.",
    )


class _Brackets(Unseen, keras_tuner.oracles.HyperbandOracle):
    """KerasTuner's oracle with its brackets as the trials say they are.

    It fills the first round of a bracket before it opens the next one, so that a trial's place follows from its number
    and its origin alone: no order of events has to be played back.
    """

    def fill(self, trials: Sequence[Trial], told: Mapping[int, float]) -> None:
        """Puts the trials in the places that they have."""
        place: dict[int, tuple[list[list[dict[str, Any]]], int]] = {}  # of each trial, its bracket's rounds and its own
        for trial in trials:
            if trial.origin is None:
                while len(self._brackets[-1]["rounds"][0]) == self._get_size(self._brackets[-1]["bracket_num"], 0):
                    self._increment_bracket_num()
                    self._start_new_bracket()
                rounds, which = self._brackets[-1]["rounds"], 0
            else:
                rounds, which = place[trial.origin][0], place[trial.origin][1] + 1
            place[trial.number] = rounds, which
            past = None if trial.origin is None else str(trial.origin)
            rounds[which].append({"past_id": past, "id": str(trial.number)})
            score = told[trial.number] if trial.status == "completed" else -math.inf
            self._enter(str(trial.number), None if trial.status == "running" else score)

    def choose(self, number: int) -> dict[str, Any]:
        """KerasTuner's answer, put again where it goes on with a trial that cannot go on.

        A trial that did not complete has no weights to go on from. It ranks below all others, so that it is chosen when
        no other is left; the answer then only fills its place in the next round. Places of a first round that a small
        space has no points for are filled likewise. Otherwise their bracket would wait for them for ever.
        """
        for attempt in itertools.count():
            name = f"{number}/{attempt}"
            answer: dict[str, Any] = self.populate_space(name)
            if answer["status"] == "RUNNING":
                origin = answer["values"].get("tuner/trial_id")
                if origin is None or self.trials[origin].score > -math.inf:
                    return answer
                self._enter(name, -math.inf)
            elif not self._fill_first_round(name):
                return answer
        raise AssertionError("counted to the end")

    def _fill_first_round(self, name: str) -> bool:
        """Fills the first round that was begun and has free places; whether there is one."""
        last = self._brackets[-1] if self._brackets else None
        if last is None or not last["rounds"][0]:
            return False
        first = last["rounds"][0]
        free = range(len(first), self._get_size(last["bracket_num"], 0))
        for place in free:
            first.append({"past_id": None, "id": f"{name}/{place}"})
            self._enter(f"{name}/{place}", -math.inf)
        return bool(free)

    def _enter(self, name: str, score: float | None) -> None:
        record = keras_tuner.engine.trial.Trial(keras_tuner.HyperParameters(), name)
        record.status, record.score = "RUNNING" if score is None else "COMPLETED", score
        self.trials[name] = record
        if score is None:
            self.ongoing_trials[name] = record


class HyperbandOracle:
    """Successive halving in brackets; choose it when a few epochs tell much of what many give.

    Raises:
        SettingsError: There are no epochs to divide.

    Reference:
        Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar (2018), Hyperband, JMLR 18.
    """

    def __init__(
        self,
        template: Any,
        *,
        seed: int,
        max_trials: int | None,
        max_epochs: int | None,
        options: HyperbandOptions,
        **_: Any,
    ):
        if max_epochs is None:
            raise SettingsError("hyperband needs a procedure with epochs; choose another tuner")
        self._template, self._seed, self._points = template, seed, all_points(template)
        iterations = options.iterations or (1 if max_trials is None else None)
        self._arguments = {"max_epochs": max_epochs, "factor": options.factor, "hyperband_iterations": iterations}

    def ask(
        self, trials: Sequence[Trial], told: Mapping[int, float], taken: Taken
    ) -> Suggestion | Literal["wait", "done"]:
        """The next point (see `Oracle`)."""
        oracle = _Brackets(
            objective=objective(),
            hyperparameters=self._template,
            seed=seed_of(self._seed, trials),
            **self._arguments,
        )
        levels = [oracle._get_epochs(bracket, 0) for bracket in range(oracle._get_num_brackets())]
        # A point that was begun is not begun again, whatever its epochs: what is exhausted stays so.
        oracle.set_apart(self._points, lambda values: any(taken(values, epochs) for epochs in levels))
        by_number = {trial.number: trial for trial in trials}
        oracle.fill([trial for trial in trials if trial.by == "hyperband"], told)
        answer = oracle.choose(next_number(trials))
        if answer["status"] != "RUNNING":
            return "wait" if answer["status"] == "IDLE" else "done"
        values = answer["values"]
        origin = values.get("tuner/trial_id")
        own = (
            dict(by_number[int(origin)].values)
            if origin is not None
            else {name: value for name, value in values.items() if not name.startswith("tuner/")}
        )
        return Suggestion(own, "hyperband", values["tuner/epochs"], None if origin is None else int(origin))
