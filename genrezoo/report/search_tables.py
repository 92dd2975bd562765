"""The tables of a search: its settings, its trials, in the page, as Markdown, as CSV, and on the terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from genrezoo.report import numbers
from genrezoo.report import search_words as words
from genrezoo.report.columns import Column, Value
from genrezoo.report.markup import bullets, column_table, escaped, harmless, pipe_table
from genrezoo.report.search_records import Searched, Setting, epochs_of, read_search
from genrezoo.report.study_lines import text_of
from genrezoo.trials import Trial

_ORDER = ("completed", "stopped", "running", "infeasible", "failed")
MOST_MARKDOWN = 50
"""Trials in the Markdown file; the CSV file holds all of them."""


def trial_columns(search: Searched) -> list[Column[Trial]]:
    """The columns of the table of trials."""
    kind = search.score
    parts = "In brackets: 95 % interval of Student's t over folds or seeds." if _has_parts(search) else ""
    return [
        Column("trial", "Trial", "In the order of asking, from 0.", lambda trial: float(trial.number)),
        Column("status", "Status", "How it ended.", lambda trial: trial.status, look="text"),
        Column(
            "score",
            kind.title,
            f"The objective: {words.objective(search)}. {parts}".rstrip(),
            search.estimate,
            numbers.percent if kind.scale == 100 else numbers.nats,
        ),
        Column(
            "latency_ms", "Latency (ms)", "Processor time for one song.", _number("latency_ms"), numbers.significant
        ),
        *(_setting_column(setting) for setting in search.settings),
        Column("epochs", "Epochs", "Reached by its training.", lambda trial: float(epochs_of(trial) or 0) or None),
        Column("origin", "Goes on from", "Trial whose training it goes on with.", _number("origin")),
        Column("parameters", "Parameters", "Numbers in the model.", _number("parameters"), numbers.count),
        Column("seconds", "Time", "On the wall.", _number("seconds"), numbers.duration),
        Column("attempts", "Attempts", "How often it was started.", lambda trial: float(trial.attempts)),
        Column("by", "Suggested by", "Tuner, recipe's own values, or earlier search.", lambda t: t.by, look="text"),
        Column("error", "Error", "Why it failed.", lambda t: _first_line(t.error) or None, look="text prose"),
    ]


def ordered(search: Searched) -> list[Trial]:
    """All trials, the best first, then those without a score that counts."""
    rank = {trial.number: place for place, trial in enumerate(search.journal.ranked)}
    return sorted(search.trials, key=lambda one: (_ORDER.index(one.status), rank.get(one.number, 0), one.number))


def settings_table(search: Searched) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of what was searched, the best trial's values, and the recipe's own."""
    best, own = search.best, search.own
    heads, shown = ["Setting", "Searched"], [trial for trial in (best, own) if trial is not None]
    if best is not None:
        heads.append(f"Best (trial {best.number})")
    if own is not None and own is not best:
        heads.append(f"Recipe's own (trial {own.number})")
    else:
        shown = shown[:1]
    rows = []
    for setting in search.settings:
        searched = ", ".join(filter(None, [setting.range_text(), setting.condition_text()]))
        values = [setting.text(trial.values.get(setting.name)) for trial in shown]
        rows.append([setting.name, searched, *values])
    if shown:
        scores = [search.figure(trial.score) for trial in shown if trial.score is not None]
        rows.append([search.score.title, "", *scores])
    return heads, rows


def front_table(search: Searched) -> list[Trial]:
    """The trials on the front of score and latency, where the search is after it."""
    return search.journal.front if search.pareto else []


def row_class(search: Searched) -> Callable[[Trial], str]:
    """Gives the class of a trial's row: the best one stands out."""
    best = search.best
    return lambda trial: "best" if best is not None and trial.number == best.number else ""


def failures(search: Searched) -> list[Trial]:
    """The trials that failed, in order."""
    return [trial for trial in search.trials if trial.status == "failed"]


def trials_csv(search: Searched) -> str:
    """All trials in full precision, in the order of asking; settings under ``value.NAME``."""
    facts = (
        "trial", "status", "score", "scores", "by", "epochs", "until", "origin", "parameters", "latency_ms", "seconds",
        "attempts", "started", "ended", "point", "error",
    )  # fmt: skip
    file = io.StringIO()
    heads = [*facts, *(f"value.{setting.name}" for setting in search.settings)]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(harmless, heads))
    for trial in search.trials:
        known = {
            **{name: getattr(trial, name, None) for name in facts},
            "trial": trial.number,
            "scores": " ".join(map(repr, trial.scores)),
            "epochs": epochs_of(trial),
            "until": trial.epochs,
        }
        values = [trial.values.get(setting.name) for setting in search.settings]
        writer.writerow([harmless(value) for value in (*(known[name] for name in facts), *values)])
    return file.getvalue()


