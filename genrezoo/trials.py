"""The trials of a search, read from its journal.

The journal is a file with one JSON object per line, each written and synced before the search acts on it. The whole
state of a search can be read from this file, so that it can resume after any interruption.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator
from pydantic.dataclasses import dataclass as checked_dataclass

from genrezoo.errors import DataError, first_problem
from genrezoo.files import from_json, json_text, read_bytes

FILE = "journal.jsonl"
CHECK = "digest"
"""Key of a line's digest."""
ENDED = ("completed", "stopped", "infeasible", "failed")


@checked_dataclass(frozen=True)
class Trial:
    """One trial of a search and its result.

    Attributes:
        number: Number of the trial, from 0, in order of request.
        values: The searched hyperparameters that are active, by name.
        point: Digest (16 hex digits) of everything that the score depends on; unique within a search.
        by: Source of the point: a tuner, ``"recipe"`` (the recipe's values) or ``"warm"`` (an earlier search).
        epochs: Epochs after which to pause; None trains to the end.
        origin: Number of the trial whose training it continues.
        status: ``"running"``, ``"completed"``, ``"stopped"`` (by the median rule), ``"infeasible"`` (above the latency
            limit) or ``"failed"``.
        score: Value of the objective: for accuracy larger is better, for loss smaller.
        scores: Score of each part: fold or repeat.
        history: Columns ``loss``, ``accuracy``, ``valid_loss``, ``valid_accuracy`` and ``valid_macro_f1`` of the first
            part, one value per epoch.
        latency_ms: CPU time of one prediction.
        parameters: Number of parameters of the model.
        seconds: Wall time.
        attempts: Number of times it was started.
        error: Reason of a failure, in one line.
        detail: The traceback of a failure.
        started: Unix time of the first start.
        ended: Unix time of the end.
    """

    number: int
    values: dict[str, Any]
    point: str
    by: str
    epochs: int | None = None
    origin: int | None = None
    status: str = "running"
    score: float | None = None
    scores: tuple[float, ...] = ()
    history: dict[str, list[float]] = field(default_factory=dict)
    latency_ms: float | None = None
    parameters: int | None = None
    seconds: float | None = None
    attempts: int = 0
    error: str | None = None
    detail: str | None = None
    started: float | None = None
    ended: float | None = None

    @model_validator(mode="after")
    def _columns_fit(self) -> Trial:
        if len({len(column) for column in self.history.values()}) > 1:
            raise ValueError("the columns of history have unequal lengths")
        return self

    @property
    def ran(self) -> bool:
        """Whether its score can be the best."""
        return self.status == "completed"


