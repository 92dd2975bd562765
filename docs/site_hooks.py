"""What the site's builder does beyond its settings, which are in mkdocs.yml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe

OUTSIDE = re.compile(r"\[([^\]]*)\]\((?:\.\./)+(?:tests|genrezoo|examples|benchmarks|[A-Z]+\.md|LICENSE)[^)]*\)")


def on_config(config: Any) -> None:
    """Adds the cards of the models, one page each, to their place in the navigation."""
    folder = Path(config.docs_dir)
    cards = [{path.stem: path.relative_to(folder).as_posix()} for path in sorted((folder / "models").glob("*.md"))]
    (pages,) = [section["Models"] for section in config.nav if "Models" in section]
    pages.insert(pages.index("models.md") + 1, {"Cards of models": cards})


def on_page_markdown(markdown: str, *, page: Any, **options: Any) -> str:
    """Leaves the text alone of links to files of the repository that are no pages: a built site does not hold them."""
    return OUTSIDE.sub(r"\1", markdown)


class Example(griffe.Extension):
    """Lets a docstring's section ``Example`` be read as one of examples, like ``Examples``."""

    def on_instance(self, *, obj: griffe.Object, **options: Any) -> None:
        """Renames the section before the docstring is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
