"""What docstrings say, as Markdown: cards and the documents' tables of options are made of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any


def introduction(call: Callable[..., Any]) -> str:
    """What a docstring says before its first section."""
    return as_markdown(re.split(r"^\w+:$", inspect.getdoc(call) or "", maxsplit=1, flags=re.MULTILINE)[0])


def arguments_of(call: Callable[..., Any]) -> dict[str, str]:
    """What the section ``Args`` of a docstring says about each argument, on one line each.

    Example:
        >>> arguments_of(introduction)
        {}
    """
    _, _, rest = (inspect.getdoc(call) or "").partition("\nArgs:\n")
    section = re.split(r"\n(?=\S)", rest, maxsplit=1)[0]
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section, flags=re.MULTILINE)
    return {name: as_markdown(" ".join(text.split())) for name, text in found}


def example_shape(call: Callable[..., Any]) -> str:
    """The input shape that the example in a builder's docstring builds for; empty without an example."""
    found = re.search(rf"{call.__name__}\((\([^()]*\)),", inspect.getdoc(call) or "")
    return found[1] if found else ""


def as_markdown(text: str | None) -> str:
    r"""The text of a docstring or a help as Markdown.

    Each paragraph becomes one line, lists stay lists, and the example of a command becomes a block of code.

    Example:
        >>> as_markdown("Reads ``x``,\n    all of it.")
        'Reads `x`, all of it.'
    """
    text = inspect.cleandoc(text or "").strip().replace("``", "`")
    paragraphs = [re.sub(r"\n(?!\s*- )\s*", " ", paragraph) for paragraph in re.split(r"\n\s*\n", text)]
    return "\n\n".join(re.sub(r"^Example: (.*)$", "```bash\n\\1\n```", paragraph) for paragraph in paragraphs)
