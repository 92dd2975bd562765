"""One HTML file with a whole report: it needs no network and no other file, and escapes all names."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
import re
from typing import Any

import jinja2
from markupsafe import Markup, escape

from genrezoo.report.style import number_format
from genrezoo.report.style.columns import used_columns
from genrezoo.report.style.drawing import GROUND, INK, Plot

SCRIPTS = ("sort.js", "filter.js", "reveal.js", "tips.js")


def fill(template: str, **shown: Any) -> str:
    """Renders the template of a page.

    Args:
        template: Path of a file in ``genrezoo/report``; it extends ``style/frame.html.jinja``.
        **shown: The variables of the template.

    Returns:
        HTML. All text is escaped, and the page's policy allows its own script only.
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
    script = "".join((folder / "style" / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return environment.get_template(template).render(
        style=Markup((folder / "style/page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        number_format=number_format,
        used=used_columns,
        **shown,
    )


def inline(plot: Plot) -> Markup:
    """Returns a figure's SVG for HTML: of flexible width, in the page's colours, with a name for screen readers."""
    head, rest = plot.svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    svg = f'<svg role="img" aria-label="{escape(plot.title)}" {box.group() if box else ""}>{rest}'
    return Markup(svg.replace("xlink:href", "href").replace(INK, "currentColor").replace(GROUND, "var(--ground)"))


def breakable(name: str) -> Markup:
    """Returns an escaped name that a narrow column breaks only after underscores."""
    return Markup(escape(name).replace("_", Markup("_<wbr>")))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)
