"""The search: an oracle is asked, a trial runs in its own process, the oracle is told; the journal is the truth."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from genrezoo import files, parallel, seeds
from genrezoo.datasets.arrays import load_arrays, save_songs
from genrezoo.environment import cores, environment
from genrezoo.errors import DataError, SettingsError, differences
from genrezoo.recipes import Recipe
from genrezoo.runs import Run, load_run
from genrezoo.runs.building import build_model, check_members, check_padding, input_shape, seen_songs
from genrezoo.songs import SongSet, check_split, default_split
from genrezoo.trials import FILE, Journal, Trial, read_journal
from genrezoo.tuning.objective import Objective
from genrezoo.tuning.oracles import Oracle, Suggestion, grid_size, make_oracle, options_of
from genrezoo.tuning.plan import SearchPlan, as_plan
from genrezoo.tuning.space import Space, search_space
from genrezoo.tuning.trial import Order, finish_trial, part_folder, run_trial

DEATHS = 3
"""How often a trial's process may die before the trial counts as failed."""
FREE = ("max_trials", "environment", "summary", "reference", "reported")
"""What of a plan may be different when a search is continued."""
WARM_POINTS = 3
"""How many of the best points of earlier searches are tried first."""
PRELOAD = ("genrezoo.tuning.trial", "genrezoo.layers", "genrezoo.models", "genrezoo.composition")


@dataclass(frozen=True)
class Search:
    """A search and what it has found so far.

    Attributes:
        folder: Its folder.
        journal: What its journal says.
    """

    folder: Path
    journal: Journal

    @property
    def trials(self) -> list[Trial]:
        """All trials in the order of asking."""
        return self.journal.trials

    @property
    def best(self) -> Trial | None:
        """The completed trial with the best score; None while there is none."""
        return self.journal.best

    @property
    def front(self) -> list[Trial]:
        """The completed trials that no other beats in both score and latency, fastest first."""
        return self.journal.front

    def recipe(self, trial: Trial | None = None) -> Recipe:
        """The recipe of a trial; of the best one if left out.

        Raises:
            DataError: No trial has completed.
        """
        trial = trial or self.best
        if trial is None:
            raise _nothing_found(self.journal, self.folder)
        recipe, given = Recipe.model_validate(self.journal.plan["recipe"]), self.journal.plan["given"]
        return search_space(recipe, **given).recipe(trial.values)

    def run(self) -> Run:
        """The best trial's run.

        Raises:
            DataError: There is none.
        """
        return load_run(self.folder / "best")


def load_search(folder: str | Path) -> Search:
    """Opens the folder of a search, finished or not.

    Args:
        folder: The folder.

    Raises:
        DataError: It holds no search, or the journal is damaged.
    """
    return Search(Path(folder), read_journal(folder))


