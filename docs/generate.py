"""Writes what the documents take from the package: tables of models, recipes and systems, reference of the commands.

Run it after a model, a recipe or a command changed, from any folder: ``python docs/generate.py``. The tests compare the
files with what it would write, so forgetting it fails.
"""

from __future__ import annotations

import enum
import functools
import inspect
import json
import re
import tomllib
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from leaderboards import leaderboards_page, measured_json
from typer.models import ArgumentInfo

from genrezoo import card, files
from genrezoo.benchmarking import list_suites, load_suite
from genrezoo.cards.docstrings import as_markdown, introduction
from genrezoo.cli import app
from genrezoo.models import SHARED
from genrezoo.recipes import RECIPES
from genrezoo.registry import COMPOSITIONS, MODELS, PROCEDURES, Entry
from genrezoo.tuning import list_search_plans, load_search_plan
from genrezoo.weights import WEIGHTS

TOP = Path(__file__).resolve().parents[1]
MEASURED = TOP / "genrezoo" / "cards" / "measured.json"
VALUES = {int: "N", float: "X", Path: "PATH"}
WARNING = "<!-- Written by docs/generate.py; edit the docstrings or the help texts instead. -->"


def documents() -> dict[Path, Callable[[], str]]:
    """Every file with a generated part, and what makes the whole content that it should have."""
    builders = [*MODELS.members(), *COMPOSITIONS.members()]
    pages: dict[str, Callable[[], str]] = {
        "README.md": lambda: with_part("README.md", "models", models_table(builders, "docs/models")),
        "docs/models.md": models_page,
        "docs/cards.md": cards_page,
        "docs/commands.md": commands_page,
        "docs/systems.md": systems_page,
        "docs/leaderboards.md": leaderboards_page,
        "docs/export.md": lambda: with_part("docs/export.md", "parity", parity_table()),
        "docs/benchmark.md": lambda: with_part("docs/benchmark.md", "suites", suites_table()),
        "docs/tuning.md": lambda: with_part("docs/tuning.md", "searches", searches_table()),
        **{f"docs/models/{one.name}.md": functools.partial(card_page, one.name) for one in builders},
    }
    # what was measured comes first, because the cards are made of it
    return {MEASURED: measured_json, **{TOP / name: make for name, make in pages.items()}}


def with_part(document: str, name: str, content: str) -> str:
    """A document's text with ``content`` between the comments ``NAME: begin`` and ``NAME: end``."""
    text = (TOP / document).read_text(encoding="utf-8")
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"no {begin.strip()} … {end} in the text")
    return f"{before}{begin}{content}{end}{after}"


def models_table(entries: list[Entry], folder: str) -> str:
    """One line a model: its name with a link to its card, what it is, and what it can take.

    Args:
        entries: Models or compositions.
        folder: Of the cards, as the page of the table sees it.
    """
    rows = [
        [f"[`{e.name}`]({folder}/{e.name}.md)", e.summary, as_word(e.masks_padding), as_word(e.any_length)]
        for e in entries
    ]
    return table(["model", "what it is", "masks padding", "any length"], rows)


def parity_table() -> str:
    """One line a model, with how near its exports are to it, and below why there is none."""
    rows = files.read_json(TOP / "benchmarks" / "results" / "export_parity.json")["rows"]
    formats = list(dict.fromkeys(row["format"] for row in rows))
    names = [*MODELS.names(), *COMPOSITIONS.names()]
    cells: dict[str, dict[str, str]] = {name: {} for name in names}
    reasons: list[str] = []
    for row in rows:
        reason = row.get("reason", "").partition(": ")[2].partition(". ")[0]
        if reason and reason not in reasons:
            reasons.append(reason)
        cell = (
            f"no ({reasons.index(reason) + 1})" if reason else f"{row['difference']:.0e}" if row["difference"] else "0"
        )
        cells.setdefault(row["model"], {})[row["format"]] = cell
    lines = [[f"`{name}`", *(found.get(one, "not measured") for one in formats)] for name, found in cells.items()]
    notes = "".join(f"\n({number}) {reason}.\n" for number, reason in enumerate(reasons, start=1))
    return table(["model", *(f"`{format}`" for format in formats)], lines) + notes


def suites_table() -> str:
    """One line a suite that comes with the package."""
    suites = [load_suite(name) for name in list_suites()]
    return table(
        ["suite", "what it is", "trainings"],
        [[f"`{one.name}`", one.summary, f"{one.seeds * len(one.entrants)}"] for one in suites],
    )


def searches_table() -> str:
    """One line a search plan that comes with the package."""
    plans = [load_search_plan(name) for name in list_search_plans()]
    return table(
        ["plan", "what it is", "tuner", "trials"],
        [[f"`{one.name}`", one.summary, one.tuner, str(one.budget or "all")] for one in plans],
    )


