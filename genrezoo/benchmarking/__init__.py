"""The benchmark: runs a suite's recipes and baselines on the same songs, one child process and one row per cell."""

from __future__ import annotations

import concurrent.futures
import hashlib
import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genrezoo import files, parallel
from genrezoo.benchmarking import cell as cells
from genrezoo.benchmarking.cell import Cell
from genrezoo.benchmarking.ensembles import EnsemblePlan, ensemble_rows, groups_of
from genrezoo.benchmarking.prepared import Prepared, prepare
from genrezoo.benchmarking.study import Entrant
from genrezoo.benchmarking.suite import Suite, list_suites, load_suite
from genrezoo.benchmarking.tuned_baselines import ALL_BASELINES
from genrezoo.environment import environment, versions
from genrezoo.errors import SettingsError, check_known, checked
from genrezoo.recipes import Recipe
from genrezoo.recipes.recipe import safe_name
from genrezoo.rows import FILE, SCHEMA, AccuracyRow, CellFacts, Engine, Row, parse_row, read_row_file
from genrezoo.weights import WEIGHTS

__all__ = ["Suite", "benchmark", "list_suites", "load_suite"]

ENGINES: tuple[Engine, ...] = ("keras", "onnx")
"""Engines with which the speed of recipes can be measured."""


def benchmark(
    suite: str | Path | Suite = "quick",
    *,
    data: Sequence[str | Path] | None = None,
    models: Sequence[str] | None = None,
    seeds: int | None = None,
    repeats: int | None = None,
    changes: dict[str, Any] | None = None,
    out: str | Path,
    workers: int | None = None,
    scheduler: str | None = None,
    engines: Sequence[str] | None = None,
    on_cell: Callable[[str, str, int, int], None] | None = None,
) -> Path:
    """Runs a suite and writes rows, predictions and run folders, from which `genrezoo.render` makes the report.

    Call it again after an interruption to continue: finished cells are kept, failed cells are run again, and trainings
    continue after their last finished epoch. If a cell fails, its row holds the reason, and the other cells still run.

    Args:
        suite: A suite, the name of one that comes with the package, or a TOML file's path.
        data: Sources of songs to use in place of the suite's; songs without a split get a seeded one (70/15/15), by
            group where they have groups, stratified at random otherwise. Where a split lacks validation or test songs,
            15 % of the training songs take their place.
        models: Names of recipes and baselines to use in place of the suite's.
        seeds: Trainings per recipe in place of the suite's number; with ``repeats`` one for each split if left out.
        repeats: Number of splits of each set of songs, drawn anew, in place of its own split: all its songs are
            pooled, test songs included, and dealt with the sizes that its sides had (70/15/15 without a split), whole
            groups where they have groups. The first training on each has the number of the split as its seed. Speed
            is measured for the first.
        changes: Arguments and settings that all recipes and their members get, over those of the suite and of its
            entrants.
        out: Folder for rows, songs and runs; may hold earlier rows.
        workers: Trainings at a time, one thread each; the number of cores if left out.
        scheduler: Address of a Dask scheduler whose workers train, in place of this machine; they need to see ``out``.
            Inference is measured on this machine all the same, because times of several machines do not compare.
        engines: What the speed of recipes is measured with: ``"keras"``, ``"onnx"``, or both, as if left out where the
            extra `export` is installed.
        on_cell: Called with each finished cell's name, status, number and the number of all cells.

    Returns:
        The folder.

    Raises:
        UnknownNameError: An unknown suite, recipe, baseline, option, engine or data set.
        DataError: Songs that cannot be used, or a folder in use.
        SettingsError: Nothing to run, an engine that is not installed, a change of what the suite compares, workers
            together with a scheduler, or a cluster that cannot be used.
    """
    parallel.check_place(workers, scheduler)
    chosen = choose_engines(engines)
    for name, given in (("data", data), ("models", models)):
        if isinstance(given, str | Path):  # a text is a sequence of letters
            raise SettingsError(f"{name} must be a list, got {str(given)!r}; pass [{str(given)!r}]")
    plan = suite if isinstance(suite, Suite) else load_suite(suite)
    if models is not None:
        plan = plan.select(list(models))
    if data is not None:
        plan = plan.model_copy(update={"data": tuple({"source": str(source)} for source in data)})
    updates: dict[str, Any] = {"seeds": seeds} if seeds is not None else {}
    if repeats is not None:
        updates = {"seeds": 1, **updates, "repeats": repeats}
    values = {**plan.model_dump(), **updates}
    plan = checked(lambda: Suite.model_validate(values)).overridden(changes or {})
    entrants = [(entrant, entrant.build(plan.changes, plan.overrides)) for entrant in plan.entrants]
    if not entrants and not plan.baselines:
        raise SettingsError("nothing to run: the suite names neither recipes nor baselines")
    with files.lock_folder(out) as folder:
        prepared = [songs for source in plan.data for songs in prepare(source, folder, plan.repeats)]
        todo = _cells(plan, entrants, prepared, folder)
        if not todo:
            raise SettingsError("nothing to run: none of the recipes is for the features of these songs")
        files.write_json(folder / "suite.json", plan.model_dump(mode="json"))
        _run_all(todo, plan.ensembles, folder.resolve(), workers, scheduler, chosen, on_cell)
        return folder


