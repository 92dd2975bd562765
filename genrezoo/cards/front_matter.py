"""The head of a model card: plain data as YAML, in which every text is a quoted JSON string and so stays text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
"""What JSON leaves in a string and YAML refuses there, or takes for the end of a line."""


def front_matter(values: Mapping[str, Any]) -> str:
    """Plain data between two lines of dashes, as the Hugging Face Hub reads it.

    Args:
        values: Texts, numbers, lists and tables; keys are plain words. Fractions are written with four decimals. What
            is None or empty is left out.

    Example:
        >>> print(front_matter({"tags": ["music", "a: b"], "seed": 1, "datasets": []}), end="")
        ---
        tags:
        - "music"
        - "a: b"
        seed: 1
        ---
    """
    return "".join(f"{line}\n" for line in ("---", *_lines(values, ""), "---"))


def _lines(values: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping | list):
            if value:
                yield f"{indent}{key}:"
                yield from _lines(value, f"{indent}  ") if isinstance(value, Mapping) else _items(value, indent)
        elif value is not None:
            yield f"{indent}{key}: {_scalar(value)}"


def _items(values: list[Any], indent: str) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping):
            first, *rest = _lines(value, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{indent}- {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"  # PyYAML takes JSON's 1e-05 for a text
    text = json.dumps(value, ensure_ascii=False)  # JSON's pairs of escapes are no letter in YAML
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