def models_page() -> str:
    """Models, compositions, recipes and procedures, each with its options or settings."""
    parts = [
        f"{WARNING}\n",
        "# Models, compositions, recipes and procedures\n",
        "A model is built by `gz.create_model(NAME, input_shape, num_classes, ...)`. Its card lists its "
        "options, all of them keywords, the recipes that train it, and its results; `genrezoo card NAME` prints it. "
        "*Masks padding* means that padded segments have no influence on the prediction, *any length* that one model "
        "takes songs of any number of segments.\n",
        "These arguments have the same meaning in all models:\n",
        table(["argument", "meaning"], [[f"`{name}`", meaning] for name, meaning in SHARED.items()]),
        "## Models\n",
        models_table(MODELS.members(), "models"),
        "## Compositions\n",
        "A composition is built of other models, its members: `build_NAME(members, input_shape, num_classes, ...)`. A "
        "recipe names its members; each is trained first, or passed as a finished run. A composition takes the "
        "inputs that all its members take.\n",
        models_table(COMPOSITIONS.members(), "models"),
        "## Recipes\n",
        "A recipe is a model, its options, a procedure and its settings under one name; `genrezoo show NAME` prints it "
        "whole. Reported results come from the references, on their data, and never from genrezoo.\n",
        table(
            ["recipe", "what it is", "model", "procedure", "reference", "reported there"],
            [
                [f"`{r.name}`", r.summary, f"`{r.model}`", f"`{r.procedure}`", r.reference, _figures(r.reported)]
                for r in RECIPES.members()
            ],
        ),
        "## Procedures\n",
        *(_procedure(entry) for entry in PROCEDURES.members()),
    ]
    return "\n".join(parts)


def cards_page() -> str:
    """The cards of all published weights."""
    parts = [
        WARNING.replace("the docstrings or the help texts", "genrezoo/weights"),
        "# Cards of published weights",
        "`genrezoo card NAME` prints the card of published weights or of a [model](models.md), `genrezoo card RUN` "
        "that of a run, in the form that the Hugging Face Hub shows; see [runs](runs.md#the-card).",
    ]
    for weights in WEIGHTS.members():
        text = re.sub("^#", "##", with_visible_head(card(weights.name)), flags=re.MULTILINE)
        parts.append(text.replace("```python", "<!-- downloads -->\n```python").strip())
    return "\n\n".join(parts) + "\n"


def card_page(name: str) -> str:
    """The card of a model."""
    return f"{WARNING}\n\n{with_visible_head(card(name))}"


def with_visible_head(text: str) -> str:
    """A card whose head is a block of code below its title: the site would take it for its own settings."""
    _, head, text = text.split("---\n", maxsplit=2)
    title, _, text = text.strip().partition("\n")
    return f"{title}\n\n```yaml\n{head}```\n\n{text.strip()}\n"


def systems() -> dict[str, Any]:
    """``docs/systems.toml``: the documents by letter, and the systems that they describe."""
    return tomllib.loads((TOP / "docs" / "systems.toml").read_text(encoding="utf-8"))


def systems_page() -> str:
    """What the documents describe: where each system is found here, its settings there, and where ours differ."""
    content = systems()
    parts = [
        f"{WARNING.replace('the docstrings or the help texts', 'systems.toml')}\n",
        "# Systems\n",
        "What the documents describe, and where it is: the model or composition, the procedure that trains it, the "
        "recipe, the suite that measures it (`genrezoo benchmark SUITE --data SONGS`) or the search plan that is it "
        "(`genrezoo tune PLAN --data SONGS --out FOLDER`), and a test that would fail if it were wrong. The ids are a "
        "document's letter and the order in it. Below each table stand the settings that the document states, each "
        "with its passage, and what is different here; tests hold every recipe, suite and search against them. A "
        "probability of keeping a unit is written as the rate of dropping it.\n",
    ]
    for letter, document in content["documents"].items():
        found = [one for one in content["system"] if one["document"] == letter]
        rows = [
            [
                one["id"],
                one["system"],
                *(_code(one.get(column)) for column in ("model", "procedure", "recipe", "suite")),
                ", ".join(map(_code, one.get("searches", ()))),
                _code(one.get("function")),
                f"[{one['test'].rpartition('::')[2]}](../{one['test'].partition('::')[0]})",
            ]
            for one in found
        ]
        head = ["id", "system", "model", "procedure", "recipe", "suite", "search", "function", "test"]
        parts += [f"## Document {letter}\n", f"{document['title']}\n", table(head, rows)]
        stated = [
            [one["id"], _about(part), f"{part['section']}: “{part['quote']}”", _settings(part)]
            for one in found
            for part in one.get("source", ())
        ]
        parts += [f"### Settings of document {letter}\n", table(["id", "of", "passage", "settings"], stated)]
        ours = [
            [one["id"], _about(part), part.get("what") or _settings(part), part["reason"]]
            for one in found
            for part in (*one.get("differs", ()), *one.get("own", ()))
        ]
        parts += [
            f"### What differs from document {letter}, or is not said there\n",
            table(["id", "of", "here", "reason"], ours),
        ]
    rows = [[_about(part), _settings(part), part["reason"]] for part in content["own"]]
    parts += ["## Settings of our own\n", table(["of", "settings", "reason"], rows)]
    return "\n".join(parts)


