"""A search while it runs: what is asked, started, told and kept, each step a line of the journal first."""

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
from genrezoo.datasets.arrays import load_arrays, save_songs
from genrezoo.errors import DataError, ResourceError, SettingsError, differences
from genrezoo.recipes import Recipe
from genrezoo.runs import load_run
from genrezoo.songs import SongSet
from genrezoo.trials import FILE, Journal, Trial, read_journal
from genrezoo.tuning.oracles import Oracle, Suggestion
from genrezoo.tuning.plan import SearchPlan
from genrezoo.tuning.space import Space
from genrezoo.tuning.trial import Order, finish_trial, part_folder, run_trial

DEATHS = 3
"""How often a trial's process may die before the trial counts as failed."""
FREE = ("max_trials", "environment", "summary", "reference", "reported")
"""What of a plan may be different when a search is continued."""


@dataclass
class Running:
    """A search while it runs: the only holder of its journal."""

    folder: Path
    plan: SearchPlan
    recipe: Recipe
    space: Space
    seed: int
    songs: SongSet
    oracle: Oracle
    first: list[tuple[str, dict[str, Any]]]
    loggers: dict[str, str | None]
    on_trial: Callable[[Trial, int, int | None], None] | None
    journal: Journal = field(default_factory=Journal)
    name: str = ""
    checksum: str = ""
    points: dict[str, int] = field(default_factory=dict)
    deaths: dict[int, int] = field(default_factory=dict)

    # --- the journal ---

    def open(self, asked: dict[str, Any]) -> None:
        """Begins the journal, or goes on with one of the same search."""
        path = self.folder / FILE
        self.checksum = asked["songs"]["checksum"]
        kept = {key: value for key, value in asked.items() if key not in FREE}
        text = files.json_text(kept, sort_keys=True)
        self.name = f"{self.plan.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        files.drop_parts(self.folder)
        for left in (self.folder / "trials").glob(".*"):  # by which workers of a killed search knew its folders
            left.unlink(missing_ok=True)
        if path.exists():
            files.cut_torn_line(path)
        if not path.exists() or not path.stat().st_size:
            strange = sorted(set(os.listdir(self.folder)) - {".lock", "songs", FILE})
            if strange and path.exists():
                raise DataError(
                    "is empty beside what a search has left", path=path, remedy="restore it, or name a new folder"
                )
            if strange:
                raise SettingsError(f"{self.folder} is not empty ({strange[0]}); name a new folder for the search")
            save_songs(self.songs, self.folder / "songs", overwrite=True)
            self.write({"event": "search", "schema": 1, "plan": asked})
            return
        self.journal = read_journal(self.folder)
        before = {key: value for key, value in self.journal.plan.items() if key not in FREE}
        if different := differences(before, json.loads(text)):
            raise SettingsError(
                f"{self.folder} holds another search: {'; '.join(different)}. Use another folder or the old settings"
            )
        load_arrays(self.folder / "songs", verify=False)
        # their digits anew: those in the journal hold the version of the package that wrote it
        self.points = {self.point(trial.values, trial.epochs): trial.number for trial in self.journal.trials}
        ended = [trial for trial in self.journal.trials if trial.status != "running"]
        if self.plan.budget != self.journal.plan["max_trials"]:
            self.write({"event": "budget", "max_trials": self.plan.budget})
        for trial in ended:
            self.report(trial, len(ended))

    def write(self, event: dict[str, Any]) -> None:
        """One event: on the disk first, then known."""
        event["time"] = time.time()
        files.append_line(self.folder / FILE, files.json_text(event))
        self.journal.take(event)

    def report(self, trial: Trial, ended: int) -> None:
        """Tells whoever looks on of an ended trial."""
        if self.on_trial:
            self.on_trial(trial, ended, self.plan.budget)

    def settled(self) -> bool:
        """Whether the search is over and what it kept is whole; best.json and the link are put in order on the way."""
        if self.journal.finished is None:
            return False
        self.tidy(at_end=True)
        return all(_usable(self.whole(trial)) for trial in self.journal.kept)

    @property
    def at_end(self) -> bool:
        """Whether the budget is spent."""
        return self.plan.budget is not None and len(self.journal.trials) >= self.plan.budget

    # --- asking, running, telling ---

    def go_on(self, executor: Any) -> None:
        """Runs trials until the budget is spent or the space exhausted."""
        waiting: dict[concurrent.futures.Future[Any], Trial] = {}
        for trial in self.journal.trials:
            if trial.status == "running":
                self.start(trial, executor, waiting)
        exhausted = False
        while True:
            while len(waiting) < executor.workers and not exhausted and not self.at_end:
                suggestion = self.ask()
                if suggestion == "wait" and waiting:
                    break
                if not isinstance(suggestion, Suggestion):
                    exhausted = True
                    break
                self.start(self.asked(suggestion), executor, waiting)
            if not waiting:
                break
            done, _ = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in sorted(done, key=lambda one: waiting[one].number):
                self.end(waiting.pop(future), future, executor, waiting)
        self.finish(executor, "exhausted" if exhausted else "budget")

    def ask(self) -> Suggestion | str:
        """What to try next: the first points, then what the oracle says."""
        for by, values in self.first:
            if self.point(values, None) not in self.points:
                return Suggestion(values, by)
        number = len(self.journal.trials)
        trials = self.journal.trials
        told = self.plan.objective.told(
            trials, num_classes=self.songs.num_classes, seed=seeds.child_seed(self.seed, "ask", number)
        )
        return self.oracle.ask(trials, told, lambda values, epochs: self.point(values, epochs) in self.points)

    def point(self, values: dict[str, Any], epochs: int | None) -> str:
        """Digits of everything that a trial's score depends on."""
        digest = self.space.recipe(values).digest(self.seed, self.checksum)
        return digest if epochs is None else f"{digest}-{epochs}"

    def asked(self, suggestion: Suggestion) -> Trial:
        """The suggestion as a trial, written down before it runs."""
        number = len(self.journal.trials)
        point = self.point(suggestion.values, suggestion.epochs)
        self.write(
            {
                "event": "ask",
                "trial": number,
                "values": suggestion.values,
                "point": point,
                "by": suggestion.by,
                "epochs": suggestion.epochs,
                "origin": suggestion.origin,
            }
        )
        self.points[point] = number
        return self.journal.trials[number]

    def start(self, trial: Trial, executor: Any, waiting: dict[concurrent.futures.Future[Any], Trial]) -> None:
        """Runs a trial, for the first time or again."""
        self.write({"event": "start", "trial": trial.number, "attempt": trial.attempts + 1})
        trial = self.journal.trials[trial.number]
        order = self.order(trial, until=trial.epochs)
        waiting[executor.call(run_trial, {"order": order}, **self.where(trial))] = trial

    def order(self, trial: Trial, *, until: int | None = None) -> dict[str, Any]:
        """What the process of a trial is asked to do, as plain data."""
        medians = self.plan.objective.medians(self.journal.trials) if self.plan.median_rule else []
        order = Order(
            recipe=self.space.recipe(trial.values),
            seed=self.seed,
            objective=self.plan.objective,
            until=until,
            medians=medians,
            values=trial.values,
            name=f"{self.name}-{trial.number:04d}",
            **self.loggers,
        )
        return order.model_dump(mode="json")

    def where(self, trial: Trial, *, whole: bool = False) -> dict[str, Any]:
        """The folders that the process of a trial reads and writes, and by what a worker knows a call again."""
        writes = {"folder": self.whole(trial) if whole else self.home(trial)}
        if self.recipe.members:
            writes["members"] = self.folder / "members"
        return {"reads": {"songs": self.folder / "songs"}, "writes": writes, "key": f"{self.name}-{trial.number}"}

    def home(self, trial: Trial) -> Path:
        """The folder of a trial; one that goes on with another trial's training lives in that one's."""
        while trial.origin is not None:
            trial = self.journal.trials[trial.origin]
        return self.folder / "trials" / f"{trial.number:04d}"

    def end(
        self,
        trial: Trial,
        future: concurrent.futures.Future[Any],
        executor: Any,
        waiting: dict[concurrent.futures.Future[Any], Trial],
    ) -> None:
        """Writes down what came of a trial, or starts it again.

        Raises:
            ResourceError: Something that is no fault of the trial kept it from running; it is still to be run.
        """
        try:
            result = future.result()
        except parallel.ChildError as error:
            if error.scarce:
                raise _scarce(trial, error) from error
            deaths = self.deaths[trial.number] = self.deaths.get(trial.number, 0) + 1
            spoilt = trial.attempts > 1 and deaths == 1  # what an interrupted attempt has left may be damaged
            if (error.died and deaths < DEATHS) or (spoilt and not error.late):
                if not error.died:
                    shutil.rmtree(self.home(trial), ignore_errors=True)
                self.start(self.journal.trials[trial.number], executor, waiting)
                return
            result = _failure(error, trial)
        self.write({"event": "end", "trial": trial.number, **result})
        self.tidy()
        ended = sum(one.status != "running" for one in self.journal.trials)
        self.report(self.journal.trials[trial.number], ended)

    # --- what is kept ---

    def tidy(self, *, at_end: bool = False) -> None:
        """Keeps the best trial's run, or the front's, and drops those of the other ended trials.

        Hyperband may go on with any trial, so its runs stay until the end.
        """
        kept = {self.home(trial).name for trial in self.journal.kept}
        if self.plan.tuner != "hyperband" or at_end:
            kept |= {self.home(trial).name for trial in self.journal.trials if trial.status == "running"}
            for left in (self.folder / "trials").glob("*"):
                if left.name not in kept:
                    shutil.rmtree(left, ignore_errors=True)
        best = self.journal.best
        if best is None:
            return
        run = self.whole(best)
        if _usable(run):
            recipe = self.space.recipe(best.values)
            files.write_json(self.folder / "best.json", recipe.model_dump(mode="json"))
            files.link(self.folder / "best", run)

    def whole(self, trial: Trial) -> Path:
        """Where a trial's training on the songs' own split lies."""
        home, objective = self.home(trial), self.plan.objective
        return home / "whole" if objective.folds else part_folder(home, objective)

    def finish(self, executor: Any, reason: str) -> None:
        """The runs that are kept are trained to their end where they were not; then the search is over."""
        for trial in self.journal.kept:
            if not _usable(self.whole(trial)):
                with contextlib.suppress(parallel.ChildError) if self.plan.objective.pareto else _as_data_error(trial):
                    self.train_whole(trial, executor)
        self.tidy(at_end=True)
        if self.journal.finished is None:
            self.write({"event": "finish", "reason": reason})

    def train_whole(self, trial: Trial, executor: Any) -> None:
        """Trains a point on the songs' own split to its end.

        Raises:
            ChildError: It failed, or its process has died too often.
            ResourceError: As for `end`.
        """
        for attempt in range(1, DEATHS + 1):
            try:
                executor.call(finish_trial, {"order": self.order(trial)}, **self.where(trial, whole=True)).result()
                return
            except parallel.ChildError as error:
                if error.scarce:
                    raise _scarce(trial, error) from error
                if not error.died or attempt == DEATHS:
                    raise


def _usable(run: Path) -> bool:
    """Whether a run folder is whole; what is left of a damaged one is removed, so that it can be trained again."""
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
        f"trial {trial.number} could not go on: {error}. Mend that and give the same command; it goes on"
    )


def _failure(error: parallel.ChildError, trial: Trial) -> dict[str, Any]:
    """The end of a trial without a score."""
    return {
        "status": "failed",
        "score": None,
        "scores": [],
        "history": {},
        "latency_ms": None,
        "parameters": None,
        "seconds": time.time() - trial.started if trial.started else None,
        "weights_sha256": None,
        "error": str(error),
        "detail": error.detail,
    }


@contextlib.contextmanager
def _as_data_error(trial: Trial) -> Iterator[None]:
    try:
        yield
    except parallel.ChildError as error:
        raise DataError(
            f"the best trial ({trial.number}) could not be trained to its end: {error}",
            remedy="the same command tries again",
        ) from error
