"""The sentences of a search's report, computed from its journal."""

from __future__ import annotations

from typing import Any

from genrezoo.report.search.records import SearchRecord
from genrezoo.report.style.captions import PROVENANCE, RANDOM_SPLIT, SYNTHETIC
from genrezoo.report.style.number_format import duration, plain, several, significant, text_of

STATUSES = {
    "completed": "completed",
    "stopped": "stopped by the median rule",
    "infeasible": "over the latency limit",
    "failed": "failed",
    "running": "not ended",
}
_METRICS = {"accuracy": "accuracy", "macro_f1": "macro F1", "loss": "loss"}
_OVER = {
    "best": "of the best epoch",
    "best_tenth": "as the mean of the best tenth of the epochs",
    "last": "of the last epoch",
}
_ENDS = {"budget": "finished: {}, the whole budget", "exhausted": "finished: {}, and no other point remains"}
OPTIMISTIC = (
    "The score of the best of {} trials is optimistic, because it was selected on the same validation songs. Check it "
    "with other seeds and on the test songs."
)


def headline(search: SearchRecord) -> str:
    """The title of a report."""
    return f"Search: {search.plan['recipe']['name']} on {search.plan['songs']['name']}"


def objective(search: SearchRecord) -> str:
    """The objective of the search."""
    asked = search.plan["objective"]
    parts = [f"{_METRICS[asked['metric']]} on validation songs {_OVER.get(asked.get('over'), '')}".rstrip()]
    folds, repeats = asked.get("folds") or 0, asked.get("repeats") or 1
    over = [f"{plain(folds)} folds"] * bool(folds) + [f"{plain(repeats)} seeds"] * (repeats > 1)
    if over:
        parts.append(f"mean over {' and '.join(over)}")
    parts.append("lower is better" if search.sign < 0 else "higher is better")
    if asked.get("latency_limit_ms"):
        parts.append(f"at most {text_of(float(asked['latency_limit_ms']))} ms of CPU time for one song")
    return ", ".join(parts)


def status(search: SearchRecord) -> str:
    """Tells whether the search has ended, and why."""
    ended, budget, reason = len(search.ended), search.plan.get("max_trials"), search.journal.finished
    done = f"{plain(ended)} of {plain(budget)} trials have ended" if budget else f"{plain(ended)} trials have ended"
    if reason:
        return _ENDS.get(reason, f"finished ({reason}): {{}}").format(done)
    return f"not finished: {done} so far; it is running, or was interrupted"


def counted(search: SearchRecord) -> str:
    """Number of trials of each status."""
    return ", ".join(f"{plain(search.counts[name])} {text}" for name, text in STATUSES.items() if search.counts[name])


def facts(search: SearchRecord) -> list[str]:
    """Describes the search, one fact per item."""
    plan, songs, recipe = search.plan, search.plan["songs"], search.plan["recipe"]
    about = [f"model {recipe['model']}"] if recipe.get("model") else []
    about += [f"trained by {recipe['procedure']}"] if recipe.get("procedure") else []
    provenance = songs.get("provenance")
    sizes = [
        ", ".join(f"{plain(size)} {split}" for split, size in (songs.get("splits") or {}).items()),
        f"{plain(len(songs['genres']))} genres" if songs.get("genres") else "",
    ]
    if songs.get("segments") and songs.get("features"):
        sizes.append(f"{several(songs['segments'], 'segment')} of {several(songs['features'], 'feature')}")
    reported = ", ".join(f"{name} {value}" for name, value in (plan.get("reported") or {}).items())
    options = {name: value for name, value in plan["tuner"].items() if name != "name" and value is not None}
    items = {
        "recipe": f"{recipe['name']}{_bracketed(about)}",
        "songs": f"{songs['name']}, {PROVENANCE.get(provenance, f'split: {provenance or chr(8211)}')}",
        "sizes": "; ".join(filter(None, sizes)),
        "checksum of songs and split": songs.get("checksum"),
        "objective": f"{'the Pareto front of latency and ' if search.pareto else ''}{objective(search)}",
        "tuner": plan["tuner"]["name"]
        + _bracketed([f"{name.replace('_', ' ')} {text_of(value)}" for name, value in options.items()]),
        "budget": _budget(plan),
        f"reported by {plan.get('reference') or 'the reference'}, on its own songs": reported,
        "warm start from": ", ".join(map(str, plan.get("warm_start") or [])),
        "seed": str(plan.get("seed", "unknown")),
        "status": status(search),
        "trials": counted(search),
        "time": _times(search),
    }
    return [f"{name}: {text}" for name, text in items.items() if text]