def _about(part: dict[str, Any]) -> str:
    """The recipes, suites or searches that a record of the table is about."""
    kinds = (("recipes", "recipe"), ("suites", "suite"), ("searches", "search"))
    named = [(one, part.get(many, [part[one]] if one in part else [])) for many, one in kinds]
    return "; ".join(
        f"every {kind}" if names == ["*"] else f"{kind} {', '.join(map(_code, names))}"
        for kind, names in named
        if names
    )


def _settings(part: dict[str, Any]) -> str:
    return ", ".join(f"`{name} = {json.dumps(value)}`" for name, value in part["settings"].items())


def commands_page() -> str:
    """Every command with its help, arguments and options."""
    parts = [WARNING, "# Commands"]
    for command in commands():
        heading = f"## `{command.path}`\n\n" if command.path != "genrezoo" else ""
        parts.append(f"{heading}{as_markdown(command.help)}")
        if command.parameters:
            rows = [[f"`{p.spelling}`", p.default, p.help] for p in command.parameters]
            parts.append(table(["argument or option", "default", "meaning"], rows).rstrip())
    return "\n\n".join(parts) + "\n"


@dataclass(frozen=True)
class Parameter:
    """An argument or option of a command.

    Attributes:
        names: How an option is written, or an argument's one name in capitals.
        value: What the option takes, empty for a flag.
        choices: The values that it takes, if they are few.
        several: Whether it may be repeated.
        default: As the table shows it.
        help: Its help text.
    """

    names: tuple[str, ...]
    value: str
    choices: tuple[str, ...]
    several: bool
    default: str
    help: str

    @property
    def is_option(self) -> bool:
        """Whether it is written with a dash."""
        return self.names[0].startswith("-")

    @property
    def spelling(self) -> str:
        """Names and value as one would type them."""
        names = ", ".join(self.names)
        value = f" {'|'.join(self.choices) or self.value}" if self.is_option and self.value else ""
        return f"{names}{value}{' …' if self.several else ''}"


@dataclass(frozen=True)
class Command:
    """A command, or a group of them (which can have options of its own)."""

    path: str
    help: str
    parameters: tuple[Parameter, ...]
    is_group: bool


def commands(group: typer.Typer = app, path: str = "genrezoo") -> Iterator[Command]:
    """The group and every command below it, single commands first."""
    own = group.registered_callback.callback if group.registered_callback else None
    yield Command(path, group.info.help or "", _parameters(own) if own else (), is_group=True)
    for info in group.registered_commands:
        assert info.callback is not None  # typer keeps the function that it decorated
        name = info.name or info.callback.__name__.replace("_", "-")
        text = "\n\n".join(filter(None, [inspect.cleandoc(info.help or info.callback.__doc__ or ""), info.epilog]))
        yield Command(f"{path} {name}", text, _parameters(info.callback), is_group=False)
    for below in group.registered_groups:
        assert below.typer_instance is not None  # as above
        yield from commands(below.typer_instance, f"{path} {below.name}")


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _procedure(entry: Entry) -> str:
    fields = entry.settings.model_fields if entry.settings else {}  # type: ignore[attr-defined]  # a pydantic model
    rows = [[f"`{name}`", f"`{field.default!r}`", field.description or ""] for name, field in fields.items()]
    return (
        f"### {entry.name}\n\n{introduction(entry.call)}\n\n"
        f"Reference: {entry.reference.rstrip('.')}.\n\n{table(['setting', 'default', 'meaning'], rows)}"
    )


def _parameters(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """What Typer makes of a function's signature: annotations say the kind, defaults whether it may be left out."""
    hints = typing.get_type_hints(function, include_extras=True)
    return tuple(_parameter(name, hints[name], p.default) for name, p in inspect.signature(function).parameters.items())


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    kind, info = typing.get_args(hint)
    if isinstance(kind, types.UnionType):
        (kind,) = [part for part in typing.get_args(kind) if part is not type(None)]
    several = typing.get_origin(kind) is list
    if several:
        (kind,) = typing.get_args(kind)
    choices = tuple(str(member.value) for member in kind) if issubclass(kind, enum.Enum) else ()
    dashed = name.replace("_", "-")
    stated = (*([info.default] if isinstance(info.default, str) else []), *(info.param_decls or ()))
    if isinstance(info, ArgumentInfo):
        names, value = (info.metavar or name.upper(),), "TEXT"
    elif kind is bool:
        names, value = stated or (f"--{dashed}", f"--no-{dashed}"), ""
    else:
        names, value = stated or (f"--{dashed}",), info.metavar or VALUES.get(kind, "TEXT")
    shown = default.value if isinstance(default, enum.Enum) else default
    if default is inspect.Parameter.empty:
        text = "required"
    else:
        text = f"`{shown}`" if isinstance(shown, str | int | float) and not isinstance(shown, bool) else ""
    return Parameter(names, value, choices, several, text, " ".join((info.help or "").split()))


def _figures(reported: Any) -> str:
    return "; ".join(f"{name} {figure}" for name, figure in reported.items())


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def as_word(value: bool) -> str:
    """Yes or no."""
    return "yes" if value else "no"


if __name__ == "__main__":
    for path, make in documents().items():
        files.write_text(path, make())
        print(path.relative_to(TOP))
