"""What the site's builder does beyond its settings, which are in mkdocs.yml."""

from __future__ import annotations

import re
from typing import Any

import griffe

OUTSIDE = re.compile(r"\[([^\]]*)\]\((?:\.\./)+(?:tests|genrezoo|examples|benchmarks|[A-Z]+\.md|LICENSE)[^)]*\)")


def on_page_markdown(markdown: str, *, page: Any, **options: Any) -> str:
    """Leaves the text alone of links to files of the repository that are no pages: a built site does not hold them."""
    return OUTSIDE.sub(r"\1", markdown)


class Example(griffe.Extension):
    """Lets a docstring's section ``Example`` be read as one of examples, like ``Examples``."""

    def on_instance(self, *, obj: griffe.Object, **options: Any) -> None:
        """Renames the section before the docstring is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
