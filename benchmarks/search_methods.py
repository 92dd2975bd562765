"""genrezoo's searches against KerasTuner used plainly, Optuna's TPE and scikit-optimize's GP, at equal trials.

All search the recipe's own space on the same songs for the best validation accuracy over the epochs. genrezoo runs each
trial in a process of its own; Optuna and scikit-optimize call `genrezoo.train` in one process, as their users do;
KerasTuner builds and fits `genrezoo.hypermodel` in one process, as its documentation shows, so its trials keep no
checkpoints and no predictions. No search is told where the recipe stands, but those whose name ends with `+recipe`,
which try the recipe's own values first. What each one found is then trained with seeds 1 to 5 by `genrezoo.train`, and
answers the test songs: the same way for all, and the only place where test songs are looked at.

Every search has a process of its own and one thread (those with `_2` two trials at a time, so give them a machine of
their own: `--jobs 1`). Its wall time and processor time are those of the search alone, without imports and loading of
songs; a trial's process starts count, because they are part of how genrezoo searches. A search's repetition number is
the seed of its decisions and of its trainings.

Interrupted and called again it goes on: a finished search is a line of rows.jsonl.

Usage: python benchmarks/search_methods.py SONGS --recipe NAME --out FOLDER [--trials 25] [--repetitions 5]
           [--only NAME...] [--space JSON] [--methods NAME...] [--set KEY=VALUE...] [--load KEY=VALUE...] [--jobs 1]
       python benchmarks/search_methods.py table FOLDER
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import genrezoo as gz
from genrezoo import files
from genrezoo.cli.options import parse_changes
from genrezoo.environment import environment
from genrezoo.evaluation import mean_interval
from genrezoo.parallel import THREAD_VARIABLES
from genrezoo.recipes import Recipe
from genrezoo.songs import SongSet, Standardiser, default_split
from genrezoo.spaces import Float, Int, values_of

BASE = "genrezoo_bayesian"
"""What the others are compared with, repetition by repetition."""
METHODS = (
    "recipe_as_it_is",
    BASE,
    "genrezoo_random",
    "genrezoo_hyperband",
    "genrezoo_grid",
    "keras_tuner_bayesian",
    "keras_tuner_random",
    "optuna_tpe",
    "skopt_gp",
)
FURTHER = (f"{BASE}_2", f"{BASE}+recipe", "genrezoo_random+recipe", "optuna_tpe+recipe", "skopt_gp+recipe")
TEST_SEEDS = range(1, 6)


@dataclass
class Problem:
    """What is searched, and what was tried by libraries that call a function.

    Attributes:
        recipe: The recipe.
        songs: Songs with a split.
        trials: Trials that a search has.
        seed: Seed of the search and of its trainings.
        folder: Folder for what a search writes.
        only: Names of the hyperparameters that are searched; all if None.
        from_recipe: Whether the recipe's own values are the first trial.
        wanted: Domains in place of the declared ones, as for `genrezoo.tune`.
        scores: Score of each trained point, by its digits.
        calls: How often a point was asked for.
        failed: How many of them failed.
        epochs: Epochs trained.
    """

    recipe: Recipe
    songs: SongSet
    trials: int
    seed: int
    folder: Path
    only: list[str] | None
    from_recipe: bool
    wanted: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    recipes: dict[str, Recipe] = field(default_factory=dict)
    calls: int = 0
    failed: int = 0
    epochs: int = 0

    def __post_init__(self) -> None:
        from genrezoo.tuning.search_space import search_space

        self.space = search_space(self.recipe, space=self.wanted, only=self.only)

    @property
    def own(self) -> dict[str, Any]:
        """The recipe's own values."""
        own = self.space.point_of(self.recipe)
        assert own is not None
        return own

    def objective(self, values: dict[str, Any]) -> float:
        """Trains a point in this process and returns its score.

        Raises:
            GenrezooError: The training diverged.
        """
        import keras

        self.calls += 1
        recipe = self.space.recipe(values)
        point, out = recipe.digest(self.seed, ""), self.folder / "trial"
        shutil.rmtree(out, ignore_errors=True)
        try:
            course = gz.train(recipe, self.songs, seed=self.seed, out=out).history()["valid_accuracy"]
        except gz.GenrezooError:
            self.failed += 1
            raise
        finally:
            keras.utils.clear_session()
        self.epochs += len(course)
        self.scores[point], self.recipes[point] = max(course), recipe
        return max(course)

    def found(self) -> dict[str, Any]:
        """The best of the trained points."""
        best = max(self.scores, key=lambda point: self.scores[point])
        return {
            "valid": self.scores[best],
            "best": self.recipes[best].model_dump(mode="json"),
            "trials": self.calls,
            "distinct": len(self.scores),
            "failed": self.failed,
            "epochs": self.epochs,
        }


