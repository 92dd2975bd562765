"""The sentences of a search's report, computed from its journal."""

from __future__ import annotations

from typing import Any

from genrezoo.report.numbers import duration, plain, significant
from genrezoo.report.search_records import Searched
from genrezoo.report.study_lines import text_of
from genrezoo.report.words import PROVENANCE
from genrezoo.trials import Trial

STATUSES = {
    "completed": "completed",
    "stopped": "stopped by the median rule",
    "infeasible": "over the limit of latency",
    "failed": "failed",
    "running": "not ended",
}
_METRICS = {"accuracy": "accuracy", "macro_f1": "macro F1", "loss": "loss"}
_OVER = {
    "best": "of the best epoch",
    "best_tenth": "as the mean of the best tenth of the epochs",
    "last": "of the last epoch",
}


def objective(search: Searched) -> str:
    """What the search is after."""
    asked = search.plan["objective"]
    parts = [f"{_METRICS[asked['metric']]} on validation songs {_OVER.get(asked.get('over'), '')}".rstrip()]
    folds, repeats = asked.get("folds") or 0, asked.get("repeats") or 1
    if folds or repeats > 1:
        over = [f"{plain(folds)} folds"] * bool(folds) + [f"{plain(repeats)} seeds"] * (repeats > 1)
        parts.append(f"mean over {' and '.join(over)}")
    parts.append("lower is better" if search.sign < 0 else "higher is better")
    if asked.get("latency_limit_ms"):
        parts.append(f"at most {text_of(float(asked['latency_limit_ms']))} ms of processor time for one song")
    text = ", ".join(parts)
    return f"the front of latency and {text}" if search.pareto else text


def status(search: Searched) -> str:
    """Whether it has ended, and why."""
    ended, budget = len(search.ended), search.plan.get("max_trials")
    of = f"{plain(ended)} of {plain(budget)}" if budget else plain(ended)
    if search.journal.finished == "budget":
        return f"finished: {of} trials have ended, as many as it was given"
    if search.journal.finished == "exhausted":
        return f"finished: {of} trials have ended, and no other point is left"
    if search.journal.finished:
        return f"finished ({search.journal.finished}): {of} trials have ended"
    return f"not finished: {of} trials have ended so far; it is running, or was interrupted"


def counted(search: Searched) -> str:
    """How many trials have each status."""
    return ", ".join(f"{plain(search.counts[name])} {text}" for name, text in STATUSES.items() if search.counts[name])


def facts(search: Searched) -> list[str]:
    """What was searched, how and for what, one fact an item."""
    plan = search.plan
    recipe, songs = plan["recipe"], plan["songs"]
    about = [f"model {recipe['model']}"] if recipe.get("model") else []
    about += [f"trained by {recipe['procedure']}"] if recipe.get("procedure") else []
    items = [" ".join(["recipe:", recipe["name"], *[f"({', '.join(about)})"] * bool(about)])]
    provenance = songs.get("provenance")
    split = PROVENANCE.get(provenance, f"split: {provenance or 'not known'}")
    items.append(f"songs: {songs['name']}, {split}")
    sides = ", ".join(f"{plain(size)} {side}" for side, size in (songs.get("splits") or {}).items())
    shape = (
        f"{plain(songs['segments'])} segments of {plain(songs['features'])} features"
        if songs.get("segments") and songs.get("features")
        else ""
    )
    genres = f"{plain(len(songs['genres']))} genres" if songs.get("genres") else ""
    if sizes := "; ".join(filter(None, [sides, genres, shape])):
        items.append(f"sizes: {sizes}")
    if songs.get("checksum"):
        items.append(f"checksum of songs and split: {songs['checksum']}")
    items.append(f"objective: {objective(search)}")
    items.append(f"tuner: {_tuner(plan['tuner'])}")
    items.append(f"budget: {_budget(plan)}")
    if told := plan.get("reported"):
        figures = ", ".join(f"{name} {value}" for name, value in told.items())
        items.append(f"reported by {plan.get('reference') or 'the reference'}, on its own songs: {figures}")
    if plan.get("warm_start"):
        items.append(f"warm start from {', '.join(map(str, plan['warm_start']))}")
    items.append(f"seed: {plan.get('seed', 'not known')}")
    items.append(f"status: {status(search)}")
    if search.trials:
        items.append(f"trials: {counted(search)}")
    return items + _times(search)


