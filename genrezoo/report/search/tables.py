"""The tables of a search: its hyperparameters and its trials, for the page, as Markdown and as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from genrezoo.files import csv_text
from genrezoo.report.search import captions
from genrezoo.report.search.records import Hyperparameter, SearchRecord, epochs_of
from genrezoo.report.style.columns import Column, Value
from genrezoo.report.style.drawing import Plot
from genrezoo.report.style.markup import bullets, column_table, escaped, harmless, pipe_table
from genrezoo.report.style.number_format import count, duration, nats, percent, plain, significant
from genrezoo.trials import Trial

_ORDER = ("completed", "stopped", "running", "infeasible", "failed")
_FACTS = (
    "trial", "status", "score", "scores", "by", "epochs", "until", "origin", "parameters", "latency_ms", "seconds",
    "attempts", "started", "ended", "point", "error",
)  # fmt: skip
MOST_MARKDOWN = 50
"""Trials in the Markdown file; the CSV file holds all of them."""


def trial_columns(search: SearchRecord) -> list[Column[Trial]]:
    """Returns the columns of the table of trials."""
    intervals = " In brackets: 95 % interval (Student's t) over folds or seeds."
    about = f"The objective: {captions.objective(search)}."
    about += intervals if any(len(trial.scores) > 2 for trial in search.trials) else ""
    write = percent if search.score.scale == 100 else nats
    return [
        Column("trial", "Trial", "In order of request, from 0.", lambda trial: float(trial.number)),
        Column("status", "Status", "How it ended.", lambda trial: trial.status, look="text"),
        Column("score", search.score.title, about, search.estimate, write),
        Column("latency_ms", "Latency (ms)", "CPU time for one song.", attrgetter("latency_ms"), significant),
        *(_value_column(one) for one in search.space),
        Column(
            "epochs", "Epochs", "Epochs reached by its training.", lambda trial: float(epochs_of(trial) or 0) or None
        ),
        Column("origin", "Continues", "Trial whose training it continues.", attrgetter("origin")),
        Column("parameters", "Parameters", "Number of parameters of the model.", attrgetter("parameters"), count),
        Column("seconds", "Time", "Wall time.", attrgetter("seconds"), duration),
        Column("attempts", "Attempts", "Number of starts.", lambda trial: float(trial.attempts)),
        Column("by", "Suggested by", "Tuner, the recipe's values, or warm start.", lambda trial: trial.by, look="text"),
        Column("error", "Error", "Why it failed.", lambda trial: first_line(trial.error) or None, look="text prose"),
    ]


def ordered_trials(search: SearchRecord) -> list[Trial]:
    """Returns all trials, the best first, then those whose score does not count."""
    rank = {trial.number: place for place, trial in enumerate(search.journal.ranked)}
    return sorted(search.trials, key=lambda one: (_ORDER.index(one.status), rank.get(one.number, 0), one.number))


def front_trials(search: SearchRecord) -> list[Trial]:
    """Returns the trials on the Pareto front of score and latency, if the search is for one."""
    return search.journal.front if search.pareto else []


def failed_trials(search: SearchRecord) -> list[Trial]:
    """Returns the trials that failed, in order."""
    return [trial for trial in search.trials if trial.status == "failed"]


def space_table(search: SearchRecord) -> list[list[str]]:
    """Returns a row per hyperparameter with the values of the best trial and of the recipe, headings first."""
    shown = {f"Best (trial {search.best.number})": search.best} if search.best else {}
    if search.own is not None and search.own is not search.best:
        shown[f"Recipe's own (trial {search.own.number})"] = search.own
    rows = [["Hyperparameter", "Searched", *shown]]
    for one in search.space:
        rows.append([one.name, one.range_text(), *(one.text(trial.values) for trial in shown.values())])
    if shown:
        rows.append([search.score.title, "", *(search.text(trial.score) for trial in shown.values())])
    return rows


def trials_csv(search: SearchRecord) -> str:
    """Returns all trials as CSV in full precision, in the order of request; hyperparameters are ``value.NAME``."""
    rows: list[list[object]] = [[*_FACTS, *(f"value.{one.name}" for one in search.space)]]
    for trial in search.trials:
        known = {
            **{name: getattr(trial, name, None) for name in _FACTS},
            "trial": trial.number,
            "scores": " ".join(map(repr, trial.scores)),
            "epochs": epochs_of(trial),
            "until": trial.epochs,
        }
        rows.append([*known.values(), *(trial.values.get(one.name) for one in search.space)])
    return csv_text(map(harmless, row) for row in rows)


def search_markdown(search: SearchRecord, plots: Sequence[Plot]) -> str:
    """Returns the search as one Markdown document with links to its figures."""
    heads, *rows = [[escaped(cell) for cell in row] for row in space_table(search)]
    blocks = [f"# {escaped(captions.headline(search))}", escaped(captions.summary(search))]
    blocks.append(bullets(captions.facts(search)))
    if cautions := captions.cautions(search):
        blocks.append("**Caution**\n\n" + bullets(cautions))
    blocks += ["## Hyperparameters", pipe_table(heads, rows, texts=2)]
    columns, trials = trial_columns(search), ordered_trials(search)
    if front := front_trials(search):
        blocks += ["## Front", column_table(columns, front)]
    if trials:
        blocks += ["## Trials", column_table(columns, trials[:MOST_MARKDOWN])]
    if len(trials) > MOST_MARKDOWN:
        blocks.append(f"The first {MOST_MARKDOWN} of {plain(len(trials))}; all of them: [trials](trials.csv)")
    blocks += [f"![{escaped(plot.title)}](figures/{plot.name}.svg)" for plot in plots]
    return "\n\n".join(blocks) + "\n"


def first_line(text: str | None) -> str:
    """Returns the first line of an error."""
    return (text or "").strip().partition("\n")[0]


def _value_column(one: Hyperparameter) -> Column[Trial]:
    def value(trial: Trial) -> Value:
        found = trial.values.get(one.name)
        is_number = isinstance(found, int | float) and not one.is_text
        return found if is_number else one.text(trial.values) if one.name in trial.values else None

    def write(number: float | None) -> str:
        return one.text({} if number is None else {one.name: number})

    look = "text" if one.is_text else ""
    return Column(one.name, one.name.replace("_", " "), f"Searched: {one.range_text()}", value, write, look)