def tune(
    recipe: str | Recipe | SearchPlan,
    songs: SongSet,
    *,
    out: str | Path,
    tuner: str | None = None,
    max_trials: int | None = None,
    objective: str | Mapping[str, Any] | Objective | None = None,
    seed: int = 1,
    parallel: int | None = None,
    scheduler: str | None = None,
    changes: Mapping[str, Any] | None = None,
    space: Mapping[str, Any] | None = None,
    only: Sequence[str] | None = None,
    tuner_options: Mapping[str, Any] | None = None,
    from_recipe: bool | None = None,
    median_rule: bool | None = None,
    seconds: float | None = None,
    warm_start: Sequence[str | Path] = (),
    tensorboard: str | Path | None = None,
    mlflow: str | None = None,
    on_trial: Callable[[Trial, int, int | None], None] | None = None,
    on_size: Callable[[int | None, int | None], None] | None = None,
) -> Search:
    """Searches the settings of a recipe that are best on validation songs.

    KerasTuner's oracles decide what to try; each trial is a process of its own, and each step is a line of a journal
    before anything follows from it. Killed at any instant and called again with the same arguments the search goes on:
    finished trials are kept, running ones continue after their last finished epoch. The best trial's run, weights and
    recipe are kept, of the others their journal lines. Every trial is trained with the search's seed, so that points
    differ by their values alone, and ``gz.train(search.recipe(), songs, seed=seed)`` gives the best one again.

    The best of many validation scores is optimistic: what the result is worth, say other seeds and the test songs.

    Args:
        recipe: A recipe, a search plan, or the name or file of one.
        songs: Songs; without a split they get a seeded one, as in a benchmark. Test songs are not looked at.
        out: Folder of the search; new, empty, or of the same search.
        tuner: ``"bayesian"`` (if left out), ``"random"``, ``"hyperband"`` or ``"grid"``.
        max_trials: Trials at most, failed ones included; 25 for bayesian and random if left out, otherwise all. May be
            larger than it was when a search is continued.
        objective: ``"accuracy"`` (if left out), ``"macro_f1"``, ``"loss"``, or the fields of an `Objective`: mean over
            the best tenth of the epochs, over folds or seeds, a limit of latency, the front of score and latency.
        seed: Seed of the tuner and of every training, from 0.
        parallel: Trials at a time, one thread each; all cores if left out.
        scheduler: Address of a Dask scheduler whose workers run the trials, e.g. ``"tcp://10.0.0.1:8786"``.
        changes: Arguments and settings that all trials get.
        space: Hyperparameters to add or restrict: name -> list of values, ``{"min", "max", "step", "sampling"}``, or
            one value that is fixed.
        only: Names to search; the others keep the recipe's values.
        tuner_options: Options of the tuner, e.g. ``{"beta": 1.9}``.
        from_recipe: The recipe's own values are the first trial; so by default, but for grids and Hyperband.
        median_rule: Stop a trial whose best epoch so far is worse than the median of the completed trials' at that
            epoch (from five of them on).
        seconds: Time limit of a trial, which then counts as failed.
        warm_start: Folders of earlier searches of the same model, on similar songs: their best points are tried first,
            and what they found tells the Bayesian tuner where to look.
        tensorboard: Folder for TensorBoard's logs of every trial.
        mlflow: Address of an MLflow store that every trial is logged to.
        on_trial: Called with each ended trial, the number of ended ones and the budget.
        on_size: Called once with the number of points of the space (None for no end) and the budget.

    Returns:
        The search.

    Raises:
        UnknownNameError: An unknown recipe, tuner or name of a hyperparameter.
        SettingsError: Nothing to search, an absurd grid, settings at odds, or a folder of another search.
        DataError: Songs that cannot be used, a folder in use, a damaged journal, or not one trial that completed.

    Example:
        >>> import tempfile, genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_train=40, n_valid=20, n_test=20, n_segments=8, seed=1)
        >>> search = gz.tune(
        ...     "fully_connected", songs, tuner="grid", space={"units": [[8], [16]]}, only=["units"],
        ...     changes={"epochs": 1}, out=tempfile.mkdtemp(),
        ... )
        >>> len(search.trials), search.best.status
        (2, 'completed')
    """
    fields = {
        "tuner": tuner, "max_trials": max_trials, "objective": objective, "changes": changes and dict(changes),
        "space": space and dict(space), "only": None if only is None else tuple(only), "seconds": seconds,
        "tuner_options": tuner_options and dict(tuner_options), "from_recipe": from_recipe, "median_rule": median_rule,
    }  # fmt: skip
    plan = as_plan(recipe, fields)
    seeds.check_seed(seed)
    if parallel is not None and parallel < 1:
        raise SettingsError(f"parallel must be at least 1, got {parallel}")
    if parallel is not None and scheduler is not None:
        raise SettingsError("give parallel or scheduler: a cluster has as many trials at a time as worker threads")
    songs = default_split(songs)
    tuned = _check(plan, songs)
    where = search_space(tuned, space=plan.space or None, only=plan.only)
    earlier = [_Earlier(folder, where, tuned) for folder in warm_start]
    asked = _asked(plan, tuned, where, songs, seed, warm_start)
    with files.lock_folder(out) as folder:
        search = _Running(
            folder=folder.resolve(),
            plan=plan,
            recipe=tuned,
            space=where,
            seed=seed,
            songs=songs,
            oracle=_oracle(plan, tuned, where, seed, earlier),
            first=_first(plan, tuned, where, earlier),
            loggers={
                "tensorboard": None if tensorboard is None else str(Path(tensorboard).resolve()),
                "mlflow": mlflow,
            },
            on_trial=on_trial,
        )
        search.open(asked)
        if on_size:
            on_size(grid_size(where.template) if plan.tuner == "grid" else where.size, plan.budget)
        if search.journal.finished is None:
            with _executor(parallel, scheduler, plan.seconds) as executor:
                search.go_on(executor)
        if search.journal.best is None:
            raise _nothing_found(search.journal, folder)
        return Search(Path(out), search.journal)