def summary(search: Searched) -> str:
    """What came of it, in a sentence or two."""
    best, own = search.best, search.own
    if best is None:
        if not search.ended:
            return "No trial has ended yet."
        return f"No trial has completed: of {plain(len(search.ended))} ended, {counted(search)}."
    many, score = search.counts["completed"], search.measure(_score(best))
    which = f"The best of {plain(many)} completed trials" if many > 1 else "The only completed trial"
    what = objective(search).removeprefix("the front of latency and ")
    sentences = [f"{which}, number {best.number}, reaches {score} ({what})."]
    front = search.journal.front
    if search.pareto and front:
        fast, slow = (significant(front[place].latency_ms) for place in (0, -1))
        size = f"one trial, at {fast}" if len(front) == 1 else f"{plain(len(front))} trials, {fast} to {slow}"
        sentences.append(f"On the front of score and latency: {size}\u00a0ms.")
    if own is best:
        sentences.append(f"That is the recipe's own values{': no other trial is better' if many > 1 else ''}.")
    elif own is not None:
        gap = search.score.write(abs(search.score.scale * (_score(best) - _score(own))))
        unit = "points" if search.score.scale == 100 else "nats"
        way = "less" if search.sign > 0 else "more"
        sentences.append(f"The recipe's own values reach {search.measure(_score(own))}, {gap} {unit} {way}.")
    return " ".join(sentences)


def cautions(search: Searched) -> list[str]:
    """What a reader must know before believing the figures."""
    found, songs = [], search.plan["songs"]
    if search.counts["completed"] > 1:
        found.append(
            f"The score of the best of {plain(search.counts['completed'])} trials is optimistic: the same validation "
            "songs that score it have chosen it. Other seeds and the test songs say what it is worth."
        )
    if search.plan["objective"].get("repeats", 1) == 1 and search.counts["completed"]:
        found.append("Each point was trained with one seed: trials whose scores lie close together may change places.")
    if songs.get("provenance") == "random":
        found.append(
            "The split is random: songs of one artist, or cuts of one recording, may be on both sides, and then the "
            "scores are higher than on songs of unknown artists."
        )
    if songs["name"] == "synthetic":
        found.append("The songs are synthetic: the scores compare points with each other and say nothing about music.")
    if search.best is not None:
        ends = [
            f"{setting.name} ({setting.text(search.best.values[setting.name])}, the {end} end)"
            for setting in search.settings
            if (end := setting.end_of(search.best.values.get(setting.name)))
        ]
        if ends:
            found.append(
                f"The best trial lies at an end of what was searched for {', '.join(ends)}: beyond it there may be "
                "better ones."
            )
    if search.counts["failed"]:
        found.append(f"{_trials(search.counts['failed'])} failed and count as the worst: see below why.")
    return found


def headline(search: Searched) -> str:
    """The title of a report."""
    return f"Search: {search.plan['recipe']['name']} on {search.plan['songs']['name']}"


def at_a_time(trials: list[Trial]) -> int | None:
    """How many trials ran at once at most, by their times; None where an interruption blurs them or none has ended."""
    times = [(one.started, one.ended) for one in trials if one.started and one.ended]
    if not times or any(one.attempts > 1 for one in trials):
        return None
    # An end comes before a start of the same moment.
    events = sorted([(start, 1) for start, _ in times] + [(end, -1) for _, end in times])
    most = now = 0
    for _, change in events:
        now += change
        most = max(most, now)
    return max(most, 1)


def _score(trial: Trial) -> float:
    assert trial.score is not None  # only trials with a score are asked
    return trial.score


def _trials(number: int) -> str:
    return "One trial" if number == 1 else f"{plain(number)} trials"


def _tuner(tuner: dict[str, Any]) -> str:
    options = [
        f"{name.replace('_', ' ')} {text_of(value)}"
        for name, value in tuner.items()
        if name != "name" and value is not None
    ]
    return " ".join([tuner["name"], *[f"({', '.join(options)})"] * bool(options)])


def _budget(plan: dict[str, Any]) -> str:
    parts = [f"{plain(plan['max_trials'])} trials" if plan.get("max_trials") else "all that the tuner asks for"]
    if plan.get("seconds"):
        parts.append(f"each at most {duration(plan['seconds'])}")
    if plan.get("median_rule"):
        parts.append("those that fall behind the median of the others are stopped")
    return ", ".join(parts)


def _times(search: Searched) -> list[str]:
    starts = [trial.started for trial in search.trials if trial.started]
    ends = [trial.ended for trial in search.trials if trial.ended]
    if not starts or not ends:
        return []
    work = sum(trial.seconds or 0.0 for trial in search.trials)
    text = f"time: {duration(max(max(ends) - min(starts), 0.0))} from the first start to the last end"
    text += f", {duration(work)} of all trials together"
    most = at_a_time(search.trials)
    return [f"{text}; {'one trial' if most == 1 else f'at most {most} trials'} at a time" if most else text]
