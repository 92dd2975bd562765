"""The benchmark: a suite's recipes and peers on the same songs, a child process a cell, a row as each is done."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from genrezoo import files, parallel
from genrezoo.benchmarking import cell as cells
from genrezoo.benchmarking.cell import Cell
from genrezoo.benchmarking.peers import PEERS
from genrezoo.benchmarking.suite import Suite, list_suites, load_suite
from genrezoo.datasets import load_songs
from genrezoo.datasets.arrays import load_arrays, save_songs
from genrezoo.datasets.synthetic import ceilings
from genrezoo.environment import environment, versions
from genrezoo.errors import SettingsError
from genrezoo.recipes import Recipe
from genrezoo.recipes.recipe import safe_name
from genrezoo.songs import SongSet, check_split, default_split

__all__ = ["Suite", "benchmark", "list_suites", "load_suite"]


def benchmark(
    suite: str | Path | Suite = "quick",
    *,
    data: Sequence[str | Path] | None = None,
    models: Sequence[str] | None = None,
    seeds: int | None = None,
    changes: dict[str, Any] | None = None,
    out: str | Path,
    workers: int | None = None,
    on_cell: Callable[[str, str, int, int], None] | None = None,
) -> Path:
    """Runs a suite and keeps rows, predictions and run folders; `genrezoo.report` draws them.

    Interrupted and called again it goes on: cells whose row exists are not run again, failed ones are, trainings
    continue after their last finished epoch. One cell's failure is a row with its reason and stops nothing.

    Args:
        suite: A suite, the name of one that comes with the package, or a TOML file's path.
        data: Sources of songs to use in place of the suite's; songs without a split get a seeded one (70/15/15), by
            group where they have groups, stratified at random otherwise. Of songs with training and validation songs
            alone, 15 % of the training songs become the test songs.
        models: Names of recipes and peers to use in place of the suite's.
        seeds: Trainings per recipe in place of the suite's number.
        changes: Arguments and settings that all recipes get, over those of the suite.
        out: Folder for rows, songs and runs; may hold earlier rows.
        workers: Trainings at a time, one thread each; the number of cores if left out.
        on_cell: Called with each finished cell's name, status, number and the number of all cells.

    Returns:
        The folder.

    Raises:
        UnknownNameError: An unknown suite, recipe, peer, option or data set.
        DataError: Songs that cannot be used, or a folder in use.
        SettingsError: Nothing to run.
    """
    plan = suite if isinstance(suite, Suite) else load_suite(suite)
    if models is not None:
        plan = plan.select(list(models))
    if data is not None:
        plan = plan.model_copy(update={"data": tuple({"source": str(source)} for source in data)})
    updates: dict[str, Any] = {"seeds": seeds} if seeds is not None else {}
    plan = Suite.model_validate({**plan.model_dump(), "changes": {**plan.changes, **(changes or {})}, **updates})
    entrants = [(entrant, entrant.build(plan.changes)) for entrant in plan.entrants]
    if not entrants and not plan.peers:
        raise SettingsError("nothing to run: the suite names neither recipes nor peers")
    with files.lock_folder(out) as folder:
        files.write_json(folder / "suite.json", plan.model_dump(mode="json"))
        todo = []
        for source in plan.data:
            where, facts, kind = _prepare(source, folder)
            for entrant, recipe in entrants:
                if not entrant.suits(kind):
                    continue
                settings = recipe.model_dump(mode="json")
                for seed in range(1, plan.seeds + 1):
                    cell = _cell("zoo", recipe.name, settings, seed, where, facts, folder)
                    todo.append(replace(cell, place=entrant.place))
            for name in plan.peers:
                number = plan.seeds if PEERS[name].seeded else 1
                settings = PEERS[name].settings
                for seed in range(1, number + 1):
                    todo.append(_cell("peer", name, settings, seed, where, facts, folder))
        if not todo:
            raise SettingsError("nothing to run: none of the recipes is for the features of these songs")
        todo = [replace(cell, passes=plan.passes, train_scores=plan.train_scores) for cell in todo]
        todo.sort(key=lambda cell: Recipe.model_validate(cell.settings).depth if cell.family == "zoo" else 0)
        _run_all(todo, folder, workers or environment()["cores"], on_cell)
        return folder


def _run_all(
    todo: list[Cell], folder: Path, workers: int, on_cell: Callable[[str, str, int, int], None] | None
) -> None:
    path = folder / "rows.jsonl"
    done = {(row.get("kind"), row.get("key")): row for row in files.read_json_lines(path)}
    timed = list({(cell.name, cell.data): cell for cell in reversed(todo)}.values())[::-1]  # the first seed of each
    kinds = {"speed": cells.speed_cell, "passes": cells.passes_cell}
    kinds = kinds if any(cell.passes for cell in todo) else {"speed": cells.speed_cell}
    finished, total = 0, len(todo) + len(timed) * len(kinds)

    def report(cell: Cell, kind: str, status: str) -> None:
        nonlocal finished
        finished += 1
        if on_cell:
            on_cell(f"{cell.name} on {cell.facts['data']}, {f'seed {cell.seed}' if kind == 'accuracy' else kind}",
                    status, finished, total)  # fmt: skip

    def run(
        batch: list[Cell], kind: str, call: Callable[..., Any], executor: parallel.ProcessExecutor, beside: int
    ) -> None:
        waiting = {}
        for cell in batch:
            if _answers(done.get((kind, cell.key)), cell):
                report(cell, kind, "kept")
            else:
                waiting[executor.submit(call, cells.as_plain(cell))] = cell
        for future in concurrent.futures.as_completed(waiting):
            cell = waiting[future]
            try:
                row = future.result()
            except parallel.ChildError as error:
                row = cells.failed_row(cell, kind, error)
            row["environment"]["parallel"] = beside
            files.append_line(path, json.dumps(row, allow_nan=False, ensure_ascii=False))
            done[(kind, cell.key)] = row
            report(cell, kind, row["status"])

    with parallel.ProcessExecutor(workers, threads=1) as executor:
        run(todo, "accuracy", cells.accuracy_cell, executor, workers)
    with parallel.ProcessExecutor(1, threads=1) as executor:
        measurable = [cell for cell in timed if done.get(("accuracy", cell.key), {}).get("status") == "ok"]
        for kind, call in kinds.items():
            finished += len(timed) - len(measurable)
            run(measurable, kind, call, executor, 1)


def _answers(row: dict[str, Any] | None, cell: Cell) -> bool:
    """Whether a row has all that is asked of a cell, or says that it cannot be had."""
    if row is None or row.get("status") != "ok":
        return row is not None and row.get("status") == "refused"
    return "train" in row or not cell.train_scores or row["kind"] != "accuracy"


def _prepare(source: dict[str, Any], folder: Path) -> tuple[str, dict[str, Any], str | None]:
    """Loads, splits and checks songs and keeps them where the children can map them.

    Returns:
        Their folder, what rows say of them, and the kind of features that they hold where they say so.
    """
    options = {key: value for key, value in source.items() if key not in ("source", "name")}
    songs = default_split(load_songs(source["source"], **options))
    songs = songs.named(str(source.get("name", songs.name)))
    leaks = check_split(songs)
    checksum = songs.checksum()
    kept = folder / "songs" / f"{safe_name(songs.name)}-{checksum[:12]}"
    if not (kept / "manifest.json").exists():
        save_songs(songs, kept)
    facts = {
        "data": songs.name,
        "checksum": checksum,
        "provenance": songs.provenance,
        "sizes": {name: len(index) for name, index in songs.splits.items()},
        "duplicates": len(leaks.duplicates),
        "segments": songs.n_segments,
        "features": songs.n_features,
        **({"shape": list(songs.song_shape)} if songs.kind == "image" else {}),
        "genres": list(songs.genres),
        "synthetic": bool(songs.about.get("synthetic") or songs.about.get("synthetic_audio")),
        "ceilings": _ceilings(load_arrays(kept, verify=False)),
    }
    features = songs.about.get("features")
    return str(kept), facts, features.get("kind") if isinstance(features, dict) else None


def _ceilings(songs: SongSet) -> dict[str, Any] | None:
    return ceilings(songs) if songs.about.get("synthetic") else None


def _cell(
    family: str, name: str, settings: dict[str, Any], seed: int, data: str, facts: dict[str, Any], folder: Path
) -> Cell:
    if family == "zoo":
        recipe = Recipe.model_validate(settings)
        key = recipe.digest(seed, facts["checksum"])
        run = folder / "runs" / recipe.run_name(facts["data"], seed, facts["checksum"])
    else:
        parts = [family, name, settings, seed, facts["checksum"], versions()["genrezoo"]]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        run = folder / "runs" / f"{name}-{safe_name(facts['data'])}-{seed}-{key}"
    return Cell(key, name, family, settings, seed, str(Path(data).resolve()), str(run.resolve()), facts)
