"""Searches for the settings of a recipe that are best on validation songs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genrezoo import files, parallel, seeds
from genrezoo.environment import cores, environment
from genrezoo.errors import DataError, SettingsError
from genrezoo.recipes import Recipe
from genrezoo.runs import Run, load_run
from genrezoo.runs.building import build_model, check_members, check_padding, input_shape, seen_songs
from genrezoo.songs import SongSet, check_split, default_split
from genrezoo.trials import Journal, Trial, read_journal
from genrezoo.tuning.dimension import plain
from genrezoo.tuning.earlier import Earlier, first_points
from genrezoo.tuning.objective import Objective
from genrezoo.tuning.oracles import Oracle, grid_size, make_oracle, tuner_options
from genrezoo.tuning.plan import SearchPlan, as_plan
from genrezoo.tuning.running import Running
from genrezoo.tuning.space import Space, search_space
from genrezoo.tuning.trial import fold_splits

PRELOAD = ("genrezoo.tuning.trial", "genrezoo.layers", "genrezoo.models", "genrezoo.composition")
"""What the process that trials are forked from has imported."""


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
        ResourceError: A full disk, a logger that cannot be reached, a cluster without a worker that can run trials; the
            same call goes on when that is mended.

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
    tables = {"changes": changes, "space": space, "tuner_options": tuner_options}
    for name, table in tables.items():
        if table is not None and not isinstance(table, Mapping):
            raise SettingsError(f"{name} must be a table of names and values, got {table!r}")
    for name, listed in {"only": only, "warm_start": warm_start}.items():
        if listed is not None and (isinstance(listed, str | Path) or not isinstance(listed, Iterable)):
            raise SettingsError(f"{name} must be a list, got {listed!r}; write [{listed!r}]")
    fields = {
        **{name: table and plain(table) for name, table in tables.items()},
        "tuner": tuner, "max_trials": max_trials, "objective": objective, "seconds": seconds,
        "only": None if only is None else tuple(only), "from_recipe": from_recipe, "median_rule": median_rule,
    }  # fmt: skip
    plan, seed = as_plan(recipe, fields), seeds.check_seed(seed)
    if parallel is not None and (isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 1):
        raise SettingsError(f"parallel must be a whole number from 1, got {parallel!r}")
    if tensorboard is not None and Path(tensorboard).exists() and not Path(tensorboard).is_dir():
        raise SettingsError(f"tensorboard: {tensorboard} is a file, a folder was expected")
    if parallel is not None and scheduler is not None:
        raise SettingsError("give parallel or scheduler: a cluster has as many trials at a time as worker threads")
    songs = default_split(songs)
    tuned = _check(plan, songs, seed)
    where = search_space(tuned, space=plan.space or None, only=plan.only)
    earlier = [Earlier(folder, where, tuned) for folder in warm_start]
    asked = _asked(plan, tuned, where, songs, seed, [Path(folder).resolve() for folder in warm_start])
    with files.lock_folder(out) as folder:
        search = Running(
            folder=folder.resolve(),
            plan=plan,
            recipe=tuned,
            space=where,
            seed=seed,
            songs=songs,
            oracle=_oracle(plan, tuned, where, seed, earlier),
            first=first_points(plan, tuned, where, earlier),
            loggers={
                "tensorboard": None if tensorboard is None else str(Path(tensorboard).resolve()),
                "mlflow": mlflow,
            },
            on_trial=on_trial,
        )
        search.open(asked)
        if on_size:
            on_size(grid_size(where.template) if plan.tuner == "grid" else where.size, plan.budget)
        if not search.settled():
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


def _check(plan: SearchPlan, songs: SongSet, seed: int) -> Recipe:
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
    if plan.objective.folds:
        fold_splits(songs, plan.objective.folds, seed=seed)
    return recipe


def _asked(
    plan: SearchPlan, recipe: Recipe, space: Space, songs: SongSet, seed: int, warm_start: Sequence[Path]
) -> dict[str, Any]:
    """The plan as the journal holds it; a folder of another one is refused."""
    return {
        "name": plan.name,
        **{name: getattr(plan, name) for name in ("summary", "reference", "reported")},
        "recipe": recipe.model_dump(mode="json"),
        "songs": {**songs.describe(), "checksum": songs.checksum()},
        "given": {"space": plan.space or None, "only": plan.only and list(plan.only)},
        "space": space.describe(),
        "tuner": {"name": plan.tuner, **tuner_options(plan.tuner, plan.tuner_options)},
        "max_trials": plan.budget,
        "objective": plan.objective.model_dump(mode="json"),
        "from_recipe": plan.from_recipe,
        "seed": seed,
        "median_rule": plan.median_rule,
        "seconds": plan.seconds,
        "warm_start": [str(folder) for folder in warm_start],
        "environment": environment(),
    }


def _oracle(plan: SearchPlan, recipe: Recipe, space: Space, seed: int, earlier: list[Earlier]) -> Oracle:
    return make_oracle(
        plan.tuner,
        space.template,
        seed=seed,
        max_trials=plan.budget,
        max_epochs=getattr(recipe.procedure_settings(), "epochs", None),
        options=plan.tuner_options,
        earlier=[one.points for one in earlier],
    )


def _nothing_found(journal: Journal, folder: Path) -> DataError:
    failures = [trial for trial in journal.trials if trial.status == "failed"]
    why = f"; trial {failures[0].number} failed: {failures[0].error}" if failures else ""
    states = ", ".join(sorted({trial.status for trial in journal.trials})) or "none"
    return DataError(
        f"no trial completed ({len(journal.trials)} trials: {states}{why})",
        path=folder,
        remedy="restrict the space to what can be trained, or lift the limits",
    )
