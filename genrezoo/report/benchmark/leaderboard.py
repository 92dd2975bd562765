"""The boards of a report, computed once from rows and predictions for every output.

A board is one data set with one split (same data, checksum and provenance); an entry is one recipe on it, over all its
seeds. No choice depends on a test result: the run that represents a recipe in McNemar's test has the median validation
accuracy, and the models in the summary are the best on the validation songs. Rows of repeated splits are on boards of
their own (`genrezoo.report.benchmark.repeats`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from genrezoo.errors import DataError, checked
from genrezoo.evaluation import (
    compare_models,
    difference_intervals,
    evaluate,
    letter_groups,
    log_softmax,
)
from genrezoo.figures import FigurePlan
from genrezoo.report.benchmark.captions import cautions, summary
from genrezoo.report.benchmark.entries import entry_of, names_of, settings_of
from genrezoo.report.benchmark.records import ALPHA, Board, Difference, Entry, Environment, Leaderboard
from genrezoo.report.benchmark.repeats import repeated_boards
from genrezoo.report.benchmark.results import Predictions, Source, read_folders, read_history, read_predictions
from genrezoo.rows import AccuracyRow, DataFacts, NotMeasured, Row, SpeedRow


def leaderboard(folders: str | Path | Iterable[str | Path]) -> Leaderboard:
    """Reads folders of results and computes all boards.

    Args:
        folders: One or several folders written by ``genrezoo benchmark``; see `read_folders` for rows that occur twice.

    Returns:
        The boards, with everything that the outputs show.

    Raises:
        DataError: A folder has no rows, or a row is not what the benchmark writes. If predictions or histories are
            missing, a note says which results are left out for this reason.
    """
    rows, sources, notes = read_folders(folders)
    boards: dict[tuple[str, str, str], list[tuple[Row, Path]]] = {}
    for row, folder in rows:
        if row.repeat is None:
            boards.setdefault((row.data, row.checksum, row.provenance), []).append((row, folder))
    measured = {row.key for row, _ in rows if row.kind == "accuracy"}
    notes += [
        f"The speed of {row.recipe} on {row.data} was measured, its accuracy was not."
        for row, _ in rows
        if isinstance(row, SpeedRow) and row.key not in measured
    ]
    suites = [source.suite for source in sources if isinstance(source.suite, dict)]
    return Leaderboard(
        boards=tuple(_board(part) for part in boards.values() if any(row.kind == "accuracy" for row, _ in part)),
        sources=tuple(sources),
        environments=_environments([row for row, _ in rows]),
        notes=tuple(notes),
        plans=read_plans(sources),
        compares=any(suite.get("reported") is True for suite in suites),
        repeated=repeated_boards([row for row, _ in rows]),
    )


def read_plans(sources: Iterable[Source]) -> tuple[FigurePlan, ...]:
    """Returns the figures of the suites of folders of results, each once.

    Args:
        sources: The folders.

    Raises:
        DataError: The description of a figure in a suite is invalid.
    """
    found: dict[FigurePlan, None] = {}
    for source in sources:
        asked = source.suite.get("figures") if isinstance(source.suite, dict) else None
        for number, plan in enumerate(asked if isinstance(asked, list) else [], 1):
            path, place = f"{source.folder}/suite.json", f"figure {number}"
            refuse = partial(DataError, path=path, where=place, remedy="fix the suite")
            found[checked(partial(FigurePlan.model_validate, plan), refuse)] = None
    return tuple(found)


@dataclass
class _Draft:
    """An unfinished entry: its rows with their folders, and the predictions of all rows or of none."""

    entry: Entry
    rows: list[tuple[AccuracyRow, Path]]
    predictions: list[Predictions] = field(default_factory=list)

    @property
    def representative(self) -> int:
        return self.entry.seeds.index(self.entry.representative)

    def right(self) -> np.ndarray:
        """Returns whether each seed's prediction of each song is right, ``(seeds, songs)``."""
        return np.array([part.logits.argmax(axis=1) == part.y for part in self.predictions])


def _board(rows: list[tuple[Row, Path]]) -> Board:
    about = next((row for row, _ in rows if row.genres), rows[0][0])
    facts = {name: getattr(about, name) for name in DataFacts.model_fields if name != "ceilings"}
    ceilings = about.ceilings or {}
    notes: list[str] = []
    drafts = _drafts(rows, ceilings.get("bayes"), notes)
    _add_predictions(drafts, notes)
    differences = _add_groups(drafts)
    _add_histories(drafts, notes)
    unmeasured = [row for row, _ in rows if isinstance(row, NotMeasured)]
    board = Board(
        **{**facts, "synthetic": about.synthetic or "bayes" in ceilings},
        bayes=ceilings.get("bayes"),
        order_free=ceilings.get("order_free"),
        entries=tuple(draft.entry for draft in drafts),
        unmeasured=tuple(sorted(unmeasured, key=lambda row: row.kind)),
        differences=differences,
        cautions=(),
        notes=tuple(notes),
        summary="",
    )
    speeds = [row for row, _ in rows if isinstance(row, SpeedRow)]
    return replace(board, summary=summary(board), cautions=cautions(board, speeds))