def choose_engines(asked: Sequence[str] | None) -> tuple[Engine, ...]:
    """Returns the engines for measuring speed: the requested ones, or all that are installed.

    Raises:
        UnknownNameError: There is no such engine.
        SettingsError: One of them is not installed, or the list is empty.
    """
    installed = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
    if asked is None:
        return ENGINES if installed else ENGINES[:1]
    check_known("engine", asked, ENGINES)
    if not asked:
        raise SettingsError("engines must name at least one of keras and onnx")
    if "onnx" in asked and not installed:
        raise SettingsError("the engine onnx needs the extra `export`: pip install 'genrezoo[export]'")
    return tuple(engine for engine in ENGINES if engine in asked)


def _cells(plan: Suite, entrants: list[tuple[Entrant, Recipe]], data: list[Prepared], folder: Path) -> list[Cell]:
    """Returns all cells, each once; recipes come after those that may be their members."""
    found = []
    options = {"passes": plan.passes, "train_scores": plan.train_scores}
    for songs in data:
        for name in plan.baselines:
            settings = ALL_BASELINES[name].settings
            for seed in songs.seeds(plan.seeds if ALL_BASELINES[name].seeded else 1):
                parts = ["baseline", name, settings, seed, songs.facts.checksum, versions()["genrezoo"]]
                key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
                run = folder / "runs" / f"{name}-{safe_name(songs.facts.data)}-{seed}-{key}"
                about: dict[str, Any] = {"recipe": name, "model": name, "family": "baseline", "settings": settings}
                about["pretrained"] = pretrained(songs.features)
                found.append(_cell(songs, key, seed, run, about, {**options, "engine": "scikit-learn"}))
    for entrant, recipe in sorted(entrants, key=lambda pair: pair[1].depth):
        for songs in data:
            for seed in songs.seeds(plan.seeds) if entrant.suits(songs.features.get("kind")) else ():
                key = recipe.digest(seed, songs.facts.checksum)
                run = folder / "runs" / recipe.run_name(songs.facts.data, seed, songs.facts.checksum)
                about = {"recipe": recipe.name, "model": recipe.model, "family": "zoo", **entrant.place}
                about["folds"] = entrant.bagged or None
                about["settings"] = recipe.model_dump(mode="json")
                about["pretrained"] = pretrained(songs.features, recipe)
                found.append(_cell(songs, key, seed, run, about, {**options, **_counted(plan, entrant)}))
    return list({cell.facts.key: cell for cell in found}.values())  # a model or songs may be named twice


def _counted(plan: Suite, entrant: Entrant) -> dict[str, Any]:
    """Measurements besides the scores that a suite's figures need of an entrant."""
    about = [figure for figure in plan.figures if figure.is_about(entrant.called, entrant.study)]
    figures = {figure.kind: figure for figure in about}
    return {
        "difficulty": "difficulty" in figures,
        "kernels": figures["weights"].layers if "weights" in figures else None,
    }


def pretrained(features: Mapping[str, Any], recipe: Recipe | None = None) -> dict[str, str]:
    """Returns what is known about the pretrained weights behind a result.

    Args:
        features: Settings of the songs' features.
        recipe: The recipe, with its members.

    Returns:
        One or two sentences by name of the weights.
    """
    recipes = [recipe] if recipe else []
    for one in recipes:  # which grows
        recipes += [member.recipe for member in one.members.values() if member.recipe]
    begun = [(one.model, str(one.arguments.get("weights"))) for one in recipes]
    named = {*features.get("weights", ()), *(name for _, name in begun)}
    named |= {f"{model}.{name}" for model, name in begun}  # "imagenet" for short
    found = {}
    for entry in WEIGHTS.members():
        if entry.name in named:
            known = "; ".join(f"with {data}: {text}" for data, text in entry.overlaps.items()) or "not known"
            found[entry.name] = f"They were trained on {entry.trained_on}; songs in common {known}."
    return found


