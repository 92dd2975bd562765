"""The figures of a search that its journal allows, with their captions."""

from __future__ import annotations

from genrezoo.report.figures import Drawing
from genrezoo.report.numbers import plain
from genrezoo.report.search_courses import (
    COLOURED,
    MOST_COURSES,
    convergence_figure,
    courses_figure,
    front_figure,
    has_courses,
    rungs_figure,
    scores_figure,
)
from genrezoo.report.search_importance import FORESTS, Importance, importance, trust
from genrezoo.report.search_records import Searched
from genrezoo.report.search_settings import (
    MOST_LINES,
    bars_figure,
    has_bars,
    importance_figure,
    parallel_figure,
    slices_figure,
)

_LEAVES = " A training that was paused and continued counts once, where it ended."


def draw_search(search: Searched) -> tuple[list[Drawing], list[str]]:
    """All figures that the trials so far allow, and for those that they do not allow yet a sentence each."""
    drawings: list[Drawing] = []
    notes: list[str] = []

    def add(name: str, title: str, caption: str, svg: str) -> None:
        drawings.append(Drawing(name, title, caption, svg))

    name = search.score.title.partition(" (")[0]
    name = name[:1].lower() + name[1:]
    top = " The best stand on top." if search.sign < 0 else ""
    paused = any(trial.origin is not None for trial in search.journal.ranked)
    once = _LEAVES if paused else ""
    if any(trial.score is not None for trial in search.ended):
        caption = f"The {name} of each trial, in the order in which they ended. The line is the best so far."
        if any(trial.score is None for trial in search.ended):
            caption += " Marks at the edge stand for trials without a score."
        add("scores", "Objective per trial", caption + _far(search), scores_figure(search, "scores"))
    if search.best is not None:
        caption = f"The best {name} of the completed trials so far."
        if search.own is not None:
            caption += " The dashed line is what the recipe's own values reach."
        add("convergence", "Convergence", caption, convergence_figure(search, "convergence"))
    if search.counts["completed"] and any(trial.latency_ms for trial in search.trials):
        caption = f"The line joins the trials that no other beats in both {name} and latency."
        if search.plan["objective"].get("latency_limit_ms"):
            caption += " Dashed: the limit of the objective; slower models were not trained."
        add("front", "Score against latency", caption + _far(search), front_figure(search, "front"))
    if any(trial.epochs is not None and trial.score is not None for trial in search.trials):
        caption = (
            f"The {name} against the epochs after which it was taken. A line joins a trial to the one that goes on "
        )
        caption += "from it: the best of a round get more epochs."
        add("rungs", "Rounds", caption + _far(search), rungs_figure(search, "rungs"))
    leaves = search.leaves
    if has_bars(search):
        caption = f"The {name} of each value, in the order of the values; the best in orange.{once}"
        add("values", f"Score of each {search.settings[0].label}", caption, bars_figure(search, "values"))
    if leaves and len(search.settings) > 1:
        most = f"the {MOST_LINES} best of {plain(len(leaves))}" if len(leaves) > MOST_LINES else "all"
        caption = (
            f"A line for each completed trial ({most}), through its values and its score on the right. The bluer the "
            f"better; the best are thick and orange.{top}{once}"
        )
        add("parallel", "All settings side by side", caption + _far(search), parallel_figure(search, "parallel"))
    found = importance(search)
    if isinstance(found, Importance):
        caption = (
            f"{FORESTS} random forests predict the score of {plain(found.trials)} completed trials from their "
            f"settings. {trust(found)} Bars: how much of R² they lose on unseen trials when one setting's values are "
            "shuffled, with 95 % intervals over the forests; that another set of trials would give other forests is "
            "not in them. Beside them the share of the forests' variance over the whole space that a setting makes "
            "alone; what is missing to 100 % is interplay."
        )
        add("importance", "Importance of each setting", caption, importance_figure(search, found, "importance"))
    elif search.trials:
        notes.append(f"Importance of each setting: {found}")
    if leaves and search.settings:
        caption = f"A point for each completed trial. The star is the best one{_own(search)}.{once}"
        if any(setting.conditions for setting in search.settings):
            caption += " Where a setting does not count there is no point."
        add("slices", "Each setting by itself", caption + _far(search), slices_figure(search, "slices"))
    if has_courses(search):
        trained = sum(bool(trial.history) for trial in search.ended)
        caption = f"The best trials ({COLOURED} at most) in colours, the others in grey"
        caption += f" ({MOST_COURSES} of them)." if trained > MOST_COURSES + COLOURED else "."
        if search.plan["objective"].get("folds") or (search.plan["objective"].get("repeats") or 1) > 1:
            caption += " Of each trial the first fold or seed."
        caption += " Training figures are as seen in training, with dropout and penalties where there are any."
        add("courses", "Courses of the trials", caption, courses_figure(search, "courses"))
    elif search.counts["completed"]:
        notes.append("Courses of the trials: the trials have no figures for each epoch.")
    return drawings, notes


def _own(search: Searched) -> str:
    return ", the square the recipe's own" if search.own is not None and search.own is not search.best else ""


def _far(search: Searched) -> str:
    """Says that scores lie beyond the edge."""
    beyond = sum(trial.score is not None and search.bounded(trial.score) != trial.score for trial in search.trials)
    if not beyond:
        return ""
    return f" {plain(beyond)} far worse {'trial stands' if beyond == 1 else 'trials stand'} at the edge."
