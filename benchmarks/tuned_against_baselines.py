"""Tuned recipes against tuned scikit-learn baselines: the same songs, the same split, the same number of trials.

Each baseline of the benchmark is tuned by scikit-learn's `RandomizedSearchCV`: fitted on the training songs, scored
on the validation songs, with so many draws from usual ranges, and its settings in the benchmark are tried besides.
The recipes come tuned, as folders of `genrezoo tune` on the same songs. Whatever won is then fitted anew on the
training songs, with five seeds where a seed makes a difference, and beside it each baseline and recipe as it comes,
because few validation songs can mislead a search. Ensembles of what the searches found can be given as well. The best
of the zoo and the best baseline are chosen by their mean validation accuracy, once among the tuned and once among
all; only then are their predictions for the test songs compared.

Interrupted and called again it goes on; searches can be added later.

Usage: python benchmarks/tuned_against_baselines.py SONGS --out FOLDER [--trials 25] [--searches FOLDER...]
           [--made-of-tuned RECIPE...] [--without PEER...] [--jobs 1]
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import math
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import loguniform, randint
from sklearn.model_selection import GridSearchCV, PredefinedSplit, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import genrezoo as gz
from genrezoo import files, parallel
from genrezoo.benchmarking.baselines import BASELINES, Baseline, fit_baseline
from genrezoo.benchmarking.cell import Cell, accuracy_cell
from genrezoo.evaluation import (
    bootstrap_intervals,
    bootstrap_mean,
    difference_intervals,
    evaluate,
    mcnemar_p,
    mean_interval,
    median_run,
)
from genrezoo.recipes import Recipe
from genrezoo.songs import SongSet, Standardiser, default_split
from genrezoo.songs.storage import save_songs
from genrezoo.trials import read_journal

SEEDS = 5
UNTUNED = " as it comes"


def ranges(baseline: Baseline, numbers: int) -> dict[str, Any]:
    """What a baseline's settings are drawn from, given how many numbers describe a song.

    The ranges of what depends on that number are given in its terms, so that no draw is wasted on a wide range.
    """
    root = math.sqrt(numbers)
    forest = {
        "max_features": sorted({max(1, min(numbers, round(times * root))) for times in (0.5, 1, 2, 4)}),
        "min_samples_leaf": [1, 2, 3, 5, 8],
        "criterion": ["gini", "entropy"],
    }
    boosting = {
        "learning_rate": loguniform(0.02, 0.3),
        "max_iter": randint(50, 301),
        "max_leaf_nodes": [4, 8, 16, 31],
        "min_samples_leaf": [5, 10, 20, 40],
        "l2_regularization": loguniform(1e-3, 10),
        "max_features": [0.1, 0.3, 1.0],
    }
    return {
        "logistic_regression": {"C": loguniform(1e-4, 10)},
        "svm_rbf": {"C": loguniform(0.1, 100), "gamma": loguniform(0.1 / numbers, 10 / numbers)},
        "random_forest": {**forest, "max_samples": [None, 0.5, 0.7, 0.9]},
        "extra_trees": {**forest, "bootstrap": [False, True]},
        "hist_gradient_boosting": boosting,
    }[_kind(baseline)]


def tune_baseline(baseline: Baseline, songs: SongSet, trials: int, jobs: int) -> dict[str, Any]:
    """Draws settings, fits each on the training songs and scores it on the validation songs."""
    start = time.perf_counter()
    standardiser = Standardiser.fit(songs.split("train"))
    parts = [songs.split("train"), songs.split("valid")]
    x = np.concatenate([baseline.form(standardiser.apply(part)) for part in parts])
    y = np.concatenate([part.y for part in parts])
    held = PredefinedSplit(np.repeat([-1, 0], [len(part) for part in parts]))
    classifier = baseline.make(1)
    pipeline = make_pipeline(StandardScaler(), classifier)
    step = pipeline.steps[-1][0]
    options = {"scoring": "accuracy", "cv": held, "refit": False, "n_jobs": jobs, "error_score": "raise"}
    drawn = {f"{step}__{name}": values for name, values in ranges(baseline, x.shape[1]).items()}
    draws = RandomizedSearchCV(pipeline, drawn, n_iter=trials, random_state=1, **options).fit(x, y)
    usual = GridSearchCV(pipeline, {}, **options).fit(x, y)
    settings: dict[str, Any] = {}
    if draws.best_score_ > usual.best_score_:
        settings = {name.partition("__")[2]: _plain(value) for name, value in draws.best_params_.items()}
    return {
        "name": baseline.name,
        "settings": settings,
        "usual": float(usual.best_score_),
        "valid": float(max(draws.best_score_, usual.best_score_)),
        "trials": trials + 1,
        "distinct": len({json.dumps(point, default=str, sort_keys=True) for point in draws.cv_results_["params"]}) + 1,
        "seconds": time.perf_counter() - start,
    }


def fit_with(settings: dict[str, Any], baseline: Baseline, songs: SongSet, seed: int, run: Path) -> float:
    """Fits a baseline on the training songs alone, stores its predictions, and returns its validation accuracy."""
    fitted = fit_baseline(replace(baseline, make=lambda seed: baseline.make(seed).set_params(**settings)), songs, seed)
    arrays: dict[str, np.ndarray] = {}
    for split in ("valid", "test"):
        part = songs.split(split)
        arrays |= {f"{split}_ids": part.ids, f"{split}_y": part.y, f"{split}_logits": fitted.log_posterior(part)}
    files.write_npz(run / "predictions.npz", arrays)
    return float(evaluate(arrays["valid_logits"], arrays["valid_y"])["accuracy"])


def recipes_of(folder: Path, songs: SongSet, trials: int) -> dict[str, Recipe]:
    """The recipe of a search tuned and as it was, after a check that it had these songs and no more trials."""
    journal = read_journal(folder)
    if journal.plan["songs"]["checksum"] != songs.checksum():
        sys.exit(f"{folder}: the search was on other songs, or on another split of them")
    if len(journal.trials) > trials + 1:
        sys.exit(f"{folder}: {len(journal.trials)} trials, but the baselines have {trials + 1}; raise --trials")
    as_it_was = Recipe.model_validate(journal.plan["recipe"])
    return {folder.name: Recipe(**files.read_json(folder / "best.json")), folder.name + UNTUNED: as_it_was}


def collect(options: argparse.Namespace) -> None:
    """Tunes the baselines, fits all that won, and keeps one line for each."""
    out = Path(options.out)
    songs = default_split(gz.load_songs(options.songs))
    files.write_json(out / "songs.json", {**songs.describe(), "checksum": songs.checksum()})
    rows = out / "rows.jsonl"
    done = {(row["name"], row["seed"]) for row in files.read_json_lines(rows)}
    tuned = {row["name"]: row for row in files.read_json_lines(out / "baselines.jsonl")}
    names = [
        name for name, baseline in BASELINES.items() if songs.n_segments > 1 or baseline.settings["form"] == "flat"
    ]
    names = [name for name in names if name not in options.without]
    for name in sorted(names, key=lambda name: (_kind(BASELINES[name]) == "hist_gradient_boosting", name)):
        if name not in tuned:
            tuned[name] = tune_baseline(BASELINES[name], songs, options.trials, options.jobs)
            files.append_line(out / "baselines.jsonl", json.dumps(tuned[name]))
            print(f"{name}: valid {tuned[name]['valid']:.3f} ({tuned[name]['usual']:.3f} with usual settings), "
                  f"{tuned[name]['seconds']:.0f} s, {tuned[name]['settings']}", flush=True)  # fmt: skip
        variants: dict[str, dict[str, Any]] = {name: tuned[name]["settings"], name + UNTUNED: {}}
        for called, settings in variants.items():
            # trees on gradients depend on the seed once they draw their features
            several = BASELINES[name].seeded or settings.get("max_features", 1.0) < 1
            for seed in range(1, (SEEDS if several else 1) + 1):
                if (called, seed) not in done:
                    run = out / "runs" / f"{called.replace(' ', '_')}-{seed}"
                    valid = fit_with(settings, BASELINES[name], songs, seed, run)
                    row = {
                        "family": "baseline",
                        "name": called,
                        "seed": seed,
                        "run": str(run.resolve()),
                        "valid": valid,
                    }
                    files.append_line(rows, json.dumps(row))
    cells = []
    if (options.searches or options.made_of_tuned) and not (out / "songs" / "manifest.json").exists():
        save_songs(songs, out / "songs")
    asked = [recipes_of(folder, songs, options.trials) for folder in map(Path, options.searches)]
    asked += [{(recipe := gz.get_recipe(made)).name: recipe} for made in options.made_of_tuned]
    for recipes in asked:
        for called, recipe in recipes.items():
            settings = recipe.model_dump(mode="json")
            for seed in range(1, SEEDS + 1):
                run = out / "runs" / recipe.run_name(songs.name, seed, songs.checksum())
                if (called, seed) not in done:
                    where = str((out / "songs").resolve())
                    cells.append(Cell(run.name, called, "zoo", settings, seed, where, str(run.resolve()), {}))
    with parallel.ProcessExecutor(options.jobs, threads=1) as executor:
        waiting = {executor.submit(accuracy_cell, asdict(cell)): cell for cell in cells}
        for future in concurrent.futures.as_completed(waiting):
            cell, valid = waiting[future], future.result()["valid"]["accuracy"]
            row = {"family": "zoo", "name": cell.name, "seed": cell.seed, "run": cell.run, "valid": valid}
            files.append_line(rows, json.dumps(row))
            print(f"{cell.name}, seed {cell.seed}: valid {valid:.3f}", flush=True)


def compare(out: Path) -> None:
    """Prints all that were tuned, and the best recipe against the best baseline."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(files.read_json_lines(out / "rows.jsonl"), key=lambda row: row["seed"]):
        runs.setdefault(row["name"], []).append(row)
    valid = {name: float(np.mean([row["valid"] for row in rows])) for name, rows in runs.items()}
    order = sorted(runs, key=lambda name: -valid[name])
    correct, logits, y = {}, {}, np.array([])  # the test songs' labels are first looked at here
    for name in order:
        answers = []
        for row in runs[name]:
            with np.load(Path(row["run"]) / "predictions.npz", allow_pickle=False) as stored:
                place = np.argsort(stored["test_ids"], kind="stable")
                y = stored["test_y"][place]
                answers.append(stored["test_logits"][place])
        logits[name] = answers
        correct[name] = np.stack([answer.argmax(axis=1) == y for answer in answers])
    print("| tuned | family | seeds | validation accuracy | test accuracy | over seeds | over songs | test macro F1 |")
    print("| --- | --- | ---: | ---: | ---: | --- | --- | ---: |")
    for name in order:
        over_seeds = "one fit"
        if len(correct[name]) > 1:
            _, low, high = mean_interval(correct[name].mean(axis=1).tolist())
            over_seeds = f"{100 * low:.1f} to {100 * high:.1f}"
        middle = median_run([row["valid"] for row in runs[name]])
        low, high = bootstrap_intervals(logits[name][middle], y, seed=1)["accuracy"]
        f1 = np.mean([evaluate(answer, y)["macro_f1"] for answer in logits[name]])
        about = f"{name} | {runs[name][0]['family']} | {len(correct[name])} | {100 * valid[name]:.1f}"
        over_songs = f"{100 * low:.1f} to {100 * high:.1f}"
        test = 100 * correct[name].mean()
        print(f"| {about} | {test:.1f} | {over_seeds} | {over_songs} | {100 * f1:.1f} |")
    for among, names in (("the tuned", [name for name in order if not name.endswith(UNTUNED)]), ("all", order)):
        best = [[name for name in names if runs[name][0]["family"] == family][:1] for family in ("zoo", "baseline")]
        if not all(best):
            return
        (zoo,), (baseline,) = best
        pair = {zoo: correct[zoo], baseline: correct[baseline]}
        mean, low, high = (100 * value for value in difference_intervals(pair)[zoo, baseline])
        print(f"\nBest by validation accuracy among {among}: {zoo} against {baseline}, {len(y)} test songs")
        print(f"difference of mean test accuracies {mean:+.1f} points, over songs and seeds [{low:+.1f}, {high:+.1f}]")
        paired = correct[zoo].mean(axis=0) - correct[baseline].mean(axis=0)
        _, low, high = (100 * value for value in bootstrap_mean(paired, resamples=10_000, seed=1))
        print(f"paired bootstrap over songs [{low:+.1f}, {high:+.1f}]")
        one, other = (correct[name][median_run([row["valid"] for row in runs[name]])] for name in (zoo, baseline))
        p = mcnemar_p(one, other)
        print(f"McNemar's test of the median runs: {one.mean():.3f} against {other.mean():.3f}, p = {p:.3f}")


def _kind(baseline: Baseline) -> str:
    return baseline.name.removesuffix(f"_{baseline.settings['form']}")


def _plain(value: Any) -> Any:
    """A drawn value as JSON holds it."""
    return value.item() if isinstance(value, np.generic) else value


def main() -> int:
    """Collects and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("songs", help="file, folder or name of songs; without a split they get the benchmark's")
    parser.add_argument("--out", required=True)
    parser.add_argument("--trials", type=int, default=25, help="draws of each baseline")
    parser.add_argument("--searches", nargs="*", default=[], help="folders of `genrezoo tune` on these songs")
    parser.add_argument(
        "--made-of-tuned", nargs="*", default=[], help="recipes, or files of them, whose members the searches found"
    )
    parser.add_argument("--without", nargs="*", default=[], choices=sorted(BASELINES), help="baselines to leave out")
    parser.add_argument("--jobs", type=int, default=1, help="fits or trainings at a time")
    options = parser.parse_args()
    collect(options)
    compare(Path(options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