def search_recipe(problem: Problem) -> dict[str, Any]:
    """No search: the recipe's own values."""
    problem.objective(problem.own)
    return problem.found()


def search_genrezoo(problem: Problem, tuner: str, parallel: int) -> dict[str, Any]:
    """`genrezoo.tune` with one of its tuners."""
    search = gz.tune(
        problem.recipe,
        problem.songs,
        tuner=tuner,
        max_trials=problem.trials,
        seed=problem.seed,
        only=problem.only,
        space=problem.wanted,
        parallel=parallel,
        from_recipe=problem.from_recipe,
        out=problem.folder / "search",
    )
    assert search.best is not None
    assert search.best.score is not None
    epochs = [len(trial.history.get("loss", ())) for trial in search.trials]  # those of Hyperband go on with others
    return {
        "valid": search.best.score,
        "best": search.recipe().model_dump(mode="json"),
        "trials": len(search.trials),
        "distinct": len({json.dumps(trial.values, sort_keys=True) for trial in search.trials if trial.ran}),
        "failed": sum(trial.status == "failed" for trial in search.trials),
        "epochs": sum(epochs) - sum(epochs[trial.origin] for trial in search.trials if trial.origin is not None),
    }


def search_keras_tuner(problem: Problem, tuner: str) -> dict[str, Any]:
    """KerasTuner as its documentation shows it: a hypermodel, a tuner, arrays."""
    import keras
    import keras_tuner

    train, valid = problem.songs.split("train"), problem.songs.split("valid")
    standardiser = Standardiser.fit(train, clip=problem.recipe.clip)
    kinds = {"bayesian": keras_tuner.BayesianOptimization, "random": keras_tuner.RandomSearch}
    epochs: list[int] = []
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    search = kinds[tuner](
        gz.hypermodel(
            problem.recipe,
            (train.n_segments, train.n_features),
            train.num_classes,
            space=problem.wanted,
            only=problem.only,
        ),
        objective="val_accuracy",
        max_trials=problem.trials,
        seed=problem.seed,
        directory=problem.folder,
        project_name="search",
    )
    search.search(
        standardiser.apply(train),
        train.y,
        validation_data=(standardiser.apply(valid), valid.y),
        callbacks=[count],
        verbose=0,
    )
    trials = list(search.oracle.trials.values())
    values = [problem.space.point(trial.hyperparameters.values) for trial in trials]
    best = search.oracle.get_best_trials(1)[0]
    return {
        "valid": float(best.score),
        "best": problem.space.recipe(best.hyperparameters.values).model_dump(mode="json"),
        "trials": len(trials),
        "distinct": len({json.dumps(one, sort_keys=True) for one in values}),
        "failed": sum(trial.status != "COMPLETED" for trial in trials),
        "epochs": len(epochs),
    }


