"""``genrezoo show``: everything known about one name."""

from __future__ import annotations

import inspect
import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from genrezoo.errors import UnknownNameError
from genrezoo.registry import COMPOSITIONS, DATASETS, MODELS, PROCEDURES
from genrezoo.weights import WEIGHTS, weights_path


def show(
    name: Annotated[str, typer.Argument(help="Name of anything that `genrezoo list` lists.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the options, defaults and reference of a model, recipe or anything else that `genrezoo list` lists.

    Example: genrezoo show snippet_lstm
    """
    facts = describe(name)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    console = Console()
    for kind, about in facts.items():
        table = Table(title=f"{kind} {name}", title_justify="left", title_style="bold", show_header=False, box=None)
        for key, value in about.items():
            if value not in ("", [], {}, None):
                table.add_row(key.replace("_", " "), escape(_text(value)))
        console.print(table)


def describe(name: str) -> dict[str, dict[str, Any]]:
    """What each registry knows of a name, as plain data.

    Raises:
        UnknownNameError: No registry knows it.
    """
    from genrezoo.benchmarking import list_suites, load_suite  # here, so that --help does not wait for them
    from genrezoo.benchmarking.tuned_baselines import ALL_BASELINES
    from genrezoo.recipes import RECIPES
    from genrezoo.tuning import list_search_plans, load_search_plan

    facts: dict[str, dict[str, Any]] = {}
    registries = (MODELS, COMPOSITIONS, PROCEDURES, DATASETS)
    for registry in registries:
        if name in registry.names():
            entry = registry.get(name)
            options = {
                key: repr(option.default)
                for key, option in inspect.signature(entry.call).parameters.items()
                if option.kind is option.KEYWORD_ONLY and registry is not PROCEDURES
            }
            if entry.settings is not None:
                fields = entry.settings.model_fields  # type: ignore[attr-defined]  # it is a pydantic model
                options = {key: repr(field.default) for key, field in fields.items()}
            facts[registry.kind] = {**entry.describe(), "options": options}
    if name in RECIPES.names():
        facts["recipe"] = RECIPES.get(name).model_dump(mode="json")
    if name in list_search_plans():
        facts["search plan"] = load_search_plan(name).model_dump(mode="json")
    if name in WEIGHTS.names():
        facts["weights"] = {**WEIGHTS.get(name).describe(), "in_the_cache": weights_path(name).is_file()}
    if name in list_suites():
        facts["suite"] = load_suite(name).model_dump(mode="json")
    if name in ALL_BASELINES:
        one = ALL_BASELINES[name]
        facts["baseline"] = {"name": name, "summary": one.summary, "seeded": one.seeded, "settings": one.settings}
    if not facts:
        known = {known for registry in (*registries, WEIGHTS) for known in registry.names()}
        known |= {*RECIPES.names(), *list_search_plans(), *list_suites(), *ALL_BASELINES}
        raise UnknownNameError("name", name, known)
    return facts


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {part}" for key, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
