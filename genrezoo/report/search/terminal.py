"""A search on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from genrezoo.report.search import captions
from genrezoo.report.search.records import epochs_of, read_search
from genrezoo.report.search.tables import failed_trials, first_line, front_trials
from genrezoo.report.style.number_format import duration, plain, significant
from genrezoo.report.style.terminal import terminal_table


def print_search(folder: str | Path, console: Console | None = None, most: int = 10) -> None:
    """Prints a search as a table of its best trials, at most 100 letters wide.

    Args:
        folder: Folder of the search.
        console: The console; the terminal if left out.
        most: Largest number of trials in the table.

    Raises:
        DataError: The folder holds no search.
    """
    console, search = console or Console(), read_search(folder)
    console.print(Text(captions.headline(search), style="bold"))
    for item in captions.facts(search):
        if not item.startswith("checksum"):  # long, and in the files
            console.print(Text(f"  {item}", style="dim"))
    for item in captions.cautions(search):
        console.print(Text(f"  Caution: {item}", style="yellow"))
    ranked = search.journal.ranked
    shown = front_trials(search) or ranked[:most]
    if shown:
        timed = any(trial.latency_ms is not None for trial in shown)
        score = search.score.title.removeprefix("Validation ").capitalize()
        heads = ["Trial", score, *["Latency (ms)"] * timed, "Epochs", "Time", "Values"]
        rows = [
            [
                str(trial.number), search.text(trial.score), *[significant(trial.latency_ms)] * timed,
                plain(epochs_of(trial)), duration(trial.seconds),
                f"{search.named(trial)}{' (the recipe’s own)' if trial.by == 'recipe' else ''}",
            ]
            for trial in shown
        ]  # fmt: skip
        console.print(terminal_table(heads, rows, left=[len(heads) - 1]))
        if len(ranked) > len(shown) and not search.pareto:
            console.print(Text(f"The best {len(shown)} of {plain(len(ranked))} completed trials.", style="dim"))
    alike: dict[str, list[str]] = {}
    for trial in failed_trials(search):
        alike.setdefault(first_line(trial.error), []).append(str(trial.number))
    for error, numbers in alike.items():
        which = f"trial{'s' * (len(numbers) > 1)} {', '.join(numbers)}"
        console.print(Text(f"Failed: {which}: {error or 'the reason is unknown'}"))
    console.print(Text(f"\n{captions.summary(search)}\n"))