def search_optuna(problem: Problem) -> dict[str, Any]:
    """Optuna's TPE sampler with its defaults."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: Any) -> float:
        values: dict[str, Any] = {}
        for one in problem.space.hyperparameters:
            if not one.active(values):
                continue
            domain, every = one.domain, values_of(one.domain)
            if not isinstance(domain, Int | Float):
                place = trial.suggest_categorical(one.name, range(len(every)))
                values[one.name] = every[place]
            elif domain.step is not None:  # it knows no steps on a logarithmic scale: their number keeps the order
                values[one.name] = every[trial.suggest_int(one.name, 0, len(every) - 1)]
            else:
                suggest = trial.suggest_int if isinstance(domain, Int) else trial.suggest_float
                values[one.name] = suggest(one.name, domain.min, domain.max, log=domain.sampling == "log")
        return problem.objective(values)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=problem.seed))
    if problem.from_recipe:
        study.enqueue_trial(problem.own)
    study.optimize(objective, n_trials=problem.trials, catch=(gz.GenrezooError,))
    return problem.found()


def search_skopt(problem: Problem) -> dict[str, Any]:
    """scikit-optimize's `gp_minimize` with its defaults (from 10 trials on); a failed trial gets the worst score."""
    import skopt
    from skopt.space import Categorical, Integer, Real

    dimensions: list[Any] = []
    listed: dict[str, Any] = {}  # it knows no steps and no lists as values: their number stands for them
    for one in problem.space.hyperparameters:
        domain = one.domain
        if isinstance(domain, Int | Float) and domain.step is None:
            prior = "log-uniform" if domain.sampling == "log" else "uniform"
            dimensions.append((Integer if isinstance(domain, Int) else Real)(domain.min, domain.max, prior=prior))
            continue
        listed[one.name] = values_of(domain)
        places = range(len(listed[one.name]))
        dimensions.append(Integer(0, len(places) - 1) if isinstance(domain, Int | Float) else Categorical(list(places)))

    def objective(point: list[Any]) -> float:
        values = {}
        for one, value in zip(problem.space.hyperparameters, point, strict=True):
            values[one.name] = listed[one.name][value] if one.name in listed else value
        try:
            return -problem.objective(values)
        except gz.GenrezooError:
            return 0.0

    first = None
    if problem.from_recipe:
        own = {one.name: problem.own.get(one.name, one.default) for one in problem.space.hyperparameters}
        first = [listed[name].index(own[name]) if name in listed else own[name] for name in own]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of each point that it asks for twice
        skopt.gp_minimize(objective, dimensions, n_calls=problem.trials, x0=first, random_state=problem.seed)
    return problem.found()


def method(name: str) -> Callable[[Problem], dict[str, Any]]:
    """The search of a name."""
    name, _, _ = name.partition("+")
    library, _, tuner = name.rpartition("_")
    if tuner == "2":
        return lambda problem: search_genrezoo(problem, library.partition("_")[2], 2)
    if library == "genrezoo":
        return lambda problem: search_genrezoo(problem, tuner, 1)
    if library == "keras_tuner":
        return lambda problem: search_keras_tuner(problem, tuner)
    return {"optuna_tpe": search_optuna, "skopt_gp": search_skopt, "recipe_as_it_is": search_recipe}[name]


def measure(order: dict[str, Any]) -> dict[str, Any]:
    """One search and the trainings of what it found (runs in a process of its own)."""
    import keras  # loaded beforehand: its import is nobody's search
    import keras_tuner  # noqa: F401

    songs = default_split(gz.load_songs(order["songs"], **order["load"]))
    recipe = gz.get_recipe(order["recipe"]).changed(order["changes"])
    problem = Problem(
        recipe=recipe,
        songs=songs,
        trials=order["trials"],
        seed=order["repetition"],
        folder=Path(order["folder"]),
        only=order["only"],
        from_recipe=order["method"].endswith("+recipe"),
        wanted=order["space"],
    )
    keras.utils.set_random_seed(order["repetition"])
    search = method(order["method"])
    wall, processor = time.perf_counter(), _processor_seconds()
    found = search(problem)
    seconds, processor = time.perf_counter() - wall, _processor_seconds() - processor
    test = []
    for seed in TEST_SEEDS:
        run = gz.train(Recipe.model_validate(found["best"]), songs, seed=seed, out=problem.folder / f"best-{seed}")
        test.append(run.evaluate("test")["accuracy"])
        keras.utils.clear_session()
    about = {key: order[key] for key in ("method", "repetition", "trials", "recipe", "changes", "only", "space")}
    figures = {"seconds": seconds, "processor_seconds": processor, "test": test}
    return {**about, "checksum": songs.checksum(), "environment": environment(), **found, **figures}


