"""The cards of models on a report's page: links to them, and tables of the results of each run."""

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
"""The results of each run: name in `Entry.measured`, heading, and format."""


def anchors(entries: Sequence[Entry | RepeatedEntry], place: str) -> dict[str, str]:
    """Returns the id of each model's card on the page by the model's name.

    Args:
        entries: The entries of one board, whose names differ.
        place: Prefix of the ids.
    """
    return {entry.name: f"{place}-{number}" for number, entry in enumerate(entries, 1)}


def runs_table(entry: Entry | RepeatedEntry) -> list[list[tuple[str, str]]]:
    """Returns the results of each run of an entry, or on each of its repeated splits, as the cells of a table.

    Args:
        entry: The entry.

    Returns:
        Rows, headings first; each cell is a text and an empty interval.
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