@contextlib.contextmanager
def _executor(workers: int | None, scheduler: str | None, seconds: float | None) -> Iterator[Any]:
    """What runs the trials; left by an error, it ends their processes."""
    if scheduler is not None:
        with parallel.ClusterExecutor(scheduler, threads=1, seconds=seconds, preload=PRELOAD) as cluster:
            yield cluster
    else:
        with parallel.ProcessExecutor(workers or cores(), threads=1, seconds=seconds, preload=PRELOAD) as processes:
            yield processes


@dataclass
class _Running:
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
        self.name = f"{self.plan.name}-{hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:8]}"
        if path.exists():
            files.cut_torn_line(path)
        if not path.exists() or not path.stat().st_size:
            if strange := sorted(set(os.listdir(self.folder)) - {".lock", "songs", FILE}):
                raise SettingsError(f"{self.folder} is not empty ({strange[0]}); name a new folder for the search")
            save_songs(self.songs, self.folder / "songs", overwrite=True)
            self.write({"event": "search", "schema": 1, "plan": asked})
            return
        self.journal = read_journal(self.folder)
        before = {key: value for key, value in self.journal.plan.items() if key not in FREE}
        if different := differences(before, json.loads(json.dumps(kept))):
            raise SettingsError(
                f"{self.folder} holds another search: {'; '.join(different)}. Use another folder or the old settings"
            )
        load_arrays(self.folder / "songs", verify=False)
        self.points = {trial.point: trial.number for trial in self.journal.trials}
        ended = [trial for trial in self.journal.trials if trial.status != "running"]
        if self.plan.budget != self.journal.plan["max_trials"]:
            self.write({"event": "budget", "max_trials": self.plan.budget})
        for trial in ended:
            self.report(trial, len(ended))

    def write(self, event: dict[str, Any]) -> None:
        """One event: on the disk first, then known."""
        event["time"] = time.time()
        files.append_line(self.folder / FILE, json.dumps(event, allow_nan=False, ensure_ascii=False))
        self.journal.take(event)

    def report(self, trial: Trial, ended: int) -> None:
        if self.on_trial:
            self.on_trial(trial, ended, self.plan.budget)

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
        waiting[executor.call(run_trial, {"order": order}, **self.folders(trial))] = trial

    def order(self, trial: Trial, *, until: int | None = None) -> dict[str, Any]:
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

    def folders(self, trial: Trial) -> dict[str, dict[str, Path]]:
        """The folders that the process of a trial reads and writes."""
        writes = {"folder": self.home(trial)} | ({"members": self.folder / "members"} if self.recipe.members else {})
        return {"reads": {"songs": self.folder / "songs"}, "writes": writes}

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
        """Writes down what came of a trial, or starts it again."""
        try:
            result = future.result()
        except parallel.ChildError as error:
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
        if (run / "card.json").exists():
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
            if not (self.whole(trial) / "card.json").exists():
                folders = self.folders(trial)
                folders["writes"]["folder"] = self.whole(trial)
                with contextlib.suppress(parallel.ChildError) if self.plan.objective.pareto else _as_data_error(trial):
                    executor.call(finish_trial, {"order": self.order(trial)}, **folders).result()
        self.tidy(at_end=True)
        self.write({"event": "finish", "reason": reason})


