"""What a report's page says of each model by itself: where it stands, and the results of each of its runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from genrezoo.report.benchmark.records import Entry, RepeatedEntry
from genrezoo.report.style.number_format import nats, percent

SCORES: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("test_accuracy", "Accuracy (%)", percent),
    ("test_macro_f1", "Macro F1 (%)", percent),
    ("test_log_loss", "Log loss (nats)", nats),
    ("test_calibration_error", "Calibration error (%)", percent),
    ("valid_accuracy_kept", "Valid. accuracy (%)", percent),
    ("epochs", "Epochs", "{:.0f}".format),
)
"""What is shown of each run: name among an entry's measured values, heading, and how it is written."""


def anchors(entries: Sequence[Entry | RepeatedEntry], place: str) -> dict[str, str]:
    """The id of each model's card on the page, by the model's name.

    Args:
        entries: Of one board; their names differ.
        place: What the ids begin with.
    """
    return {entry.name: f"{place}-{number}" for number, entry in enumerate(entries, 1)}


def runs_table(entry: Entry | RepeatedEntry) -> list[list[tuple[str, str]]]:
    """The results of each run of an entry, or on each split, as a grid of texts with their intervals, which are empty.

    Args:
        entry: Of a leaderboard, or of repeated splits.
    """
    if isinstance(entry, RepeatedEntry):
        heads = ["Split", "Accuracy (%)"]
        rows = [[str(number), percent(value)] for number, value in entry.accuracies.items()]
    else:
        shown = [score for score in SCORES if score[0] in entry.measured]
        heads = ["Seed", *(heading for _, heading, _ in shown)]
        rows = [
            [str(seed), *(write(entry.measured[name][place]) for name, _, write in shown)]
            for place, seed in enumerate(entry.seeds)
        ]
    return [[(text, "") for text in row] for row in (heads, *rows)]
