"""Changes every constant of every recipe, suite and search, one at a time, and says which change no fact notices.

The facts are those of ``docs/systems.toml``, which hold the values that the source documents state; ``tests/recipes``
compares all recipes with them. Changed are, in memory: each constant in the files of recipes; each setting of each
recipe, among them the defaults of builders and procedures that a recipe leaves out; each value in the files of suites
and searches. Nothing is trained; it takes seconds.

Values that change no training, and choices that a suite makes by itself where its document says nothing (which songs,
how many seeds), are counted as not held; ``--free`` lists the numbers among them.

Usage: python benchmarks/mutate_constants.py [--free]
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "recipes"))

import facts  # noqa: E402  of the tests
import mutations  # noqa: E402


def main() -> int:
    """Prints a line for each kind of constant and the changes that were missed."""
    parts = {
        "constants in files of recipes": merged(mutations.of_file(path) for path in mutations.FILES),
        "settings of recipes, with defaults": merged(mutations.of_settings(name) for name in mutations.ALL),
        **{
            f"values in files of {facts.KINDS[kind]}": merged(
                mutations.of_shipped(kind, name) for name in facts.shipped(kind)
            )
            for kind in ("suite", "search")
        },
    }
    missed = 0
    for what, results in parts.items():
        found = {answer: [name for name, one in results.items() if one is answer] for answer in (True, False, None)}
        counts = f"{len(found[True])} noticed, {len(found[False])} missed, {len(found[None])} not held"
        print(f"{what}: {len(results)} changed, {counts}")
        for name in found[False]:
            print(f"  missed: {name}")
        for name in found[None] if "--free" in sys.argv else ():
            print(f"  not held: {name}")
        missed += len(found[False])
    return int(missed > 0)


def merged(parts: Iterable[dict[str, bool | None]]) -> dict[str, bool | None]:
    """All results in one."""
    return {name: noticed for part in parts for name, noticed in part.items()}


if __name__ == "__main__":
    raise SystemExit(main())