def summary(search: SearchRecord) -> str:
    """The result of the search, in a sentence or two."""
    best, own, many = search.best, search.own, search.counts["completed"]
    if best is None or best.score is None:
        if not search.ended:
            return "No trial has ended yet."
        return f"No trial has completed: of {plain(len(search.ended))} ended, {counted(search)}."
    which = f"The best of {plain(many)} completed trials" if many > 1 else "The only completed trial"
    sentences = [f"{which}, number {best.number}, reaches {search.measure(best.score)} ({objective(search)})."]
    front = search.journal.front
    if search.pareto and front:
        fast, slow = (significant(front[place].latency_ms) for place in (0, -1))
        size = f"one trial, at {fast}" if len(front) == 1 else f"{plain(len(front))} trials, {fast} to {slow}"
        sentences.append(f"The Pareto front of score and latency has {size}\u00a0ms.")
    if own is best:
        sentences.append(f"These are the recipe's own values{'; no other trial is better' if many > 1 else ''}.")
    elif own is not None and own.score is not None:
        gap = search.text(abs(best.score - own.score))
        unit = "points" if search.score.scale == 100 else "nats"
        way = "less" if search.sign > 0 else "more"
        sentences.append(f"The recipe's own values reach {search.measure(own.score)}, {gap} {unit} {way}.")
    return " ".join(sentences)


def cautions(search: SearchRecord) -> list[str]:
    """Returns cautions about the scores."""
    found, songs, completed = [], search.plan["songs"], search.counts["completed"]
    if completed > 1:
        found.append(OPTIMISTIC.format(plain(completed)))
    if search.plan["objective"].get("repeats", 1) == 1 and completed:
        found.append("Each point was trained with one seed, so trials with similar scores may swap ranks.")
    if songs.get("provenance") == "random":
        found.append(RANDOM_SPLIT)
    about = songs.get("about") or {}
    if songs["name"] == "synthetic" or about.get("synthetic") or about.get("synthetic_audio"):
        found.append(SYNTHETIC.format("points"))
    values = {} if search.best is None else search.best.values
    ends = [f"{one.name} ({one.text(values)}, the {end} end)" for one in search.space if (end := one.end_of(values))]
    if ends:
        found.append(
            f"The best trial lies at an end of the range of {', '.join(ends)}; there may be better ones beyond it."
        )
    if failed := search.counts["failed"]:
        who = "One trial" if failed == 1 else f"{plain(failed)} trials"
        found.append(f"{who} failed and count as the worst; the reasons are listed below.")
    return found


def _bracketed(parts: list[str]) -> str:
    return f" ({', '.join(parts)})" if parts else ""


def _budget(plan: dict[str, Any]) -> str:
    parts = [several(plan["max_trials"], "trial") if plan.get("max_trials") else "as many trials as the tuner wants"]
    parts += [f"each at most {duration(plan['seconds'])}"] if plan.get("seconds") else []
    parts += ["trials that fall behind the median of the others are stopped"] if plan.get("median_rule") else []
    return ", ".join(parts)


def _times(search: SearchRecord) -> str:
    starts = [trial.started for trial in search.trials if trial.started]
    ends = [trial.ended for trial in search.trials if trial.ended]
    if not starts or not ends:
        return ""
    work = duration(sum(trial.seconds or 0.0 for trial in search.trials))
    return f"{duration(max(max(ends) - min(starts), 0.0))} from the first start to the last end, {work} of all trials"
