"""Leaderboard entries, computed from the rows of one recipe with one split."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from genrezoo.evaluation import METRICS, interval_over_both, median_run
from genrezoo.figures import COSTS
from genrezoo.report.benchmark.records import Entry
from genrezoo.report.benchmark.study_values import KEPT
from genrezoo.report.style.number_format import Estimate
from genrezoo.rows import SCORES, AccuracyRow, PassesRow, Row, SpeedRow
from genrezoo.runs.predictions import OUT_OF_FOLD

# parts of a recipe that change no result, and what was chosen for each seed
_NOT_SETTINGS = ("name", "summary", "reference", "reported", "seed", "chosen")


def entry_of(name: str, rows: Sequence[AccuracyRow], timings: Sequence[Row], bayes: float | None) -> Entry:
    """Builds the entry of a recipe.

    Args:
        name: Name on the board.
        rows: Finished accuracy rows, one per seed.
        timings: Rows of speeds and timed passes; the last of each kind counts.
        bayes: Best attainable accuracy, if known.
    """
    validation = [row.valid.accuracy for row in rows]
    middle, first = median_run(validation), rows[0]
    estimates = {metric: _estimate(rows, metric, middle) for metric in METRICS}
    reported = first.settings.get("reported")
    return Entry(
        name=name,
        recipe=first.recipe,
        model=first.model or first.recipe,
        family=first.family,
        seeds=tuple(row.seed for row in rows),
        accuracy=estimates["accuracy"],
        macro_f1=estimates["macro_f1"],
        log_loss=estimates["log_loss"],
        calibration_error=estimates["calibration_error"],
        accuracies=tuple(row.test.accuracy for row in rows),
        validation=fmean(validation),
        cross_validated=any(out_of_fold(row) for row in rows),
        fraction_of_ceiling=estimates["accuracy"].mean / bayes if bayes else None,
        representative=rows[middle].seed,
        parameters=_mean(rows, "parameters"),
        multiply_adds=_mean(rows, "multiply_adds"),
        train_seconds=_mean(rows, "train_seconds"),
        epochs=_mean(rows, "epochs"),
        speed={name: value for row in timings for name, value in speed_of(row).items() if value is not None},
        settings=settings_of(first) | chosen_of(rows),
        summary=said_of(first, "summary"),
        reference=said_of(first, "reference"),
        label=first.label or "",
        study=first.study or "",
        pretrained=first.pretrained,
        axes=first.axes or {},
        measured=measured_values(rows),
        difficulty=rows[middle].difficulty,
        weights=rows[middle].weights,
        reported={str(name): str(value) for name, value in reported.items()} if isinstance(reported, dict) else {},
    )


def measured_values(rows: Sequence[AccuracyRow]) -> dict[str, tuple[float, ...]]:
    """Returns the values of an entry for the figures of a study, one per seed, as far as every row has them.

    Args:
        rows: Finished accuracy rows of the entry, in the order of the seeds.
    """
    values: dict[str, list[Any]] = {
        f"{split}_{score}": [getattr(getattr(row, split), score, None) for row in rows]
        for split in ("train", "valid", "test")
        for score in SCORES
    }
    values[KEPT] = values["valid_accuracy"]  # which becomes that of the best epoch where there is a history
    values |= {cost: [getattr(row, cost) for row in rows] for cost in COSTS}
    for head in rows[0].heads:
        values[f"heads.{head}"] = [row.heads[head].valid if head in row.heads else None for row in rows]
    return {name: tuple(part) for name, part in values.items() if None not in part}


def _estimate(rows: Sequence[AccuracyRow], metric: str, middle: int) -> Estimate:
    values = [getattr(row.test, metric) for row in rows]
    if len(set(values)) > 1:
        songs = [getattr(row.test.intervals, metric) for row in rows]
        return Estimate(*interval_over_both(values, songs, most=math.inf if metric == "log_loss" else 1.0), over="both")
    # of seeds that all agree, equal bounds would feign certainty
    low, high = getattr(rows[middle].test.intervals, metric)
    return Estimate(fmean(values), low, high, over="songs")


def speed_of(row: Row) -> dict[str, float | None]:
    """Returns the values of a speed or passes row under the names of `Entry.speed`."""
    if isinstance(row, SpeedRow):
        found = {
            **{name: getattr(row.latency_ms, name) for name in ("p50", "p90", "p99")},
            "bulk": row.bulk_songs_per_second,
            "first": row.first_prediction_seconds,
            "memory": row.peak_memory_mb,
        }
        return {f"onnx_{name}": value for name, value in found.items()} if row.engine == "onnx" else found
    return {f"pass_{name}": value for name, value in row.seconds} if isinstance(row, PassesRow) else {}


def names_of(keys: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Names each (recipe, settings): the recipe's name, with the differing settings if it occurs more than once."""
    times = Counter(recipe for recipe, _ in keys)
    names: dict[tuple[str, str], str] = {}
    for recipe, total in times.items():
        own = [key for key in keys if key[0] == recipe]
        flat = [_flat(json.loads(settings)) for _, settings in own]
        every = sorted({place for part in flat for place in part})
        differing = [place for place in every if len({json.dumps(part.get(place)) for part in flat}) > 1]
        labels = [", ".join(f"{place.rpartition('.')[2]}={part.get(place)}" for place in differing) for part in flat]
        if len(differing) > 3 or len(set(labels)) < total:
            labels = [f"settings {number}" for number in range(1, total + 1)]
        names |= {key: recipe if total == 1 else f"{recipe} ({label})" for key, label in zip(own, labels, strict=True)}
    return names


def _flat(value: Any, place: str = "") -> Mapping[str, Any]:
    if not isinstance(value, dict):
        return {place: value}
    return {name: leaf for key, part in value.items() for name, leaf in _flat(part, f"{place}.{key}").items()}


def settings_of(row: Row) -> dict[str, Any]:
    """Returns the parts of a row's recipe that its results depend on."""
    return {key: value for key, value in row.settings.items() if key not in _NOT_SETTINGS}


def said_of(row: Row, name: str) -> str:
    """Returns the summary or reference of a row's recipe; empty if the row has none."""
    return str(row.settings.get(name) or "")


def chosen_of(rows: Sequence[AccuracyRow]) -> dict[str, Any]:
    """Returns the choices of tuned baselines and selected ensembles, by seed; empty for others."""
    chosen = {f"seed {row.seed}": row.settings["chosen"] for row in rows if "chosen" in row.settings}
    return {"chosen": chosen} if chosen else {}


def out_of_fold(row: AccuracyRow) -> bool:
    """Whether the answers for validation songs are out of fold: the row's own, or those of an ensemble's members."""
    return row.out_of_fold is not None or row.settings.get("chosen", {}).get("selected_on") == OUT_OF_FOLD


def _mean(rows: Sequence[AccuracyRow], name: str) -> float | None:
    numbers = [value for row in rows if (value := getattr(row, name)) is not None]
    return fmean(numbers) if numbers else None