@dataclass
class Journal:
    """The content of a journal.

    Attributes:
        plan: The requested plan of the search.
        trials: All trials, by number.
        finished: Why the search ended: ``"budget"`` or ``"exhausted"``; None while it is running.
    """

    plan: dict[str, Any] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    finished: str | None = None

    def take(self, event: dict[str, Any]) -> None:
        """Applies an event.

        Raises:
            KeyError, TypeError, ValueError: It is not an event, or contradicts earlier ones.
        """
        kind = event["event"]
        self.finished = str(event["reason"]) if kind == "finish" else None  # a larger budget makes a search go on
        if kind == "search":
            self.plan = dict(event["plan"])
            if lacking := sorted({"recipe", "songs", "given", "objective", "max_trials"} - self.plan.keys()):
                raise ValueError(f"the plan lacks {lacking[0]!r}")
            for name in ("recipe", "songs", "given", "objective"):
                if not isinstance(self.plan[name], dict):
                    raise ValueError(f"the plan's {name} is not a table")
            if lacking := sorted({"metric", "pareto"} - self.plan["objective"].keys()):
                raise ValueError(f"the plan's objective lacks {lacking[0]!r}")
        elif kind == "budget":
            self.plan["max_trials"] = event["max_trials"]
        elif kind == "ask":
            if event["trial"] != len(self.trials):
                raise ValueError(f"trial {event['trial']} follows on {len(self.trials) - 1}")
            asked = {key: event[key] for key in ("values", "point", "by", "epochs", "origin")}
            self.trials.append(Trial(number=event["trial"], **asked))
        elif kind in ("start", "end"):
            if not 0 <= event["trial"] < len(self.trials):
                raise ValueError(f"trial {event['trial']} was never requested")
            trial = self.trials[event["trial"]]
            if trial.status != "running":
                raise ValueError(f"trial {trial.number} has already ended")
            self.trials[trial.number] = _after(trial, event)
        elif kind != "finish":
            raise ValueError(f"unknown event {kind!r}")

    @property
    def direction(self) -> str:
        """``"min"`` if smaller scores are better, else ``"max"``."""
        return "min" if self.plan["objective"]["metric"] == "loss" else "max"

    @property
    def ranked(self) -> list[Trial]:
        """The completed trials, best first; of equal ones the earlier first."""
        sign = 1 if self.direction == "min" else -1
        return sorted((trial for trial in self.trials if trial.score is not None and trial.ran), key=lambda one: (
            sign * float(one.score or 0.0), one.number))  # fmt: skip

    @property
    def best(self) -> Trial | None:
        """The completed trial with the best score; None if there is none.

        Of equal ones it is the earliest, or the fastest in a search for the Pareto front, which keeps no other's run.
        """
        fastest = self.front[-1:] if self.plan["objective"]["pareto"] else []
        return next(iter(fastest or self.ranked), None)

    @property
    def front(self) -> list[Trial]:
        """The completed trials that no other trial beats in both score and latency, fastest first."""
        front: list[Trial] = []
        sign = 1 if self.direction == "min" else -1
        # of equal scores the faster first: each one must be faster than all before it
        for trial in sorted(self.ranked, key=lambda one: (sign * float(one.score or 0.0), one.latency_ms or 0.0)):
            if trial.latency_ms is not None and (not front or trial.latency_ms < float(front[0].latency_ms or 0.0)):
                front.insert(0, trial)
        return front

    @property
    def kept(self) -> list[Trial]:
        """The trials whose runs are kept: the best one, or the Pareto front."""
        if self.plan["objective"]["pareto"]:
            return self.front
        return self.ranked[:1]


def as_line(event: dict[str, Any]) -> str:
    """Formats an event as a line of a journal, with a digest that reveals changes."""
    return json_text({**event, CHECK: _digest(event)})


def _digest(event: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()[:16]


def read_journal(folder: str | Path) -> Journal:
    """Reads the journal of a search.

    An incomplete last line after a crash is ignored: the search had not acted on it.

    Args:
        folder: Folder of the search.

    Raises:
        DataError: There is no journal, or a line before the last is damaged.
    """
    path, journal = Path(folder) / FILE, Journal()
    if not path.exists():
        raise DataError("is not a search", path=path, remedy="pass a folder that `genrezoo tune` wrote")
    lines = read_bytes(path, most=2**30, empty=True).split(b"\n")[:-1]  # every whole line ends with a break
    if not lines:
        raise DataError("has no complete line", path=path, remedy="delete the folder and start the search again")
    for number, line in enumerate(lines, start=1):
        try:
            event = from_json(line)
            if CHECK in event and event.pop(CHECK) != _digest(event):  # journals of older versions have none
                raise ValueError("its digest differs")
            if (event["event"] == "search") != (number == 1):
                raise ValueError("the plan must be the first line and no other")
            journal.take(event)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = first_problem(error) if isinstance(error, ValidationError) else error
            raise DataError(
                f"damaged ({reason})",
                path=path,
                where=f"line {number}",
                remedy="restore the file; the lines before this one are intact",
            ) from error
    return journal


def _after(trial: Trial, event: dict[str, Any]) -> Trial:
    """Returns the trial after one of its events."""
    if event["event"] == "start":
        return replace(trial, attempts=event["attempt"], started=trial.started or event["time"])
    if event["status"] not in ENDED:
        raise ValueError(f"unknown status {event['status']!r}")
    told = ("status", "score", "history", "latency_ms", "parameters", "seconds", "error", "detail")
    return replace(trial, scores=tuple(event["scores"]), ended=event["time"], **{key: event[key] for key in told})
