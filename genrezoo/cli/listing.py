"""``genrezoo list``: what there is, by name."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from genrezoo.cli.backend import load_keras


class Kind(StrEnum):
    """What can be listed."""

    models = "models"
    compositions = "compositions"
    procedures = "procedures"
    recipes = "recipes"
    datasets = "datasets"


def list_members(
    pattern: Annotated[str, typer.Argument(help="Shell pattern, e.g. '*lstm*'.")] = "*",
    kind: Annotated[Kind, typer.Option(help="What to list.")] = Kind.models,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List models, compositions, procedures, recipes or data sets.

    Example: genrezoo list '*lstm*'
    """
    load_keras()
    from genrezoo.recipes import RECIPES  # here, so that --help does not wait for Keras
    from genrezoo.registry import COMPOSITIONS, DATASETS, MODELS, PROCEDURES

    registry = {
        Kind.models: MODELS,
        Kind.compositions: COMPOSITIONS,
        Kind.procedures: PROCEDURES,
        Kind.recipes: RECIPES,
        Kind.datasets: DATASETS,
    }[kind]
    members = registry.members(pattern)  # type: ignore[attr-defined]  # a union of registries
    if as_json:
        typer.echo(json.dumps([{"name": member.name, "summary": member.summary} for member in members], indent=2))
        return
    table = Table("name", "summary", "reference", box=None, header_style="bold")
    for member in members:
        table.add_row(member.name, member.summary, member.reference)
    Console().print(table if members else f"no {kind.value} match {pattern!r}")
