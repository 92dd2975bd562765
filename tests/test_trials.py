import json
import os

import pytest

from genrezoo.errors import DataError
from genrezoo.trials import FILE, Journal, as_line, read_journal

PLAN = {
    "objective": {"metric": "accuracy", "pareto": False}, "max_trials": 3, "recipe": {}, "songs": {}, "given": {},
}  # fmt: skip


def ask(number, **more):
    about = {"event": "ask", "trial": number, "values": {"units": number}, "point": f"p{number}", "by": "random"}
    return {**about, "epochs": None, "origin": None, "time": 1.0, **more}


def start(number, attempt=1, time=2.0):
    return {"event": "start", "trial": number, "attempt": attempt, "time": time}


def end(number, status="completed", score=0.5, **more):
    about = {"event": "end", "trial": number, "status": status, "score": score, "scores": [score] if score else []}
    return {**about, "history": {}, "latency_ms": None, "parameters": 7, "seconds": 1.5, "error": None, "detail": None,
            "time": 3.0, **more}  # fmt: skip


def write(folder, events):
    lines = [{"event": "search", "schema": 1, "plan": PLAN}, *events]
    (folder / FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def journal_of(*events, **plan):
    journal = Journal()
    for event in ({"event": "search", "plan": {**PLAN, **plan}}, *events):
        journal.take(event)
    return journal


def test_a_trial_is_what_its_events_say(tmp_path):
    journal = read_journal(write(tmp_path, [ask(0), start(0), start(0, 2, time=9.0), end(0), ask(1), start(1)]))
    first, second = journal.trials
    assert (first.status, first.score, first.attempts, first.started, first.ended) == ("completed", 0.5, 2, 2.0, 3.0)
    assert (second.status, second.score, second.attempts) == ("running", None, 1)
    assert journal.plan == PLAN
    assert journal.finished is None


def test_a_search_that_goes_on_with_a_larger_budget_has_not_ended(tmp_path):
    done = [ask(0), start(0), end(0), {"event": "finish", "reason": "budget"}]
    assert read_journal(write(tmp_path, done)).finished == "budget"
    grown = read_journal(write(tmp_path, [*done, {"event": "budget", "max_trials": 9}]))
    assert grown.finished is None
    assert grown.plan["max_trials"] == 9


def test_a_torn_last_line_has_not_happened(tmp_path):
    path = write(tmp_path, [ask(0), start(0), end(0)]) / FILE
    whole = path.read_bytes()
    for cut in range(1, len(json.dumps(end(0))) + 1):
        path.write_bytes(whole[:-cut])
        assert read_journal(tmp_path).trials[0].status == "running"


@pytest.mark.parametrize(
    "events",
    [
        [start(0)],
        [ask(1)],
        [ask(0), ask(0)],
        [ask(0), end(0), end(0)],
        [ask(0), end(0), start(0)],
        [ask(0), end(0, status="fine")],
        [ask(0), {"event": "dance"}],
        [ask(0), {"event": "search", "plan": PLAN}],
        [{"event": "ask"}],
        ["text"],
    ],
)
def test_what_does_not_follow_is_refused_with_its_line(tmp_path, events):
    write(tmp_path, [*events, ask(7)])
    with pytest.raises(DataError, match=rf"{FILE}: line {1 + len(events)}: damaged"):
        read_journal(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"event": "ask"}\n', "[]\n"])
def test_a_journal_begins_with_its_plan(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(DataError, match="has no complete line|line 1: damaged"):
        read_journal(tmp_path)


def test_a_folder_without_a_journal_holds_no_search(tmp_path):
    with pytest.raises(DataError, match="is not a search"):
        read_journal(tmp_path)


def test_best_is_the_completed_trial_with_the_best_score_and_of_equals_the_first():
    events = [ask(n) for n in range(5)]
    events += [end(0, score=0.4), end(1, score=0.6), end(2, score=0.6), end(3, status="stopped", score=0.9)]
    assert journal_of(*events, end(4, status="failed", score=None)).best.number == 1
    loss = {"metric": "loss", "pareto": False}
    assert journal_of(*events, objective=loss).best.number == 0
    assert journal_of(ask(0)).best is None


def test_the_front_holds_what_no_other_beats_in_both():
    pairs = [(0.5, 1.0), (0.7, 3.0), (0.6, 2.0), (0.6, 2.5), (0.4, 0.5), (0.7, 4.0)]
    events = [ask(n) for n in range(len(pairs))]
    events += [end(n, score=score, latency_ms=latency) for n, (score, latency) in enumerate(pairs)]
    journal = journal_of(*events, objective={"metric": "accuracy", "pareto": True})
    assert [trial.number for trial in journal.front] == [4, 0, 2, 1]
    assert journal.kept == journal.front
    # by definition: not beaten by any other, in the same order
    beaten = {
        n for n, (score, time) in enumerate(pairs) for other, (better, faster) in enumerate(pairs)
        if other != n and better >= score and faster <= time and (better, faster) != (score, time)
    }  # fmt: skip
    assert {trial.number for trial in journal.front} == set(range(len(pairs))) - beaten


@pytest.mark.parametrize("order", [(2.0, 1.0), (1.0, 2.0)])
def test_of_equal_scores_the_front_has_the_faster_one(order):
    ended = [event for number, ms in enumerate(order) for event in (ask(number), end(number, latency_ms=ms))]
    journal = journal_of(*ended, objective={"metric": "accuracy", "pareto": True})
    assert [trial.latency_ms for trial in journal.front] == [1.0]


@pytest.mark.parametrize("missing", ["objective", "max_trials", "recipe"])
def test_a_plan_that_lacks_what_a_search_needs_is_refused(missing):
    with pytest.raises(ValueError, match=f"lacks '{missing}'"):
        Journal().take({"event": "search", "plan": {key: value for key, value in PLAN.items() if key != missing}})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"event": ' + "[" * 10_000 + "]" * 10_000 + "}", "nested more than"),
        (json.dumps(end(0, history={"loss": [1.0], "accuracy": [0.5, 0.6]})), "unequal lengths"),
        (json.dumps(end(0, score="x")), "score: must be a valid number"),
        (json.dumps(end(0, scores=["x"])), "scores"),
        (json.dumps(end(0, seconds=[])), "seconds"),
    ],
)
def test_a_line_that_no_search_writes_is_refused(tmp_path, line, message):
    path = write(tmp_path, [ask(0), start(0)]) / FILE
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=f"line 4: damaged .*{message}"):
        read_journal(tmp_path)


def test_a_pipe_is_no_journal(tmp_path):
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(DataError, match="is a pipe or device"):
        read_journal(tmp_path)


def test_a_line_that_was_changed_is_noticed(tmp_path):
    path = tmp_path / FILE
    lines = [as_line({"event": "search", "schema": 1, "plan": PLAN}), as_line(ask(0)), as_line(start(0))]
    path.write_text("\n".join([*lines, as_line(end(0))]) + "\n")
    assert read_journal(tmp_path).best.score == 0.5
    path.write_text("\n".join([*lines, as_line(end(0)).replace("0.5", "0.9")]) + "\n")
    with pytest.raises(DataError, match="line 4: damaged .its digest differs"):
        read_journal(tmp_path)
