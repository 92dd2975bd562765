"""The rows of one recipe under one split -> a line of the board: what follows from the rows alone."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from genrezoo.evaluation import METRICS, mean_interval, median_run
from genrezoo.report.plans import measured_values
from genrezoo.report.records import Estimate, Line
from genrezoo.report.rows import Row

_NOT_SETTINGS = ("name", "summary", "reference", "reported", "seed")  # parts of a recipe that move no figure


def line_of(
    name: str, rows: list[Row], speeds: Mapping[str, Row], passes: Mapping[str, Row], bayes: float | None
) -> Line:
    """The line of a recipe.

    Args:
        name: What the board calls it.
        rows: Its finished accuracy rows, a seed each.
        speeds: Speed rows by key.
        passes: Rows of timed passes by key.
        bayes: Best accuracy attainable at all, where that is known.
    """
    values = [row.values for row in rows]
    validation = [value["valid"]["accuracy"] for value in values]
    middle = median_run(validation)
    estimates = {metric: _estimate([value["test"] for value in values], metric, middle) for metric in METRICS}
    timed = [speeds[value["key"]].values for value in values if value["key"] in speeds]
    passed = [passes[value["key"]].values for value in values if value["key"] in passes]
    return Line(
        name=name,
        recipe=values[0]["recipe"],
        model=str(values[0].get("model", values[0]["recipe"])),
        family=values[0]["family"],
        seeds=tuple(value["seed"] for value in values),
        accuracy=estimates["accuracy"],
        macro_f1=estimates["macro_f1"],
        log_loss=estimates["log_loss"],
        calibration_error=estimates["calibration_error"],
        accuracies=tuple(value["test"]["accuracy"] for value in values),
        validation=fmean(validation),
        share=estimates["accuracy"].mean / bayes if bayes else None,
        representative=values[middle]["seed"],
        parameters=_mean(values, "parameters"),
        multiply_adds=_mean(values, "multiply_adds"),
        train_seconds=_mean(values, "train_seconds"),
        epochs=_mean(values, "epochs"),
        speed={**(_speed(timed[-1]) if timed else {}), **(_passes(passed[-1]) if passed else {})},
        settings=settings_of(rows[0]),
        label=values[0].get("label") or "",
        study=values[0].get("study") or "",
        axes=values[0].get("axes") or {},
        measured=measured_values(values),
        reported=_reported(values[0]),
    )


def _estimate(tests: list[Mapping[str, Any]], metric: str, middle: int) -> Estimate:
    values = [test[metric] for test in tests]
    if len(set(values)) > 1:
        return Estimate(*mean_interval(values), over="seeds")
    low, high = tests[middle]["intervals"][metric]  # of seeds that all agree, equal bounds would feign certainty
    return Estimate(fmean(values), low, high, over="songs")


def _speed(row: Mapping[str, Any]) -> dict[str, float]:
    if row["status"] != "ok":
        return {}
    found = {
        **{name: number_of(row["latency_ms"][name]) for name in ("p50", "p90", "p99")},
        "bulk": number_of(row.get("bulk_songs_per_second")),
        "first": number_of(row.get("first_prediction_seconds")),
        "memory": number_of(row.get("peak_memory_mb")),
    }
    return {name: value for name, value in found.items() if value is not None}


def _passes(row: Mapping[str, Any]) -> dict[str, float]:
    return {f"pass_{name}": value for name, value in row["seconds"].items()} if row["status"] == "ok" else {}


def _reported(row: Mapping[str, Any]) -> dict[str, str]:
    said = (row.get("settings") or {}).get("reported")
    return {str(name): str(figure) for name, figure in said.items()} if isinstance(said, dict) else {}


def names_of(keys: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What to call each (recipe, settings): the recipe's name, with what differs where it occurs more than once."""
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


def _flat(value: Any, place: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {place: value}
    return {name: leaf for key, part in value.items() for name, leaf in _flat(part, f"{place}.{key}").items()}


def settings_of(row: Row) -> dict[str, Any]:
    """The parts of a row's recipe that its figures depend on."""
    settings = row.values.get("settings")
    if not isinstance(settings, dict):
        return {}
    return {key: value for key, value in settings.items() if key not in _NOT_SETTINGS}


def _mean(values: list[Mapping[str, Any]], key: str) -> float | None:
    numbers = [number for value in values if (number := number_of(value.get(key))) is not None]
    return fmean(numbers) if numbers else None


def number_of(value: Any) -> float | None:
    """A finite number as it is, anything else (not measured, not known) as None."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if usable else None