def search_markdown(search: Searched, figures: Sequence[tuple[str, str]] = ()) -> str:
    """The search as one Markdown document.

    Args:
        search: The search.
        figures: Title and path of each figure.
    """
    heads, rows = settings_table(search)
    blocks = [f"# {escaped(words.headline(search))}", escaped(words.summary(search)), bullets(words.facts(search))]
    if cautions := words.cautions(search):
        blocks.append("**Caution**\n\n" + bullets(cautions))
    blocks += ["## Settings", pipe_table(list(map(escaped, heads)), [list(map(escaped, row)) for row in rows], texts=2)]
    columns = trial_columns(search)
    if front := front_table(search):
        blocks += ["## Front", column_table(columns, front)]
    if trials := ordered(search):
        blocks += ["## Trials", column_table(columns, trials[:MOST_MARKDOWN])]
    if len(trials) > MOST_MARKDOWN:
        blocks.append(f"The first {MOST_MARKDOWN} of {numbers.plain(len(trials))}; all of them: [trials](trials.csv)")
    blocks += [f"![{escaped(title)}]({path})" for title, path in figures]
    return "\n\n".join(blocks) + "\n"


def print_search(folder: str | Path, console: Console | None = None, most: int = 10) -> None:
    """Prints a search as a table of its best trials that fits 100 columns.

    Args:
        folder: Folder of the search.
        console: Where to print; the terminal if left out.
        most: Trials in the table.

    Raises:
        DataError: The folder holds no search.
    """
    console = console or Console()
    search = read_search(folder)
    console.print(Text(words.headline(search), style="bold"))
    for item in words.facts(search):
        if not item.startswith("checksum"):  # long, and in the files
            console.print(Text(f"  {item}", style="dim"))
    for item in words.cautions(search):
        console.print(Text(f"  Caution: {item}", style="yellow"))
    ranked = search.journal.ranked
    shown = front_table(search) or ranked[:most]
    if shown:
        console.print(_terminal_table(search, shown))
        if len(ranked) > len(shown) and not search.pareto:
            console.print(Text(f"The best {len(shown)} of {numbers.plain(len(ranked))} completed trials.", style="dim"))
    alike: dict[str, list[str]] = {}
    for trial in failures(search):
        alike.setdefault(_first_line(trial.error), []).append(str(trial.number))
    for error, trials in alike.items():
        console.print(
            Text(f"Failed: trial{'s' * (len(trials) > 1)} {', '.join(trials)}: {error or 'no reason is known'}")
        )
    console.print(Text(f"\n{words.summary(search)}\n"))


def _terminal_table(search: Searched, trials: Sequence[Trial]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    timed = any(trial.latency_ms is not None for trial in trials)
    score_head = search.score.title.removeprefix("Validation ")
    heads = ["Trial", f"{score_head[:1].upper()}{score_head[1:]}", *["Latency (ms)"] * timed, "Epochs", "Time"]
    for head in heads:
        side: Literal["left", "right"] = "right"
        table.add_column(head, justify=side, min_width=max(map(len, head.split())))
    table.add_column("Values", overflow="fold")
    for trial in trials:
        latency = [numbers.significant(trial.latency_ms)] * timed
        score = numbers.MISSING if trial.score is None else search.figure(trial.score)
        cells = [str(trial.number), score, *latency, numbers.plain(epochs_of(trial)), numbers.duration(trial.seconds)]
        own = " (the recipe's own)" if trial.by == "recipe" else ""
        table.add_row(*map(Text, cells), Text(f"{search.named(trial)}{own}"))
    return table


def _setting_column(setting: Setting) -> Column[Trial]:
    words_only = any(isinstance(value, str | bool) for value in setting.values)
    heading = setting.name.replace("_", " ")

    def value(trial: Trial) -> Value:
        found: Any = trial.values.get(setting.name)
        if found is None:
            return None
        return text_of(found) if words_only or isinstance(found, str | bool) else found

    about = f"Searched: {setting.range_text()}" + (f", {setting.condition_text()}" if setting.conditions else "")
    return Column(
        setting.name, heading, about, value, lambda found: setting.text(found), look="text" if words_only else ""
    )


def _number(name: str) -> Any:
    def value(trial: Trial) -> float | None:
        found: float | None = getattr(trial, name)
        return found

    return value


def _has_parts(search: Searched) -> bool:
    return any(len(trial.scores) > 2 for trial in search.trials)


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