def _drafts(rows: list[tuple[Row, Path]], bayes: float | None, notes: list[str]) -> list[_Draft]:
    groups: dict[tuple[str, str], dict[int, tuple[AccuracyRow, Path]]] = {}  # recipe and settings -> seed -> row
    timings: dict[str, list[Row]] = {}
    for row, folder in rows:
        if not isinstance(row, AccuracyRow):
            timings.setdefault(row.key, []).append(row)
            continue
        settings = {"family": row.family, **settings_of(row)}
        group = groups.setdefault((row.recipe, json.dumps(settings, sort_keys=True)), {})
        if row.seed in group:
            notes.append(f"Seed {row.seed} of {row.recipe} was measured more than once; the last row counts.")
        group[row.seed] = (row, folder)
    names = names_of(list(groups))
    drafts = []
    for key, group in groups.items():
        runs = [group[seed] for seed in sorted(group)]
        timed = [timing for row, _ in runs for timing in timings.get(row.key, [])]
        drafts.append(_Draft(entry_of(names[key], [row for row, _ in runs], timed, bayes), runs))
    return sorted(drafts, key=lambda draft: (-draft.entry.accuracy.mean, draft.entry.name))


def _add_predictions(drafts: list[_Draft], notes: list[str]) -> None:
    """Reads the predictions, and adds the results that depend on a single entry."""
    for draft in drafts:
        try:
            draft.predictions = [read_predictions(row, folder) for row, folder in draft.rows]
        except DataError as error:
            notes.append(f"{draft.entry.name} is left out of the tests and of the metrics of each genre: {error}")
    songs = Counter(_songs(part) for draft in drafts for part in draft.predictions)
    usual = songs.most_common(1)[0][0] if songs else b""
    for draft in drafts:
        if any(_songs(part) != usual for part in draft.predictions):
            draft.predictions = []
            notes.append(f"{draft.entry.name} is left out of the tests: it was tested on other songs.")
        if draft.predictions:
            y = draft.predictions[0].y
            metrics = [evaluate(part.logits, part.y) for part in draft.predictions]
            posterior = np.mean([log_softmax(part.logits) for part in draft.predictions], axis=0)  # (songs, classes)
            draft.entry = replace(
                draft.entry,
                vote=float((posterior.argmax(axis=1) == y).mean()) if len(metrics) > 1 else None,
                f1=tuple(np.mean([part["per_class"]["f1"] for part in metrics], axis=0).tolist()),
                confusion=tuple(map(tuple, metrics[draft.representative]["confusion"])),
            )


def _songs(part: Predictions) -> bytes:
    return "\0".join(map(str, part.ids)).encode() + part.y.astype(np.int64).tobytes()


def _add_groups(drafts: list[_Draft]) -> tuple[Difference, ...]:
    """Compares all entries that have predictions, and adds the letters of their groups."""
    drafts = [draft for draft in drafts if draft.predictions]
    right = {draft.entry.name: draft.right() for draft in drafts}
    tests = compare_models({draft.entry.name: right[draft.entry.name][draft.representative] for draft in drafts})
    intervals = difference_intervals(right)
    differences = tuple(Difference(*pair, *intervals[pair], *tests[pair]) for pair in intervals)
    alike = [(pair.upper, pair.lower) for pair in differences if pair.adjusted > ALPHA]
    letters = letter_groups([draft.entry.name for draft in drafts], alike)
    for draft in drafts:
        draft.entry = replace(draft.entry, group=letters[draft.entry.name])
    return differences


def _add_histories(drafts: list[_Draft], notes: list[str]) -> None:
    for draft in drafts:
        # baselines have none, nor has a model that is composed without training
        if draft.entry.family == "zoo" and draft.entry.epochs != 0:
            try:
                histories = tuple(read_history(row, folder) for row, folder in draft.rows)
            except DataError as error:
                notes.append(f"{draft.entry.name} is left out of the learning curves: {error}")
                continue
            peaks = tuple(max(history["valid_accuracy"]) for history in histories)
            draft.entry = replace(
                draft.entry,
                histories=histories,
                measured={**draft.entry.measured, "valid_accuracy": peaks},
            )


def _environments(rows: list[Row]) -> tuple[Environment, ...]:
    facts: dict[str, list[str]] = {}
    for row in rows:
        environment = {key: value for key, value in row.environment.items() if key != "created"}
        facts.setdefault(json.dumps(environment, sort_keys=True), []).append(str(row.environment.get("created", "")))
    return tuple(Environment(json.loads(text), len(times), min(times), max(times)) for text, times in facts.items())