def _cell(songs: Prepared, key: str, seed: int, run: Path, about: dict[str, Any], options: dict[str, Any]) -> Cell:
    repeat, pooled = songs.repeated or (None, None)
    place = {"repeat": repeat, "pooled": pooled, "run": f"runs/{run.name}"}
    facts = CellFacts(**songs.facts.model_dump(), key=key, seed=seed, **place, **about)
    return Cell(facts=facts, data=str(songs.folder), run=str(run.resolve()), **options)


def _run_all(
    todo: list[Cell],
    ensembles: Sequence[EnsemblePlan],
    folder: Path,
    workers: int | None,
    scheduler: str | None,
    engines: Sequence[Engine],
    on_cell: Callable[[str, str, int, int], None] | None,
) -> None:
    path = folder / FILE
    done: dict[tuple[str, str, str], Row] = {row.identity: row for row in read_row_file(path).rows}
    # speed is measured for the first seed of each, on the first of repeated splits
    first = {(cell.facts.recipe, cell.facts.pooled or cell.facts.checksum): cell for cell in reversed(todo)}
    timed = list(first.values())[::-1]
    timings = [("speed", cells.speed_cell, [cell for one in timed for cell in with_engines(one, engines)])]
    if todo[0].passes:
        timings.append(("passes", cells.passes_cell, timed))
    finished, total = 0, len(todo) + sum(len(batch) for _, _, batch in timings)
    total += sum(len(groups_of(ensemble, todo)) for ensemble in ensembles)

    def report(cell: CellFacts, kind: str, status: str, engine: Engine = "keras") -> None:
        nonlocal finished
        finished += 1
        if on_cell:
            timing = f"{kind} with ONNX" if engine == "onnx" else kind
            place = f"seed {cell.seed}" if cell.repeat is None else f"split {cell.repeat}"
            what = place if kind == "accuracy" else timing
            on_cell(f"{cell.recipe} on {cell.data}, {what}", status, finished, total)

    runs = folder / "runs"
    runs.mkdir(exist_ok=True)

    def run(
        batch: list[Cell], kind: str, call: Callable[..., Any], workers: int | None, scheduler: str | None = None
    ) -> None:
        waiting = {}
        with parallel.make_executor(workers, scheduler) as executor:
            for cell in batch:
                if is_measured(done.get(cell.identity(kind)), cell):
                    report(cell.facts, kind, "kept", cell.engine)
                else:
                    order = parallel.call_order(call, [cell.model_dump(mode="json")], {})
                    waiting[executor.send(order, [Path(cell.data)], [runs])] = cell
            for future in concurrent.futures.as_completed(waiting):
                cell = waiting[future]
                try:
                    plain = future.result()
                except parallel.ChildError as error:
                    refused = error.user and not error.scarce  # what is missing now may be there next time
                    plain = {"kind": kind, "status": "refused" if refused else "failed", "schema": SCHEMA}
                    plain["reason"] = str(error) if error.user else f"{error}\n{error.detail}".strip()
                    plain |= {**cell.facts.model_dump(mode="json"), "environment": environment()}
                    plain["engine"] = cell.engine
                plain["environment"]["parallel"] = executor.workers
                files.append_line(path, json.dumps(plain, allow_nan=False, ensure_ascii=False))
                done[cell.identity(kind)] = parse_row(plain)
                report(cell.facts, kind, plain["status"], cell.engine)

    run(todo, "accuracy", cells.accuracy_cell, workers, scheduler)
    for row, kept in ensemble_rows(ensembles, todo, done, folder):
        if not kept:
            files.append_line(path, json.dumps(row.to_plain(), allow_nan=False, ensure_ascii=False))
        report(row, "accuracy", "kept" if kept else row.status)
    for kind, call, batch in timings:
        measurable = [cell for cell in batch if isinstance(done.get(cell.identity("accuracy")), AccuracyRow)]
        finished += len(batch) - len(measurable)
        run(measurable, kind, call, 1)


def with_engines(cell: Cell, engines: Sequence[Engine]) -> list[Cell]:
    """Returns a cell with each engine that fits its model; a baseline has only its own."""
    if cell.facts.family == "baseline":
        return [cell]
    return [cell.model_copy(update={"engine": engine}) for engine in engines]


def is_measured(row: Row | None, cell: Cell) -> bool:
    """Whether a row has everything that a cell requires, or says that the cell is refused."""
    if isinstance(row, AccuracyRow):
        asked = {"train": cell.train_scores, "difficulty": cell.difficulty, "weights": cell.kernels is not None}
        return all(getattr(row, name) is not None for name, wanted in asked.items() if wanted)
    return row is not None and row.status != "failed"
