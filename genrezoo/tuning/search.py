"""Searches for the settings of a recipe that are best on validation songs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genrezoo import files, seeds
from genrezoo.environment import environment
from genrezoo.errors import DataError, SettingsError, check_type
from genrezoo.parallel import make_executor
from genrezoo.recipes import Recipe
from genrezoo.runs import Run, load_run
from genrezoo.runs.building import build_model, check_members, check_songs
from genrezoo.runs.preprocessing import Preprocessing
from genrezoo.songs import SongSet, check_split, default_split
from genrezoo.trials import Journal, Trial, read_journal
from genrezoo.tuning import oracles
from genrezoo.tuning.executor_loop import ExecutorLoop
from genrezoo.tuning.objective import Objective
from genrezoo.tuning.plan import SearchPlan, as_plan
from genrezoo.tuning.search_space import search_space
from genrezoo.tuning.space import Space
from genrezoo.tuning.trial import fold_splits
from genrezoo.tuning.warm_start import first_points, read_earlier

PRELOAD = ("genrezoo.tuning.trial", "genrezoo.layers", "genrezoo.models", "genrezoo.composition")
"""Modules that the process which trials are forked from imports."""


@dataclass(frozen=True)
class Search:
    """A search, finished or not, with its trials and its best trial so far.

    Attributes:
        folder: Its folder.
        journal: Its journal.
    """

    folder: Path
    journal: Journal

    @property
    def trials(self) -> list[Trial]:
        """All trials in the order in which they were suggested."""
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
    """Searches for the options and settings of a recipe that score best on the validation songs.

    KerasTuner's oracles choose the values to try. Each trial runs in its own process, and each step is written to a
    journal first. If the search is interrupted, call it again with the same arguments: it keeps finished trials, and
    running trials continue after their last finished epoch. The search keeps the run, weights and recipe of the best
    trial, and the journal lines of the others. All trials are trained with the search's seed, so they differ by their
    values only, and ``gz.train(search.recipe(), songs, seed=seed)`` trains the best one again.

    The best of many validation scores is optimistic: train the result with other seeds and evaluate it on test songs.

    Args:
        recipe: A recipe, a search plan, or the name or file of one.
        songs: Songs; without a split they get a seeded one, as in a benchmark. Test songs are not looked at.
        out: Folder of the search; new, empty, or of the same search.
        tuner: ``"bayesian"`` (if left out), ``"random"``, ``"hyperband"`` or ``"grid"``.
        max_trials: Trials at most, failed ones included; 25 for bayesian and random if left out, otherwise all. May be
            larger than it was when a search is continued.
        objective: ``"accuracy"`` (if left out), ``"macro_f1"``, ``"loss"``, or the fields of an `Objective`: mean over
            the best tenth of the epochs, over folds or seeds, a latency limit, the Pareto front of score and latency.
        seed: Seed of the tuner and of every training, from 0.
        parallel: Trials at a time, one thread each; all cores if left out.
        scheduler: Address of a Dask scheduler whose workers run the trials, e.g. ``"tcp://10.0.0.1:8786"``.
        changes: Arguments and settings of all trials.
        space: Options to search or restrict: name -> list of values, ``{"min", "max", "step", "sampling"}``, or one
            fixed value.
        only: Options to search; the others keep the recipe's values.
        tuner_options: Options of the tuner, e.g. ``{"beta": 1.9}``.
        from_recipe: The recipe's own values are the first trial: the default, except for grids and Hyperband.
        median_rule: Stop a trial whose best epoch so far is worse than the median of the completed trials' at that
            epoch (from five of them on).
        seconds: Time limit of a trial; beyond it the trial has failed.
        warm_start: Folders of earlier searches of the same model and metric, on similar songs: their best points are
            tried first, and the Bayesian tuner learns from all their scores.
        tensorboard: Folder for TensorBoard's logs of every trial.
        mlflow: Address of an MLflow store that every trial is logged to.
        on_trial: Called with each ended trial, the number of ended ones and the budget.
        on_size: Called once with the number of points of the space (None for infinitely many) and the budget.

    Returns:
        The search.

    Raises:
        UnknownNameError: An unknown recipe, tuner or option.
        SettingsError: Nothing to search, a grid too large, contradictory settings, or a folder of another search.
        DataError: Songs that cannot be used, a folder in use, a damaged journal, or no trial completed.
        ResourceError: A full disk, a logger that cannot be reached, a cluster without a worker that can run trials; fix
            that and call again to continue.

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
        "tuner": tuner, "max_trials": max_trials, "objective": objective, "changes": changes, "space": space,
        "only": only, "tuner_options": tuner_options, "from_recipe": from_recipe, "median_rule": median_rule,
        "seconds": seconds,
    }  # fmt: skip
    plan, seed = as_plan(recipe, fields), seeds.check_seed(seed)
    check_type("songs", songs, SongSet, "a SongSet (see genrezoo.load_songs)")
    if isinstance(warm_start, str | Path):
        raise SettingsError(f"warm_start must be a list of folders, got {warm_start!r}; pass [{warm_start!r}]")
    if parallel is not None and (isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 1):
        raise SettingsError(f"parallel must be a whole number from 1, got {parallel!r}")
    if tensorboard is not None and Path(tensorboard).exists() and not Path(tensorboard).is_dir():
        raise SettingsError(f"tensorboard: {tensorboard} is a file; pass a folder")
    if parallel is not None and scheduler is not None:
        raise SettingsError("pass parallel or scheduler: a cluster runs as many trials at a time as it has workers")
    songs = default_split(songs)
    tuned = _check(plan, songs, seed)
    where = search_space(tuned, space=plan.space, only=plan.only)
    earlier = [read_earlier(folder, where, plan.objective.metric) for folder in warm_start]
    record = _record(plan, where, songs, seed, [str(Path(folder).resolve()) for folder in warm_start])
    with files.lock_folder(out) as folder:
        loop = ExecutorLoop(
            folder=folder.resolve(),
            plan=plan,
            space=where,
            seed=seed,
            songs=songs,
            oracle=oracles.make_oracle(
                plan.tuner,
                where,
                seed=seed,
                max_trials=plan.budget,
                max_epochs=getattr(tuned.procedure_settings(), "epochs", None),
                options=plan.tuner_options,
                earlier=earlier,
            ),
            first=first_points(plan, where, earlier),
            loggers={"tensorboard": str(Path(tensorboard).resolve()) if tensorboard else None, "mlflow": mlflow},
            on_trial=on_trial,
        )
        loop.open(record)
        if on_size:
            on_size(oracles.grid_size(where) if plan.tuner == "grid" else where.size, plan.budget)
        if not loop.settled():
            with make_executor(parallel, scheduler, seconds=plan.seconds, preload=PRELOAD) as executor:
                loop.run(executor)
        if loop.journal.best is None:
            raise _nothing_found(loop.journal, folder)
        return Search(Path(out), loop.journal)