class _Earlier:
    """An earlier search: its points that lie in the present space, with their scores."""

    def __init__(self, folder: str | Path, space: Space, recipe: Recipe):
        journal = read_journal(folder)
        before = Recipe.model_validate(journal.plan["recipe"])
        if (before.model, before.procedure) != (recipe.model, recipe.procedure):
            raise SettingsError(
                f"{folder} searched {before.model!r} trained by {before.procedure!r}, this is {recipe.model!r} by "
                f"{recipe.procedure!r}; warm-start from a search of the same kind"
            )
        then, sign = search_space(before, **journal.plan["given"]), 1 if journal.direction == "max" else -1
        found = [
            (space.values_of(then.recipe(trial.values)), sign * float(trial.score or 0)) for trial in journal.ranked
        ]
        kept = [(values, score) for values, score in found if values is not None]
        if not kept:
            raise SettingsError(f"{folder}: no completed trial lies in the present space; widen it, or start without")
        mean, deviation = fmean(score for _, score in kept), pstdev(score for _, score in kept)
        self.points = [(values, (score - mean) / (deviation or 1.0)) for values, score in kept]  # best first


def _check(plan: SearchPlan, songs: SongSet) -> Recipe:
    """The recipe that is tuned, after everything that would refuse every trial has been asked."""
    recipe = plan.tuned
    settings = recipe.procedure_settings()
    check_members(recipe)
    songs.validate()
    check_split(songs)
    seen = seen_songs(recipe, songs)
    check_padding(recipe, seen)
    build_model(recipe, input_shape(recipe, seen), songs.num_classes, again=True)
    if plan.tuner == "hyperband" and not hasattr(settings, "epochs"):
        raise SettingsError(f"hyperband pauses trainings after some epochs, and {recipe.procedure!r} has none to count")
    if plan.objective.pareto and plan.tuner == "hyperband":
        raise SettingsError("hyperband ranks trials by one score; search for a front with bayesian, random or grid")
    return recipe


def _asked(
    plan: SearchPlan, recipe: Recipe, space: Space, songs: SongSet, seed: int, warm_start: Sequence[str | Path]
) -> dict[str, Any]:
    """The plan as the journal holds it; a folder of another one is refused."""
    return {
        "name": plan.name,
        **{name: getattr(plan, name) for name in ("summary", "reference", "reported")},
        "recipe": recipe.model_dump(mode="json"),
        "songs": {**songs.describe(), "checksum": songs.checksum()},
        "given": {"space": plan.space or None, "only": plan.only and list(plan.only)},
        "space": space.describe(),
        "tuner": {"name": plan.tuner, **options_of(plan.tuner, plan.tuner_options)},
        "max_trials": plan.budget,
        "objective": plan.objective.model_dump(mode="json"),
        "from_recipe": plan.from_recipe,
        "seed": seed,
        "median_rule": plan.median_rule,
        "seconds": plan.seconds,
        "warm_start": [str(folder) for folder in warm_start],
        "environment": environment(),
    }


def _oracle(plan: SearchPlan, recipe: Recipe, space: Space, seed: int, earlier: list[_Earlier]) -> Oracle:
    return make_oracle(
        plan.tuner,
        space.template,
        seed=seed,
        max_trials=plan.budget,
        max_epochs=getattr(recipe.procedure_settings(), "epochs", None),
        options=plan.tuner_options,
        earlier=[one.points for one in earlier],
    )


def _first(plan: SearchPlan, recipe: Recipe, space: Space, earlier: list[_Earlier]) -> list[tuple[str, dict[str, Any]]]:
    """The points that are tried before the oracle is asked."""
    if plan.tuner in ("grid", "hyperband"):
        if earlier:
            raise SettingsError(f"a warm start goes with the tuners bayesian and random, not with {plan.tuner}")
        return []
    first: list[tuple[str, dict[str, Any]]] = []
    if plan.from_recipe and (own := space.values_of(recipe)) is not None:
        first.append(("recipe", own))
    found = sorted((point for one in earlier for point in one.points[:WARM_POINTS]), key=lambda point: -point[1])
    return first + [("warm", values) for values, _ in found[:WARM_POINTS]]


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


def _nothing_found(journal: Journal, folder: Path) -> DataError:
    failures = [trial for trial in journal.trials if trial.status == "failed"]
    why = f"; trial {failures[0].number} failed: {failures[0].error}" if failures else ""
    states = ", ".join(sorted({trial.status for trial in journal.trials})) or "none"
    return DataError(
        f"no trial completed ({len(journal.trials)} trials: {states}{why})",
        path=folder,
        remedy="restrict the space to what can be trained, or lift the limits",
    )
