"""The loop of a search: ask the oracle, run trials, record results. Every step is a line of the journal first."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genrezoo import files, parallel, seeds
from genrezoo.datasets.arrays import keep_songs
from genrezoo.errors import DataError, ResourceError, SettingsError, differences
from genrezoo.runs import load_run
from genrezoo.songs import SongSet
from genrezoo.songs.storage import save_songs
from genrezoo.trials import FILE, Journal, Trial, as_line, read_journal
from genrezoo.tuning.oracles import Oracle, Suggestion
from genrezoo.tuning.plan import SearchPlan
from genrezoo.tuning.space import Point, Space
from genrezoo.tuning.trial import Order, finish_trial, part_folder, run_trial

MOST_CRASHES = 3
"""How often a trial's process may crash before the trial counts as failed."""
FREE = ("max_trials", "environment", "summary", "reference", "reported")
"""Fields of a plan that may be different when a search is continued."""


@dataclass
class ExecutorLoop:
    """A search while it runs: the only writer of its journal."""

    folder: Path
    plan: SearchPlan
    space: Space
    seed: int
    songs: SongSet
    oracle: Oracle
    first: list[tuple[str, Point]]
    loggers: dict[str, str | None]
    on_trial: Callable[[Trial, int, int | None], None] | None
    journal: Journal = field(default_factory=Journal)
    name: str = ""
    checksum: str = ""
    points: set[str] = field(default_factory=set)
    crashes: dict[int, int] = field(default_factory=dict)
    running: dict[concurrent.futures.Future[Any], Trial] = field(default_factory=dict)

    # --- the journal ---

    def open(self, record: dict[str, Any]) -> None:
        """Begin the journal with the plan, or continue one of the same plan."""
        path = self.folder / FILE
        self.checksum = record["songs"]["checksum"]
        text = files.json_text(_identity(record), sort_keys=True)
        self.name = f"{self.plan.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        files.drop_parts(self.folder)
        for left in (self.folder / "trials").glob(".*"):  # by which workers of a killed search knew its folders
            left.unlink(missing_ok=True)
        if path.exists():
            files.cut_torn_line(path)
        if not path.exists() or not path.stat().st_size:
            unexpected = sorted(set(os.listdir(self.folder)) - {".lock", "songs", FILE})
            if unexpected and path.exists():
                raise DataError(
                    "is empty beside the trials of a search", path=path, remedy="restore it, or use a new folder"
                )
            if unexpected:
                raise SettingsError(f"{self.folder} is not empty ({unexpected[0]}); use a new folder for the search")
            save_songs(self.songs, self.folder / "songs", overwrite=True)
            self.write({"event": "search", "schema": 1, "plan": record})
            return
        self.journal = read_journal(self.folder)
        if different := differences(_identity(self.journal.plan), json.loads(text)):
            raise SettingsError(
                f"{self.folder} holds another search: {'; '.join(different)}. Use another folder or the old settings"
            )
        keep_songs(self.songs, self.folder / "songs")
        # digests are computed again: those in the journal hold the version of the package that wrote it
        self.points = {self.digest(trial.values, trial.epochs) for trial in self.journal.trials}
        ended = self.ended
        if self.plan.budget != self.journal.plan["max_trials"]:
            self.write({"event": "budget", "max_trials": self.plan.budget})
        for trial in ended:
            self.report(trial, len(ended))

    def write(self, event: dict[str, Any]) -> None:
        """Record an event: first on the disk, then in memory."""
        event["time"] = time.time()
        files.append_line(self.folder / FILE, as_line(event))
        self.journal.take(event)

    @property
    def ended(self) -> list[Trial]:
        """The trials that have ended."""
        return [trial for trial in self.journal.trials if trial.status != "running"]

    def report(self, trial: Trial, ended: int) -> None:
        """Call the caller's function with an ended trial."""
        if self.on_trial:
            self.on_trial(trial, ended, self.plan.budget)

    def settled(self) -> bool:
        """Whether the search is over and the runs that it keeps are whole; fixes best.json and the link."""
        if self.journal.finished is None:
            return False
        self.tidy(at_end=True)
        return all(_usable(self.whole(trial)) for trial in self.journal.kept)

    # --- ask, run, record ---

    def run(self, executor: Any) -> None:
        """Run trials until the budget is spent or the space is exhausted."""
        for trial in self.journal.trials:
            if trial.status == "running":
                self.start(trial, executor)
        exhausted = False
        while True:
            spent = self.plan.budget is not None and len(self.journal.trials) >= self.plan.budget
            if len(self.running) < executor.workers and not exhausted and not spent:
                suggestion = self.ask()
                if isinstance(suggestion, Suggestion):
                    self.start(self.record(suggestion), executor)
                    continue
                exhausted = suggestion == "done" or not self.running
            if not self.running:
                break
            done, _ = concurrent.futures.wait(self.running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in sorted(done, key=lambda one: self.running[one].number):
                self.end(self.running.pop(future), future, executor)
        self.finish(executor, "exhausted" if exhausted else "budget")

    def ask(self) -> Suggestion | str:
        """What to try next: the first points, then what the oracle suggests."""
        for by, point in self.first:
            if self.digest(point, None) not in self.points:
                return Suggestion(point, by)
        trials = self.journal.trials
        seed = seeds.child_seed(self.seed, "ask", len(trials))
        reported = self.plan.objective.reported(trials, num_classes=self.songs.num_classes, seed=seed)
        return self.oracle.ask(trials, reported, lambda point, epochs: self.digest(point, epochs) in self.points)

    def digest(self, point: Point, epochs: int | None) -> str:
        """Digits of everything that a trial's score depends on."""
        digest = self.space.recipe(point).digest(self.seed, self.checksum)
        return digest if epochs is None else f"{digest}-{epochs}"

    def record(self, suggestion: Suggestion) -> Trial:
        """Write a suggestion down as a trial, before it runs."""
        digest = self.digest(suggestion.values, suggestion.epochs)
        self.write({"event": "ask", "trial": len(self.journal.trials), "point": digest, **suggestion._asdict()})
        self.points.add(digest)
        return self.journal.trials[-1]

    def start(self, trial: Trial, executor: Any) -> None:
        """Run a trial, for the first time or again."""
        self.write({"event": "start", "trial": trial.number, "attempt": trial.attempts + 1})
        order = {"order": self.order(trial, until=trial.epochs)}
        self.running[executor.call(run_trial, order, **self.places(trial))] = self.journal.trials[trial.number]

    def order(self, trial: Trial, *, until: int | None = None) -> dict[str, Any]:
        """What the process of a trial is asked to do, as plain data."""
        order = Order(
            recipe=self.space.recipe(trial.values),
            seed=self.seed,
            objective=self.plan.objective,
            until=until,
            medians=self.plan.objective.medians(self.journal.trials) if self.plan.median_rule else [],
            values=trial.values,
            name=f"{self.name}-{trial.number:04d}",
            **self.loggers,
        )
        return order.model_dump(mode="json")

    def places(self, trial: Trial, *, whole: bool = False) -> dict[str, Any]:
        """The folders that the process of a trial reads and writes, and the name that a worker knows its call by."""
        writes = {"folder": self.whole(trial) if whole else self.home(trial)}
        if self.space.start.members:
            writes["members"] = self.folder / "members"
        return {"reads": {"songs": self.folder / "songs"}, "writes": writes}

    def home(self, trial: Trial) -> Path:
        """The folder of a trial; one that continues another trial's training lives in that one's."""
        while trial.origin is not None:
            trial = self.journal.trials[trial.origin]
        return self.folder / "trials" / f"{trial.number:04d}"

    def end(self, trial: Trial, future: concurrent.futures.Future[Any], executor: Any) -> None:
        """Record the result of a trial, or start it again.

        Raises:
            ResourceError: Something that is no fault of the trial kept it from running; it remains to be run.
        """
        try:
            result = future.result()
        except parallel.ChildError as error:
            if error.scarce:
                raise _scarce(trial, error) from error
            crashes = self.crashes[trial.number] = self.crashes.get(trial.number, 0) + 1
            damaged = not error.died and not error.late and trial.attempts > 1 and crashes == 1
            if damaged:  # perhaps by the attempt that was interrupted: begin anew, once
                shutil.rmtree(self.home(trial), ignore_errors=True)
            if damaged or (error.died and crashes < MOST_CRASHES):
                self.start(trial, executor)
                return
            empty = dict.fromkeys(("score", "latency_ms", "parameters", "weights_sha256"))
            seconds = time.time() - trial.started if trial.started else None
            result = {"status": "failed", "scores": [], "history": {}, "seconds": seconds, **empty}
            result |= {"error": str(error), "detail": error.detail}
        self.write({"event": "end", "trial": trial.number, **result})
        self.tidy()
        self.report(self.journal.trials[trial.number], len(self.ended))

    # --- the runs that are kept ---

    def tidy(self, *, at_end: bool = False) -> None:
        """Keep the best trial's run, or those of the Pareto front, and delete those of the other ended trials.

        Hyperband may continue any trial, so its runs stay until the end.
        """
        if self.plan.tuner != "hyperband" or at_end:
            running = [trial for trial in self.journal.trials if trial.status == "running"]
            kept = {self.home(trial).name for trial in [*self.journal.kept, *running]}
            for left in (self.folder / "trials").glob("*"):
                if left.name not in kept:
                    shutil.rmtree(left, ignore_errors=True)
        best = self.journal.best
        if best is not None and _usable(self.whole(best)):
            files.write_json(self.folder / "best.json", self.space.recipe(best.values).model_dump(mode="json"))
            files.link(self.folder / "best", self.whole(best))

    def whole(self, trial: Trial) -> Path:
        """The folder of a trial's training on the songs' own split."""
        home, objective = self.home(trial), self.plan.objective
        return home / "whole" if objective.folds else part_folder(home, objective)

    def finish(self, executor: Any, reason: str) -> None:
        """Train the runs that are kept to their end where they were not; then the search is over."""
        for trial in self.journal.kept:
            if not _usable(self.whole(trial)):
                with contextlib.suppress(parallel.ChildError) if self.plan.objective.pareto else _as_data_error(trial):
                    self.train_whole(trial, executor)
        self.tidy(at_end=True)
        if self.journal.finished is None:
            self.write({"event": "finish", "reason": reason})

    def train_whole(self, trial: Trial, executor: Any) -> None:
        """Train a point on the songs' own split to its end.

        Raises:
            ChildError: It failed, or its process crashed too often.
            ResourceError: As for `end`.
        """
        for attempt in range(1, MOST_CRASHES + 1):
            try:
                order = {"order": self.order(trial)}
                executor.call(finish_trial, order, **self.places(trial, whole=True)).result()
                return
            except parallel.ChildError as error:
                if error.scarce:
                    raise _scarce(trial, error) from error
                if not error.died or attempt == MOST_CRASHES:
                    raise


def _identity(plan: dict[str, Any]) -> dict[str, Any]:
    """The fields of a plan that are the same whenever a search is continued; earlier searches may have been moved."""
    fixed = {key: value for key, value in plan.items() if key not in FREE}
    return {**fixed, "warm_start": [Path(folder).name for folder in plan.get("warm_start") or ()]}


def _usable(run: Path) -> bool:
    """Whether a run folder is whole; a damaged one is deleted, so that it can be trained again."""
    if not (run / "card.json").exists():
        return False
    try:
        if files.sha256_of(run / "weights.safetensors") == load_run(run).card.weights_sha256:
            return True
    except (DataError, FileNotFoundError):
        pass  # as if it were not there; any other trouble with the disk is no reason to delete it
    shutil.rmtree(run, ignore_errors=True)
    return False


def _scarce(trial: Trial, error: parallel.ChildError) -> ResourceError:
    return ResourceError(
        f"trial {trial.number} could not continue: {error}. Fix that and run the same command to continue the search"
    )


@contextlib.contextmanager
def _as_data_error(trial: Trial) -> Iterator[None]:
    try:
        yield
    except parallel.ChildError as error:
        raise DataError(
            f"the best trial ({trial.number}) could not be trained to its end: {error}",
            remedy="run the same command to try again",
        ) from error