def run_all(options: argparse.Namespace) -> bool:
    """Runs the searches that have no row yet, a process each; returns whether all of them ended well."""
    out = Path(options.out)
    rows = out / "rows.jsonl"
    done = {(row["method"], row["repetition"]) for row in files.read_json_lines(rows)}
    orders = []
    for repetition in range(1, options.repetitions + 1):  # repetition by repetition: all see the same machine
        for name in options.methods:
            if (name, repetition) in done or (name == "recipe_as_it_is" and repetition > 1):
                continue
            orders.append(
                {
                    "method": name,
                    "repetition": repetition,
                    "songs": options.songs,
                    "load": parse_changes(options.load, "--load"),
                    "recipe": options.recipe,
                    "changes": parse_changes(options.set),
                    "only": options.only,
                    "space": json.loads(options.space),
                    "trials": options.trials,
                    "folder": str((out / "work" / f"{name}-{repetition}").resolve()),
                }
            )

    def run(order: dict[str, Any]) -> bool:
        folder = Path(order["folder"])
        shutil.rmtree(folder, ignore_errors=True)  # an interrupted search would be timed in part
        folder.mkdir(parents=True)
        variables = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1"), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, __file__, "search", json.dumps(order)]
        with open(folder / "output.txt", "wb") as output:
            code = subprocess.run(command, env=variables, stdout=output, stderr=output, check=False).returncode
        if code:
            tail = (folder / "output.txt").read_text(errors="replace")[-2000:]
            print(f"{folder.name}: exit code {code}\n{tail}", flush=True)
            return False
        row = files.read_json(folder / "row.json")
        files.append_line(rows, json.dumps(row))
        shutil.rmtree(folder)
        print(f"{row['method']}, repetition {row['repetition']}: valid {row['valid']:.4f}, "
              f"test {np.mean(row['test']):.4f}, {row['seconds']:.1f} s", flush=True)  # fmt: skip
        return True

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        return all(list(pool.map(run, orders)))


def table(out: Path) -> None:
    """Prints means over the repetitions, and paired differences, in Markdown."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for row in files.read_json_lines(out / "rows.jsonl"):
        found.setdefault(row["method"], {})[row["repetition"]] = row
    order = sorted(found, key=lambda name: (*METHODS, *FURTHER).index(name))
    print("| search | repetitions | best validation accuracy | test accuracy of the best | difference of validation | "
          "difference of test | wall s | processor s | epochs | distinct | failed |")  # fmt: skip
    print("| --- | ---: | --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name in order:
        rows, base = found[name], found.get(BASE, {})
        both = sorted(rows.keys() & base.keys())
        parts = [
            name,
            str(len(rows)),
            _interval([100 * row["valid"] for row in rows.values()]),
            _interval([100 * float(np.mean(row["test"])) for row in rows.values()]),
        ]
        for score in ("valid", "test"):
            differences = [100 * float(np.mean(rows[n][score]) - np.mean(base[n][score])) for n in both]
            parts.append("" if name == BASE or len(both) < 2 else _interval(differences, "+"))
        for figure in ("seconds", "processor_seconds", "epochs", "distinct", "failed"):
            mean = np.mean([row[figure] for row in rows.values()])
            parts.append(f"{mean:.1f}" if figure != "epochs" else f"{mean:.0f}")
        print(f"| {' | '.join(parts)} |")
    print(f"\nMeans with 95 % t intervals over repetitions, in points; differences from {BASE} by repetition.")


def _interval(values: list[float], sign: str = "") -> str:
    if len(values) < 2:
        return f"{values[0]:{sign}.1f}"
    mean, low, high = mean_interval(values)
    return f"{mean:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def _processor_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> int:
    """Runs the searches, or prints their table."""
    if sys.argv[1:2] == ["table"] and len(sys.argv) == 3:
        table(Path(sys.argv[2]))
        return 0
    if sys.argv[1:2] == ["search"] and len(sys.argv) == 3:
        order = json.loads(sys.argv[2])
        files.write_json(Path(order["folder"]) / "row.json", measure(order))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("songs", help="file, folder or name of songs")
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=(*METHODS, *FURTHER))
    parser.add_argument("--only", nargs="+", help="hyperparameters to search; all of the recipe's if left out")
    parser.add_argument("--space", default="{}", help="domains in place of the declared ones, as JSON")
    parser.add_argument("--set", nargs="+", default=[], help="changes of the recipe, key=value")
    parser.add_argument("--load", nargs="+", default=[], help="options of the songs' loader, key=value")
    parser.add_argument("--jobs", type=int, default=1, help="searches at a time")
    options = parser.parse_args()
    well = run_all(options)
    table(Path(options.out))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
