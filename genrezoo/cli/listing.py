"""``genrezoo list``: what there is, by name."""

from __future__ import annotations

import fnmatch
import json
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from genrezoo.registry import COMPOSITIONS, DATASETS, MODELS, PROCEDURES, Registry
from genrezoo.weights import WEIGHTS


class Kind(StrEnum):
    """What can be listed."""

    models = "models"
    compositions = "compositions"
    procedures = "procedures"
    recipes = "recipes"
    datasets = "datasets"
    searches = "searches"
    weights = "weights"
    suites = "suites"
    baselines = "baselines"


REGISTRIES: dict[Kind, Registry[Any]] = {
    Kind.models: MODELS,
    Kind.compositions: COMPOSITIONS,
    Kind.procedures: PROCEDURES,
    Kind.datasets: DATASETS,
    Kind.weights: WEIGHTS,
}


def list_members(
    pattern: Annotated[str, typer.Argument(help="List only names that match this shell pattern, e.g. '*lstm*'.")] = "*",
    kind: Annotated[Kind, typer.Option(help="What to list.")] = Kind.models,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List models, compositions, procedures, recipes, data sets, search plans, weights, suites or baselines.

    Example: genrezoo list '*lstm*'
    """
    members: list[Any]
    if kind is Kind.searches:
        from genrezoo.tuning import list_search_plans, load_search_plan  # here, so that other kinds do not wait for it

        members = [load_search_plan(name) for name in fnmatch.filter(list_search_plans(), pattern)]
    elif kind is Kind.suites:
        from genrezoo.benchmarking import list_suites, load_suite

        members = [load_suite(name) for name in fnmatch.filter(list_suites(), pattern)]
    elif kind is Kind.baselines:
        from genrezoo.benchmarking.tuned_baselines import ALL_BASELINES

        members = [ALL_BASELINES[name] for name in fnmatch.filter(ALL_BASELINES, pattern)]
    elif kind is Kind.recipes:
        from genrezoo.recipes import RECIPES

        members = RECIPES.members(pattern)
    else:
        members = REGISTRIES[kind].members(pattern)
    if as_json:
        typer.echo(json.dumps([{"name": member.name, "summary": member.summary} for member in members], indent=2))
        return
    table = Table("name", "summary", "reference", box=None, header_style="bold")
    for member in members:
        table.add_row(escape(member.name), escape(member.summary), escape(getattr(member, "reference", "")))
    Console().print(table if members else escape(f"no {kind.value} match {pattern!r}"))
