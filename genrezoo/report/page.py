"""One HTML file that holds a whole report: it needs no network, no other file, and no trust in the names in it."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from genrezoo.report import columns, numbers, words
from genrezoo.report.columns import Column, Of
from genrezoo.report.drawing import GROUND, INK
from genrezoo.report.figures import Drawing
from genrezoo.report.records import Leaderboard
from genrezoo.report.rows import Source
from genrezoo.report.study_tables import StudyTable


def page(
    board_list: Leaderboard,
    drawings: Sequence[Sequence[Drawing | StudyTable]],
    together: Sequence[StudyTable] = (),
) -> str:
    """Renders the page.

    Args:
        board_list: The boards.
        drawings: The figures of each board, and the tables that suites ask for.
        together: Tables over all boards.

    Returns:
        HTML. All text from rows is escaped, and a policy in the page lets the browser run its own script only.
    """
    return fill(
        "report.html.jinja",
        report=board_list,
        drawings=drawings,
        together=together,
        columns=columns,
        words=words,
        command=command,
    )


def fill(template: str, **shown: Any) -> str:
    """Fills the template of a page, giving it what all pages share.

    Args:
        template: Name of a file beside this one; it extends ``frame.html.jinja``.
        **shown: What stands on the page.
    """
    folder = importlib.resources.files("genrezoo.report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"inline": inline, "json": _json, "breakable": breakable}
    script = (folder / "sort.js").read_text(encoding="utf-8")
    return environment.get_template(template).render(
        style=Markup((folder / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        numbers=numbers,
        used=_used,
        **shown,
    )


def inline(drawing: Drawing) -> Markup:
    """A figure's SVG for use inside HTML: as wide as its place, in the page's ink, with a name for screen readers."""
    head, rest = drawing.svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    svg = f'<svg role="img" aria-label="{escape(drawing.title)}" {box.group() if box else ""}>{rest}'
    return Markup(svg.replace("xlink:href", "href").replace(INK, "currentColor").replace(GROUND, "var(--ground)"))


def breakable(name: str) -> Markup:
    """A name, escaped, that a narrow column breaks after its underscores instead of anywhere."""
    return Markup(escape(name).replace("_", Markup("_<wbr>")))


def command(source: Source) -> str:
    """The command that runs a folder's suite again, with all its options: the folder keeps it as ``suite.json``."""
    folder = Path(source.folder)
    return shlex.join(["genrezoo", "benchmark", str(folder / "suite.json"), "--out", f"{folder}-again"])


def _used(some: Sequence[Column[Of]], lines: Sequence[Of]) -> list[Column[Of]]:
    """The columns that at least one line fills."""
    return [column for column in some if any(column.order(line) is not None for line in lines)]


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)