def _check(plan: SearchPlan, songs: SongSet, seed: int) -> Recipe:
    """The recipe that is tuned, after checking everything that would fail every trial."""
    recipe = plan.tuned
    settings = recipe.procedure_settings()
    check_members(recipe)
    songs.validate()
    check_split(songs)
    check_songs(recipe, songs)
    shape, groups = Preprocessing.plain(recipe, songs).shape(songs), songs.feature_groups()
    build_model(recipe, shape, songs.num_classes, again=True, groups=groups)
    if plan.tuner == "hyperband" and not hasattr(settings, "epochs"):
        raise SettingsError(
            f"hyperband pauses trainings after some epochs, and {recipe.procedure!r} has none; use another tuner"
        )
    if plan.objective.pareto and plan.tuner == "hyperband":
        raise SettingsError("hyperband ranks trials by one score; use another tuner for a Pareto front")
    if plan.objective.folds:
        fold_splits(songs, plan.objective.folds, seed=seed)
    return recipe


def _record(plan: SearchPlan, space: Space, songs: SongSet, seed: int, warm_start: list[str]) -> dict[str, Any]:
    """The plan as the journal holds it; a folder of another one is refused."""
    same = ("name", "summary", "reference", "reported", "from_recipe", "median_rule", "seconds")
    return {
        **{name: getattr(plan, name) for name in same},
        "recipe": space.start.model_dump(mode="json"),
        "songs": {**songs.describe(), "checksum": songs.checksum()},
        "given": {"space": plan.space or None, "only": plan.only and list(plan.only)},
        "space": space.describe(),
        "tuner": {"name": plan.tuner, **oracles.tuner_options(plan.tuner, plan.tuner_options)},
        "max_trials": plan.budget,
        "objective": plan.objective.model_dump(mode="json"),
        "seed": seed,
        "warm_start": warm_start,
        "environment": environment(),
    }


def _nothing_found(journal: Journal, folder: Path) -> DataError:
    failures = [trial for trial in journal.trials if trial.status == "failed"]
    why = f"; trial {failures[0].number} failed: {failures[0].error}" if failures else ""
    states = ", ".join(sorted({trial.status for trial in journal.trials})) or "none"
    return DataError(
        f"no trial completed ({len(journal.trials)} trials: {states}{why})",
        path=folder,
        remedy="restrict the space to values that can be trained, or raise the limits",
    )
