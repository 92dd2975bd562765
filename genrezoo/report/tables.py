"""Rows and predictions -> boards, computed once for every output.

A board is one data set under one split (same data, checksum and provenance); a line is one recipe on it, over all its
seeds. Nothing is chosen by a test figure: the run that stands for a recipe in McNemar's test is the one with the median
validation accuracy, and the models that the summary names are the best on the validation songs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.errors import DataError
from genrezoo.evaluation import (
    compare_models,
    difference_intervals,
    evaluate,
    letter_groups,
    log_softmax,
)
from genrezoo.report.lines import line_of, names_of, number_of, settings_of
from genrezoo.report.plans import read_plans
from genrezoo.report.records import Board, Difference, Environment, Leaderboard, Line, Unmeasured
from genrezoo.report.rows import Predictions, Row, read_folders, read_history, read_predictions
from genrezoo.report.words import cautions, summary

ALPHA = 0.05  # share of false alarms over all pairs of a board


def leaderboard(folders: str | Path | Iterable[str | Path]) -> Leaderboard:
    """Reads folders of results and computes all boards.

    Args:
        folders: One or several folders written by ``genrezoo benchmark``; see `read_folders` for rows that occur twice.

    Returns:
        The boards, with all that the outputs need.

    Raises:
        DataError: A folder has no rows, or a row is not what the benchmark writes. Missing predictions and histories
            are no error: what needs them is left out, and a note says so.
    """
    rows, sources, notes = read_folders(folders)
    boards: dict[tuple[str, str, str], list[Row]] = {}
    speeds: dict[str, Row] = {}
    passes: dict[str, Row] = {}
    for row in rows:
        values = row.values
        if values["kind"] == "accuracy":
            boards.setdefault((values["data"], values["checksum"], values["provenance"]), []).append(row)
        else:
            (speeds if values["kind"] == "speed" else passes)[values["key"]] = row
    measured = {row.values["key"] for row in rows if row.values["kind"] == "accuracy"}
    for key, row in speeds.items():
        if key not in measured:
            notes.append(
                f"The speed of {row.values['recipe']} on {row.values['data']} was measured, its accuracy was not."
            )
    return Leaderboard(
        boards=tuple(_board(name, part, speeds, passes) for name, part in boards.items()),
        sources=tuple(sources),
        environments=_environments(rows),
        notes=tuple(notes),
        plans=read_plans(sources),
        compares=any(isinstance(source.suite, dict) and source.suite.get("reported") is True for source in sources),
    )


@dataclass
class _Draft:
    """A line in the making: its rows, and the predictions of each of them (none at all if one is missing)."""

    line: Line
    rows: list[Row]
    predictions: list[Predictions] = field(default_factory=list)

    @property
    def representative(self) -> int:
        return self.line.seeds.index(self.line.representative)

    def right(self) -> np.ndarray:
        """Whether each seed answers each song rightly, (seeds, songs)."""
        return np.array([part.logits.argmax(axis=1) == part.y for part in self.predictions])


def _board(name: tuple[str, str, str], rows: list[Row], speeds: Mapping[str, Row], passes: Mapping[str, Row]) -> Board:
    ceilings = _first(rows, "ceilings") or {}
    bayes = number_of(ceilings.get("bayes"))
    notes: list[str] = []
    drafts = _drafts(rows, speeds, passes, bayes, notes)
    _add_predictions(drafts, notes)
    differences = _add_groups(drafts)
    _add_histories(drafts, notes)
    board = Board(
        data=name[0],
        checksum=name[1],
        provenance=name[2],
        sizes=_first(rows, "sizes") or {},
        duplicates=_first(rows, "duplicates"),
        segments=_first(rows, "segments"),
        features=_first(rows, "features"),
        shape=tuple(_first(rows, "shape") or ()) or None,
        genres=tuple(_first(rows, "genres") or ()),
        bayes=bayes,
        synthetic=bool(_first(rows, "synthetic")) or bayes is not None,
        order_free=number_of(ceilings.get("order_free")),
        lines=tuple(draft.line for draft in drafts),
        unmeasured=_unmeasured(rows, {"speed": speeds, "passes": passes}),
        differences=differences,
        cautions=(),
        notes=tuple(notes),
        summary="",
    )
    timed = [speeds[row.values["key"]].values for row in rows if row.values["key"] in speeds]
    return replace(board, summary=summary(board), cautions=cautions(board, timed))


def _drafts(
    rows: list[Row], speeds: Mapping[str, Row], passes: Mapping[str, Row], bayes: float | None, notes: list[str]
) -> list[_Draft]:
    groups: dict[tuple[str, str], dict[int, Row]] = {}  # recipe and settings -> seed -> row
    for row in rows:
        if row.values["status"] == "ok":
            recipe, seed = row.values["recipe"], row.values["seed"]
            kind = {"family": row.values["family"], **settings_of(row)}
            group = groups.setdefault((recipe, json.dumps(kind, sort_keys=True)), {})
            if seed in group:
                notes.append(f"Seed {seed} of {recipe} was measured more than once; the last row counts.")
            group[seed] = row
    names = names_of(list(groups))
    drafts = []
    for key, group in groups.items():
        runs = [group[seed] for seed in sorted(group)]
        drafts.append(_Draft(line_of(names[key], runs, speeds, passes, bayes), runs))
    return sorted(drafts, key=lambda draft: (-draft.line.accuracy.mean, draft.line.name))


def _add_predictions(drafts: list[_Draft], notes: list[str]) -> None:
    """Reads the predictions, and adds what follows from those of one line alone."""
    for draft in drafts:
        try:
            draft.predictions = [read_predictions(row) for row in draft.rows]
        except DataError as error:
            notes.append(f"{draft.line.name} is left out of the tests and of the genres' figures: {error}")
    songs = Counter(_songs(part) for draft in drafts for part in draft.predictions)
    usual = songs.most_common(1)[0][0] if songs else b""
    for draft in drafts:
        if any(_songs(part) != usual for part in draft.predictions):
            draft.predictions = []
            notes.append(f"{draft.line.name} is left out of the tests: it was tested on other songs.")
        if draft.predictions:
            y = draft.predictions[0].y
            figures = [evaluate(part.logits, part.y) for part in draft.predictions]
            posterior = np.mean([log_softmax(part.logits) for part in draft.predictions], axis=0)  # (songs, classes)
            draft.line = replace(
                draft.line,
                vote=float((posterior.argmax(axis=1) == y).mean()) if len(figures) > 1 else None,
                f1=tuple(np.mean([part["per_class"]["f1"] for part in figures], axis=0).tolist()),
                confusion=tuple(map(tuple, figures[draft.representative]["confusion"])),
            )


def _songs(part: Predictions) -> bytes:
    return "\0".join(map(str, part.ids)).encode() + part.y.astype(np.int64).tobytes()


def _add_groups(drafts: list[_Draft]) -> tuple[Difference, ...]:
    """Compares all lines that have predictions, and adds the letters of their groups."""
    drafts = [draft for draft in drafts if draft.predictions]
    right = {draft.line.name: draft.right() for draft in drafts}
    comparison = compare_models({draft.line.name: right[draft.line.name][draft.representative] for draft in drafts})
    tests = {frozenset((pair.better, pair.worse)): pair for pair in comparison.pairs}
    differences = tuple(
        Difference(
            upper, lower, mean, low, high, tests[frozenset((upper, lower))].p, tests[frozenset((upper, lower))].adjusted
        )
        for (upper, lower), (mean, low, high) in difference_intervals(right).items()
    )
    alike = [(pair.upper, pair.lower) for pair in differences if pair.adjusted > ALPHA]
    letters = letter_groups([draft.line.name for draft in drafts], alike)
    for draft in drafts:
        draft.line = replace(draft.line, group=letters[draft.line.name])
    return differences


def _add_histories(drafts: list[_Draft], notes: list[str]) -> None:
    for draft in drafts:
        # a peer has none, nor has a model that is put together without training
        if draft.line.family == "zoo" and draft.line.epochs != 0:
            try:
                histories = tuple(read_history(row) for row in draft.rows)
            except DataError as error:
                notes.append(f"{draft.line.name} is left out of the learning curves: {error}")
                continue
            peaks = tuple(max(history["valid_accuracy"]) for history in histories)
            draft.line = replace(
                draft.line,
                history=histories[draft.representative],
                histories=histories,
                measured={**draft.line.measured, "valid_accuracy": peaks},
            )


def _unmeasured(rows: list[Row], timings: Mapping[str, Mapping[str, Row]]) -> tuple[Unmeasured, ...]:
    cells = [("accuracy", row.values) for row in rows]
    for what, timed in timings.items():
        cells += [(what, timed[row.values["key"]].values) for row in rows if row.values["key"] in timed]
    return tuple(
        Unmeasured(
            name=values["recipe"],
            seed=values.get("seed"),
            what=what,
            status=values["status"],
            reason=str(values.get("reason") or "no reason was recorded"),
        )
        for what, values in cells
        if values["status"] != "ok"
    )


def _environments(rows: list[Row]) -> tuple[Environment, ...]:
    facts: dict[str, list[str]] = {}
    for row in rows:
        environment = dict(row.values.get("environment") or {})
        created = str(environment.pop("created", ""))
        facts.setdefault(json.dumps(environment, sort_keys=True), []).append(created)
    return tuple(Environment(json.loads(text), len(times), min(times), max(times)) for text, times in facts.items())


def _first(rows: list[Row], key: str) -> Any:
    return next((row.values[key] for row in rows if row.values.get(key) is not None), None)
