import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace as Namespace

import made_search
import numpy as np
import pytest
from made_search import SPACE, STEPS, MadeSearch, choice_of, dimension, float_of, int_of
from rich.console import Console
from test_write import EVIL, Page
from typer.testing import CliRunner

from genrezoo.cli import app
from genrezoo.errors import DataError, SettingsError
from genrezoo.report import print_search, render_search
from genrezoo.report.search.captions import cautions, counted, facts, status, summary
from genrezoo.report.search.importance import EPOCHS, Importance, importance, trust
from genrezoo.report.search.progress import far
from genrezoo.report.search.records import read_search

KINDS = {"usual": made_search.usual, "grid": made_search.grid, "hyperband": made_search.hyperband,
         "pareto": made_search.pareto}  # fmt: skip


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The four kinds of searches with their reports. Not to be changed."""
    top = tmp_path_factory.mktemp("searches")
    for name, make in KINDS.items():
        assert render_search(make(top / name)) == top / name / "report" / "report.html"
    return top


@pytest.fixture(scope="module")
def usual(rendered):
    return read_search(rendered / "usual")


def text_of(folder):
    return (folder / "report" / "report.html").read_text("utf-8")


def figures_of(folder):
    return sorted(path.stem for path in (folder / "report" / "figures").glob("*.svg"))


def printed(folder, **more):
    file = io.StringIO()
    print_search(folder, Console(file=file, width=100), **more)
    return file.getvalue()


def one_hyperparameter(folder, space, scores, **plan):
    """A search over one hyperparameter, or several, with given points and scores."""
    search = MadeSearch(folder, space, **plan)
    for values, score in scores:
        search.end(search.ask(values), score=score, scores=[score])
    return search.finish()


# --- the files ---


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        ("usual", ["convergence", "curves", "importance", "parallel", "slices"]),
        ("grid", ["convergence", "curves", "importance", "slices"]),
        ("hyperband", ["convergence", "curves", "importance", "parallel", "rungs", "slices"]),
        ("pareto", ["convergence", "curves", "front", "importance", "parallel", "slices"]),
    ],
)
def test_a_report_is_a_page_two_tables_and_the_figures_that_the_search_allows(rendered, kind, figures):
    report = rendered / kind / "report"
    assert figures_of(rendered / kind) == figures
    assert {path.name for path in report.iterdir()} == {"report.html", "search.md", "trials.csv", "figures"}
    assert Page(text_of(rendered / kind)).tags.count("svg") == len(figures)
    shown = re.findall(r"\]\((figures/[^)]+)\)", (report / "search.md").read_text("utf-8"))
    assert sorted(shown) == [f"figures/{name}.svg" for name in figures]
    for path in (report / "figures").iterdir():
        ElementTree.parse(path)


@pytest.mark.slow
def test_rendering_twice_gives_the_same_bytes(tmp_path):
    folder = made_search.grid(tmp_path / "grid", STEPS[:8])
    once, again = (render_search(folder, tmp_path / out).parent for out in ("once", "again"))
    for path in once.rglob("*"):
        if path.is_file():
            assert (again / path.relative_to(once)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_balanced_and_needs_nothing_from_elsewhere(rendered, kind):
    text = text_of(rendered / kind)
    page = Page(text)
    assert page.open == []
    assert not re.search(r"https?:|@import|url\((?!#)", text, re.IGNORECASE)
    assert {"link", "img", "iframe", "object", "base", "form"}.isdisjoint(page.tags)
    targets = [value for name, value in page.attributes if name in ("href", "src", "xlink:href")]
    assert all(value.startswith("#") for value in targets)
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in targets} <= set(ids)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert text.count("<script") == 1


def test_the_csv_file_holds_every_trial_in_full_precision(rendered, usual):
    with (rendered / "usual" / "report" / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == list(range(25))
    for row, trial in zip(rows, usual.trials, strict=True):
        assert row["score"] == ("" if trial.score is None else repr(trial.score))
        assert row["status"] == trial.status
        given = {key.removeprefix("value."): cell for key, cell in row.items() if key.startswith("value.") and cell}
        assert given == {key: str(value) for key, value in trial.values.items()}
        assert row["epochs"] == (str(len(trial.history["loss"])) if trial.history else "")


@pytest.mark.slow
def test_a_journal_alone_is_enough_and_keras_is_not_needed(tmp_path):
    folder = made_search.grid(tmp_path / "grid", STEPS[:8])
    code = (
        "import sys; from genrezoo.report import print_search, render_search;"
        f"render_search({str(folder)!r}, {str(tmp_path / 'out')!r}); print_search({str(folder)!r});"
        "sys.exit(any(name.split('.')[0] in ('keras', 'tensorflow', 'jax', 'keras_tuner') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "num steps 12" in done.stdout


# --- what it says ---


def test_the_head_says_what_was_searched_and_what_was_found(tmp_path):
    folder = tmp_path / "a"
    search = MadeSearch(folder, [int_of("units", 8, 64)], max_trials=4, seconds=600, warm_start=["searches/old"],
                        median_rule=True, tuner={"name": "bayesian", "initial_points": 5, "beta": 1.9})  # fmt: skip
    for units, score, by in ((16, 0.5, "recipe"), (8, 0.625, "warm"), (32, 0.75, "bayesian"), (40, 0.25, "bayesian")):
        search.end(search.ask({"units": units}, by=by), score=score)
    told = read_search(search.finish())
    assert summary(told) == (
        "The best of 4 completed trials, number 2, reaches 75.0\u00a0% (accuracy on validation songs of the best "
        "epoch, higher is better). The recipe's own values reach 50.0\u00a0%, 25.0 points less."
    )
    assert facts(told) == [
        "recipe: lstm (model lstm, trained by supervised)",
        "songs: mfcc4, official split: the one published with the data",
        "sizes: 800 train, 200 valid, 200 test; 3 genres; 1 segment of 26 features",
        f"checksum of songs and split: {'c0ffee' * 10}",
        "objective: accuracy on validation songs of the best epoch, higher is better",
        "tuner: bayesian (initial points 5, beta 1.9)",
        "budget: 4 trials, each at most 10 min 0 s, trials that fall behind the median of the others are stopped",
        "warm start from: searches/old",
        "seed: 1",
        "status: finished: 4 of 4 trials have ended, the whole budget",
        "trials: 4 completed",
        "time: 20.0 s from the first start to the last end, 10.0 s of all trials",
    ]


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ({"metric": "macro_f1", "over": "last"}, "macro F1 on validation songs of the last epoch, higher is better"),
        (
            {"over": "best_tenth", "folds": 5, "repeats": 3},
            "accuracy on validation songs as the mean of the best tenth of the epochs, mean over 5 folds and 3 seeds, "
            "higher is better",
        ),
        (
            {"metric": "loss", "latency_limit_ms": 2.5},
            "loss on validation songs of the best epoch, lower is better, at most 2.5 ms of CPU time for one song",
        ),
        (
            {"pareto": True},
            "the Pareto front of latency and accuracy on validation songs of the best epoch, higher is better",
        ),
    ],
)
def test_the_objective_is_said_in_words(tmp_path, objective, said):
    search = MadeSearch(tmp_path / "a", objective=objective)
    assert f"objective: {said}" in facts(read_search(search.folder))


@pytest.mark.slow
def test_of_a_loss_the_lowest_is_the_best(tmp_path):
    space = [float_of("dropout", 0.0, 1.0)]
    scores = [({"dropout": place / 10}, 1.0 + abs(place - 3)) for place in range(8)]
    folder = one_hyperparameter(tmp_path / "a", space, scores, objective={"metric": "loss"})
    search = read_search(folder)
    assert search.best.number == 3
    assert search.limits == (5.0, 1.0)
    assert (search.merit(1.0), search.merit(5.0), search.merit(2.0)) == (1.0, 0.0, 0.75)
    assert "number 3, reaches 1.000\u00a0nats" in summary(search)
    render_search(folder)
    assert re.search(r'class="best">\s*<td class="" data-sort="3.0">3</td>', text_of(folder))


def test_the_page_shows_every_trial_the_best_first_and_every_failure(rendered, usual):
    page = Page(text_of(rendered / "usual"))
    text = " ".join(" ".join(page.text).split())
    rows = re.findall(r'<tr class="(best)?">\s*<td class="" data-sort="(\d+)\.0">', text_of(rendered / "usual"))
    assert [int(number) for _, number in rows] == [
        *(trial.number for trial in usual.journal.ranked), 8, 14, 3, 11
    ]  # fmt: skip
    assert [mark for mark, _ in rows] == ["best", *[""] * 24]
    assert text.count(made_search.DETAIL.splitlines()[0]) == 2
    assert page.tags.count("details") == 3  # two tracebacks and the plan
    for phrase in (summary(usual), "optimistic", "2 trials failed", "only where optimizer is adamw", "Some CPU 3000"):
        assert phrase.replace("\u00a0", " ") in text.replace("\u00a0", " ")


def test_columns_can_be_sorted_by_their_values(rendered):
    page = Page(text_of(rendered / "usual"))
    kinds = [value for name, value in page.attributes if name == "data-kind"]
    values = [value for name, value in page.attributes if name == "data-sort"]
    assert len(values) == 25 * len(kinds)
    assert "failed" in values
    assert "" in values  # of a setting that does not count


def test_cautions_name_what_makes_scores_doubtful(tmp_path):
    songs = {"name": "synthetic", "provenance": "random"}
    space = [float_of("dropout", 0.0, 0.5), float_of("rate", 1e-4, 1e-1, log=True)]
    points = [({"dropout": 0.0, "rate": 1e-4}, 0.9), ({"dropout": 0.2, "rate": 1e-2}, 0.5)]
    found = " ".join(cautions(read_search(one_hyperparameter(tmp_path / "a", space, points, songs=songs))))
    for phrase in ("best of 2 trials is optimistic", "split is random", "say nothing about music", "one seed"):
        assert phrase in found
    assert "rate (0.000100, the lower end)" in found
    assert "dropout (" not in found  # nothing lies below none


def test_synthetic_songs_are_known_by_what_they_hold_and_one_segment_is_no_plural(tmp_path):
    about = {"synthetic_audio": {"seed": 1}}
    songs = {"name": "mine", "provenance": "random", "segments": 1, "features": 57, "about": about}
    points = [({"dropout": 0.2}, 0.9)]
    search = read_search(one_hyperparameter(tmp_path / "a", [float_of("dropout", 0.0, 0.5)], points, songs=songs))
    assert "say nothing about music" in " ".join(cautions(search))
    assert "1 segment of 57 features" in " ".join(facts(search))


def test_a_running_search_says_so_and_a_larger_budget_goes_on(tmp_path):
    search = MadeSearch(tmp_path / "a", max_trials=2)
    search.run(2)
    assert status(read_search(search.finish())) == "finished: 2 of 2 trials have ended, the whole budget"
    search.write(event="budget", max_trials=9)
    search.ask()
    told = read_search(search.folder)
    assert status(told) == "not finished: 2 of 9 trials have ended so far; it is running, or was interrupted"
    assert counted(told) == "2 completed, 1 not ended"


def test_the_terminal_shows_the_best_trials_in_its_width(rendered, usual):
    text = printed(rendered / "usual", most=3)
    assert max(map(len, text.splitlines())) <= 100
    numbers = [int(found) for found in re.findall(r"^ +(\d+) +\d\d\.\d ", text, re.MULTILINE)]
    assert numbers == [trial.number for trial in usual.journal.ranked[:3]]
    assert "The best 3 of 21 completed trials." in text
    assert "21 completed, 2 stopped by the median rule, 2 failed" in text
    assert "Failed: trials 3, 11: DataError" in " ".join(text.split())


def test_the_terminal_shows_the_front_with_its_latencies(rendered):
    front = read_search(rendered / "pareto").journal.front
    text = printed(rendered / "pareto", most=1)
    numbers = [int(found) for found in re.findall(r"^ +(\d+) +\d\.\d{3} ", text, re.MULTILINE)]
    assert numbers == [trial.number for trial in front]
    assert len(front) > 2
    assert "Latency (ms)" in text


def test_folds_show_their_interval(tmp_path):
    search = MadeSearch(tmp_path / "a", objective={"folds": 3})
    search.end(search.ask(), score=0.7, scores=[0.68, 0.7, 0.72])
    render_search(search.finish())
    assert "[65.0, 75.0]" in text_of(search.folder)  # 0.7 +- 4.303 * 0.02 / sqrt(3)


# --- whatever there may be ---


def test_without_any_trial_there_is_a_page(tmp_path):
    search = MadeSearch(tmp_path / "a")
    render_search(search.folder)
    assert "No trial has ended yet." in text_of(search.folder)
    assert figures_of(search.folder) == []
    assert "No trial has ended yet." in printed(search.folder)


def test_one_trial_makes_a_report(tmp_path):
    search = MadeSearch(tmp_path / "a")
    search.run(1)
    search.ask()
    render_search(search.folder)
    assert "The only completed trial, number 0," in text_of(search.folder)
    assert "importance" not in figures_of(search.folder)
    assert "1 completed points are too few" in text_of(search.folder)


def test_a_search_that_only_failed_shows_why(tmp_path):
    search = MadeSearch(tmp_path / "a", max_trials=3)
    search.run(3, change=lambda number: {"status": "failed"})
    render_search(search.finish())
    assert "No trial has completed: of 3 ended, 3 failed." in text_of(search.folder)
    assert figures_of(search.folder) == []
    assert "lower the learning rate" in " ".join(printed(search.folder).split())


def test_only_infeasible_trials_make_a_report(tmp_path):
    search = MadeSearch(tmp_path / "a", objective={"latency_limit_ms": 1.0})
    search.run(3, change=lambda number: {"status": "infeasible", "latency_ms": 2.0})
    render_search(search.finish())
    assert "3 over the latency limit" in text_of(search.folder)


@pytest.mark.slow
def test_trials_without_histories_and_plans_without_details(tmp_path):
    search = MadeSearch(tmp_path / "a", SPACE[:2], recipe={"name": "forest"}, songs={"name": "audio"},
                        tuner={"name": "random"}, environment=None)  # fmt: skip
    search.run(9, change=lambda number: {"history": {}, "quality": 0.5 + 0.01 * number, "seconds": None})
    render_search(search.finish())
    assert "curves" not in figures_of(search.folder)


@pytest.mark.slow
def test_two_hundred_trials_of_twelve_hyperparameters(tmp_path):
    names = ["a name of a choice that goes on and on and on", "another", "x", "y", "z"]
    space = [*SPACE, choice_of("aggregation", names), float_of("autoencoder_learning_rate", 1e-5, 1e-2, log=True),
             dimension("batch_normalisation", "boolean"), int_of("layers", 1, 3), choice_of("num_steps", STEPS),
             float_of("noise", 0.0, 0.5), float_of("mixup", 0.0, 0.4)]  # fmt: skip
    search = MadeSearch(tmp_path / "a", space, max_trials=201, objective={"metric": "loss"})
    assert len(space) == 12
    search.run(201, change=lambda number: {"score": 1e6} if number % 40 == 7 else {"epochs": 3})
    told = read_search(search.finish())
    worst, best = told.limits
    assert 0 < best < worst < 3  # the five that diverged do not count
    render_search(search.folder)
    assert figures_of(search.folder) == ["convergence", "curves", "importance", "parallel", "slices"]
    assert "5 far worse trials are drawn at the edge" in text_of(search.folder)
    one = Namespace(score=1e6)
    assert far(Namespace(trials=[one], bounded=lambda score: 3.0)) == " One far worse trial is drawn at the edge."
    assert len(text_of(search.folder)) < 4e6


def test_hostile_names_stay_text(tmp_path):
    space = [choice_of(EVIL, [EVIL, "b"]), float_of("rate", 0.0, 1.0, conditions=[{"name": EVIL, "values": [EVIL]}])]
    search = MadeSearch(tmp_path / "a", space, songs={"name": EVIL, "provenance": EVIL, "checksum": EVIL},
                        recipe={"name": EVIL, "model": EVIL, "procedure": EVIL}, tuner={"name": EVIL, EVIL: EVIL},
                        warm_start=[EVIL], environment={EVIL: EVIL, "versions": {EVIL: EVIL}})  # fmt: skip
    search.run(
        12, change=lambda n: {"by": EVIL} | ({"status": "failed", "error": EVIL, "detail": EVIL} if n > 9 else {})
    )
    render_search(search.finish())
    text = text_of(search.folder)
    page = Page(text)
    assert page.tags.count("script") == page.tags.count("style") == 1
    assert "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "1337" not in "".join(page.text)
    assert EVIL in "".join(page.text)
    assert page.open == []
    for path in (search.folder / "report").rglob("*.svg"):
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
        assert tags <= {"svg", "g", "path", "defs", "use", "rect", "clipPath", "title"}
    assert "<script>" not in (search.folder / "report" / "search.md").read_text("utf-8").replace("\\", "")
    assert "<script>" in printed(search.folder).replace("\n", "")


def test_formulas_do_not_reach_a_spreadsheet(tmp_path):
    search = MadeSearch(tmp_path / "a", [choice_of("=cell", ["=1+1", "b"])])
    search.end(search.ask({"=cell": "=1+1"}))
    render_search(search.finish())
    assert ",'=1+1" in (search.folder / "report" / "trials.csv").read_text("utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": {"metric": "beauty", "pareto": False}}, "unknown metric 'beauty'"),
        ({"space": [{"name": "a"}]}, "'kind'"),
        ({"space": [choice_of("a", [1]) | {"values": None}]}, "a has no values"),
        ({"songs": None}, "the plan's songs is not a table"),
    ],
)
def test_a_plan_that_is_none_is_refused(tmp_path, change, message):
    search = MadeSearch(tmp_path / "a")
    path = search.folder / "journal.jsonl"
    path.write_text(json.dumps({"event": "search", "schema": 1, "plan": {**search.plan, **change}}) + "\n")
    with pytest.raises(DataError, match=re.escape(message)):
        render_search(search.folder)
    assert not (search.folder / "report").exists()


def test_a_folder_without_a_journal_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not a search"):
        render_search(tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- axes ---


def test_values_lie_on_their_axes(tmp_path):
    search = read_search(MadeSearch(tmp_path / "a", [*SPACE, choice_of("steps", [8, 2, 4])]).folder)
    units, dropout, rate, optimizer, decay, steps = search.space
    assert units.place({"units": 260}) == 0.5
    assert dropout.place({"dropout": 0.15}) == 0.25
    assert rate.place({"learning_rate": 1e-3}) == pytest.approx(1 / 3)
    assert optimizer.place({"optimizer": "adamw"}) == 1.0
    assert decay.place({"optimizer": "adam"}) is None
    assert [steps.place({"steps": value}) for value in (2, 4, 8)] == [0.0, 0.5, 1.0]  # in order, whatever the plan's
    assert [text for _, text in rate.ticks(6)] == ["0.0001", "0.001", "0.01", "0.1"]
    assert [text for _, text in steps.ticks(2)] == ["2", "8"]
    assert units.text({"units": 1000}) == "1,000"
    assert decay.text({}) == "–"
    assert (rate.range_text(), optimizer.range_text()) == ("0.0001 to 0.1, logarithmic", "adam, adamw")
    assert decay.range_text() == "0.00001 to 0.1, logarithmic, only where optimizer is adamw"
    (even,) = read_search(MadeSearch(tmp_path / "b", [int_of("units", 64, 512, step=64)]).folder).space
    assert even.range_text() == "64 to 512, steps of 64"
    assert units.label == "units"
    assert rate.label == "learning rate"


def test_ticks_stay_within_the_range_and_are_few(tmp_path):
    spaces = [float_of("a", 0.0, 0.6), int_of("b", 1, 3), float_of("c", 3e-5, 3e-2, log=True), int_of("d", 16, 128),
              float_of("e", 0.31, 0.32), float_of("f", 2.0, 3.0, log=True), float_of("g", 5.0, 5.0)]  # fmt: skip
    for one in read_search(MadeSearch(tmp_path / "a", spaces).folder).space:
        ticks = one.ticks(6)
        assert 1 <= len(ticks) <= 7
        assert all(-1e-6 <= place <= 1 + 1e-6 for place, _ in ticks)
        assert len({text for _, text in ticks}) == len(ticks)


def test_far_off_scores_do_not_flatten_the_others(tmp_path):
    space, scores = [float_of("dropout", 0.0, 1.0)], [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1e6]
    points = [({"dropout": place / 10}, score) for place, score in enumerate(scores)]
    search = read_search(one_hyperparameter(tmp_path / "a", space, points, objective={"metric": "loss"}))
    assert search.limits == (1.5, 1.0)
    assert search.bounded(1e6) == 1.5
    assert search.merit(1e6) == 0.0


def test_worse_scores_are_no_outliers_where_most_are_the_best(tmp_path):
    points = [({"dropout": place / 10}, 0.5 if place < 2 else 1.0) for place in range(10)]
    search = read_search(one_hyperparameter(tmp_path / "a", [float_of("dropout", 0.0, 1.0)], points))
    assert search.limits == (0.5, 1.0)
    assert search.merit(0.5) == 0.0
    assert list(importance(search).loss) == ["dropout"]


# --- figures ---


def test_lines_and_points_say_what_they_are(rendered, usual):
    svg = (rendered / "usual" / "report" / "figures" / "parallel.svg").read_text("utf-8")
    titles = {element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("title")}
    assert titles == {usual.tip(trial) for trial in usual.journal.ranked}
    best = usual.best
    assert usual.tip(best).startswith(
        f"Trial {best.number}: {100 * best.score:.1f}\u00a0%. units {best.values['units']}"
    )
    scores = (rendered / "usual" / "report" / "figures" / "convergence.svg").read_text("utf-8")
    assert scores.count("<title>") == 25
    assert "(failed, by random)" in scores


def test_trials_stand_in_the_order_of_their_ends(tmp_path):
    search = MadeSearch(tmp_path / "a")
    numbers = [search.ask() for _ in range(3)]
    for number in (numbers[2], numbers[0], numbers[1]):
        search.end(number)
    assert [trial.number for trial in read_search(search.folder).ended] == [2, 0, 1]


def test_a_training_that_was_continued_counts_once(rendered):
    search = read_search(rendered / "hyperband")
    assert search.counts["completed"] == 22
    gone_on = {trial.origin for trial in search.trials if trial.origin is not None}
    assert len(search.leaves) == 22 - len(gone_on) == 17
    assert gone_on.isdisjoint(trial.number for trial in search.leaves)
    assert search.leaves[0].number == search.best.number


# --- importance ---


def noisy(folder, space, score, trials=40, seed=5):
    search = MadeSearch(folder, space, seed=seed)
    for _ in range(trials):
        values = search.point()
        search.end(search.ask(values), score=score(values), epochs=2)
    return read_search(search.finish())


def test_the_hyperparameter_that_makes_the_score_is_the_most_important(tmp_path):
    search = noisy(tmp_path / "a", SPACE, lambda values: 0.4 + 0.3 * values["dropout"] + 1e-4 * values["units"])
    found = importance(search)
    assert isinstance(found, Importance)
    assert max(found.loss, key=lambda name: found.loss[name].mean) == "dropout"
    assert found.loss["dropout"].low > 0.5
    for name in ("learning_rate", "optimizer", "weight_decay"):
        assert abs(found.loss[name].mean) < 0.05
    assert found.r2.mean > 0.8
    assert found.r2.low <= found.r2.mean <= found.r2.high
    assert "chance" not in trust(found)
    assert importance(search) == found


def test_a_hyperparameter_does_not_take_the_merit_of_its_condition(tmp_path):
    search = noisy(tmp_path / "a", SPACE, lambda values: 0.4 + 0.2 * (values["optimizer"] == "adamw"))
    found = importance(search)
    assert found.loss["optimizer"].mean > 1.0
    assert abs(found.loss["weight_decay"].mean) < 0.1


@pytest.mark.slow
def test_choices_without_order_count_as_one_hyperparameter(tmp_path):
    space = [choice_of("cell", ["a", "b", "c", "d"]), float_of("rate", 0.0, 1.0)]
    found = importance(noisy(tmp_path / "a", space, lambda values: 0.5 + 0.2 * (values["cell"] in "bd"), trials=60))
    assert set(found.loss) == {"cell", "rate"}
    assert found.loss["cell"].mean > 1.0


@pytest.mark.slow
def test_chance_is_called_chance(tmp_path):
    draw = np.random.default_rng(3)
    found = importance(noisy(tmp_path / "a", SPACE, lambda values: float(draw.random())))
    assert found.r2.mean < 0.1
    assert "may be chance" in trust(found)


def test_epochs_are_no_merit_of_a_hyperparameter(rendered):
    found = importance(read_search(rendered / "hyperband"))
    assert found.trials == 17
    assert max(found.loss, key=lambda name: found.loss[name].mean) == EPOCHS


@pytest.mark.parametrize(
    ("scores", "why"),
    [([0.1 * place for place in range(7)], "7 completed points are too few"), ([0.5] * 9, "the same score")],
)
def test_importance_is_not_made_up(tmp_path, scores, why):
    points = [({"rate": place / 10}, score) for place, score in enumerate(scores)]
    folder = one_hyperparameter(tmp_path / "a", [float_of("rate", 0.0, 1.0)], points)
    assert why in importance(read_search(folder))
    render_search(folder)
    assert why in text_of(folder)


# --- the command line ---


def test_the_command_renders_searches_and_results_together(rendered, results, tmp_path):
    search = made_search.grid(tmp_path / "grid", STEPS[:3])
    done = CliRunner().invoke(app, ["report", str(search), str(results)])
    assert done.exit_code == 0, done.output
    lines = done.output.split()
    assert [line for line in lines if line.endswith("report.html")] == [
        str(results / "report" / "report.html"), str(search / "report" / "report.html")
    ]  # fmt: skip
    assert "num steps 4" in done.output
    assert "lstm" in done.output


def test_one_search_can_be_rendered_elsewhere_but_two_pages_not_into_one_place(tmp_path):
    first, second = (made_search.grid(tmp_path / name, STEPS[:3]) for name in "ab")
    done = CliRunner().invoke(app, ["report", str(first), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert (tmp_path / "out" / "report.html").exists()
    assert not (first / "report").exists()
    refused = CliRunner().invoke(app, ["report", str(first), str(second), "--out", str(tmp_path / "both")])
    assert isinstance(refused.exception, SettingsError)
    assert "--out takes a single page" in str(refused.exception)
    assert not (tmp_path / "both").exists()
