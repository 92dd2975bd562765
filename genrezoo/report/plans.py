"""What a suite asks the report to draw, read from ``suite.json`` and checked, and the figures that it can ask for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from genrezoo.errors import DataError
from genrezoo.report.records import Plan
from genrezoo.report.rows import Source
from genrezoo.report.study_lines import KEPT

KINDS = ("heatmap", "bars", "curves", "table")
SCORES = ("accuracy", "macro_f1", "macro_precision", "macro_recall", "log_loss", "calibration_error")
COSTS = ("train_seconds", "seconds_per_epoch", "evaluation_seconds", "epochs", "best_epoch", "parameters")


def read_plans(sources: Iterable[Source]) -> tuple[Plan, ...]:
    """The figures that the suites of folders of results ask for; the same one in two folders counts once.

    Raises:
        DataError: A suite asks for something that is not a figure.
    """
    found: dict[Plan, None] = {}
    for source in sources:
        asked = source.suite.get("figures") if isinstance(source.suite, dict) else None
        for number, plan in enumerate(asked if isinstance(asked, list) else [], 1):
            found[_plan(plan, f"{source.folder}/suite.json", number)] = None
    return tuple(found)


def measured_values(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, ...]]:
    """What the figures of a study may show of a line, one value a seed: only what every row has.

    Args:
        rows: Finished accuracy rows of the line, in the order of the seeds.
    """
    values: dict[str, list[Any]] = {
        f"{side}_{score}": [(row.get(side) or {}).get(score) for row in rows]
        for side in ("train", "valid", "test")
        for score in SCORES
    }
    values[KEPT] = values["valid_accuracy"]  # which becomes that of the best epoch where there is a history
    values |= {cost: [row.get(cost) for row in rows] for cost in COSTS}
    for head in rows[0].get("heads") or {}:
        values[f"heads.{head}"] = [((row.get("heads") or {}).get(head) or {}).get("valid") for row in rows]
    return {name: tuple(part) for name, part in values.items() if all(map(_is_number, part))}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _plan(plan: Any, path: str, number: int) -> Plan:
    if not isinstance(plan, dict) or plan.get("kind") not in KINDS:
        kind = plan.get("kind") if isinstance(plan, dict) else plan
        raise _refusal(f"kind is {kind!r}, expected one of {', '.join(KINDS)}", path, number)
    texts = {name: plan.get(name) or "" for name in ("title", "caption", "x", "y")}
    lists = {name: plan.get(name) or [] for name in ("entrants", "values")}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise _refusal(f"{name} is {value!r}, a text was expected", path, number)
    for name, value in lists.items():
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise _refusal(f"{name} is {value!r}, a list of texts was expected", path, number)
    for name in ("transpose", "together"):
        if not isinstance(plan.get(name), bool | None):
            raise _refusal(f"{name} is {plan[name]!r}, true or false was expected", path, number)
    if plan["kind"] == "heatmap" and not (texts["x"] and texts["y"]):
        raise _refusal("a heat map needs the axes x and y", path, number)
    best = plan.get("best")
    return Plan(
        kind=plan["kind"],
        **texts,
        entrants=tuple(lists["entrants"]),
        values=tuple(lists["values"]) or ("valid_accuracy",),
        best=best if isinstance(best, int) and best > 0 else 8,
        transpose=bool(plan.get("transpose")),
        together=bool(plan.get("together")),
    )


def _refusal(what: str, path: str, number: int) -> DataError:
    return DataError(what, path=path, where=f"figure {number}", remedy="mend the suite")
