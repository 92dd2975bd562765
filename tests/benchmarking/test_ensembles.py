"""Ensembles of a suite: which models each is selected from, and the rows that are written of them."""

import numpy as np
import pytest
from made_library import add_baseline, labels

from genrezoo.benchmarking import Suite
from genrezoo.benchmarking.cell import Cell
from genrezoo.benchmarking.ensembles import EnsemblePlan, ensemble_rows, groups_of
from genrezoo.evaluation import softmax
from genrezoo.report.benchmark.leaderboard import leaderboard
from genrezoo.rows import AccuracyRow, CellFacts, NotMeasured, read_row_file
from genrezoo.runs.predictions import read_predictions

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = {"bags": 2, "steps": 5}
ENTRANTS = ("svm_rbf_flat", "extra_trees_flat", "random_forest_flat")  # no seed changes the first


def cell(name, seed, checksum="c" * 64, family="baseline"):
    facts = {"key": f"{name}-{seed}", "recipe": name, "family": family, "seed": seed, "checksum": checksum}
    return Cell(facts=CellFacts(**facts, data="toy", provenance="random"), data="songs", run="run")


CELLS = [cell(ENTRANTS[0], 1), *(cell(name, seed) for name in ENTRANTS[1:] for seed in (1, 2))]


def members_of(plan, cells):
    return [(seed, [(one.facts.recipe, one.facts.seed) for one in group]) for seed, group in groups_of(plan, cells)]


def test_members_have_the_same_seed_and_what_no_seed_changes_belongs_to_all():
    plan = EnsemblePlan(name="greedy", family="baselines")
    assert members_of(plan, CELLS) == [
        (1, [(ENTRANTS[0], 1), (ENTRANTS[1], 1), (ENTRANTS[2], 1)]),
        (2, [(ENTRANTS[0], 1), (ENTRANTS[1], 2), (ENTRANTS[2], 2)]),
    ]
    both = EnsemblePlan(name="greedy", family="all", seeds="all", candidates=("*_trees_*", "svm*"))
    assert [len(group) for _, group in groups_of(both, CELLS)] == [3]


def test_each_set_of_songs_has_its_own_ensemble_and_families_are_kept_apart():
    cells = [*CELLS, cell("lstm", 1, family="zoo"), cell("gru", 1, family="zoo"), cell("lstm", 1, "d" * 64, "zoo")]
    assert members_of(EnsemblePlan(name="greedy"), cells) == [(1, [("lstm", 1), ("gru", 1)]), (1, [("lstm", 1)])]


@pytest.fixture
def results(tmp_path):
    for one in CELLS:
        add_baseline(tmp_path, one.facts.recipe, seed=one.facts.seed)
    return tmp_path


def rows_of(folder, *plans, cells=CELLS):
    done = {row.identity: row for row in read_row_file(folder / "rows.jsonl").rows}
    return list(ensemble_rows(plans, cells, done, folder))


def append(folder, rows):
    with open(folder / "rows.jsonl", "a", encoding="utf-8") as file:
        file.writelines(f"{row.model_dump_json(by_alias=True)}\n" for row, _ in rows)


def test_the_row_is_that_of_the_members_weighted_and_its_predictions_are_stored(results):
    plan = EnsemblePlan(name="greedy", family="baselines", **QUICK)
    (first, kept), (second, _) = rows_of(results, plan)
    assert not kept
    assert (first.recipe, first.seed, first.family, first.epochs) == ("greedy", 1, "baseline", 0)
    assert (second.seed, second.settings["ensemble"]) == (2, first.settings["ensemble"])
    weights = first.settings["chosen"]["weights"]
    assert first.train_seconds == 2.0 * len(weights)
    posterior = 0
    for name, weight in weights.items():
        stored = read_predictions(results / f"runs/{name}-1", "test", 3)
        posterior += weight * softmax(stored["logits"][np.argsort(stored["ids"])])
    assert first.test.accuracy == (posterior.argmax(axis=1) == labels("test")).mean()
    assert set(read_predictions(results / first.run, "valid", 3)["ids"]) == {f"valid-{n:02}" for n in range(24)}


def test_the_leaderboard_shows_it_as_one_entry_with_the_weights_of_each_seed(results):
    plan = EnsemblePlan(name="greedy", family="baselines", **QUICK)
    append(results, rows := rows_of(results, plan))
    (board,) = leaderboard(results).boards
    (entry,) = (entry for entry in board.entries if entry.recipe == "greedy")
    assert (entry.name, entry.seeds, entry.speed) == ("greedy", (1, 2), {})
    assert entry.group
    for number, (row, _) in enumerate(rows, 1):
        assert entry.settings["chosen"][f"seed {number}"]["weights"] == row.settings["chosen"]["weights"]


def test_it_is_selected_again_only_when_the_candidates_have_changed(results):
    plan = EnsemblePlan(name="greedy", family="baselines", **QUICK)
    append(results, before := rows_of(results, plan))
    assert [kept for _, kept in rows_of(results, plan)] == [True, True]
    (results / before[0][0].run / "predictions.npz").unlink()
    assert [kept for _, kept in rows_of(results, plan)] == [False, True]
    fewer = rows_of(results, plan, cells=[one for one in CELLS if one.facts.key != "svm_rbf_flat-1"])
    assert [kept for _, kept in fewer] == [False, False]
    assert [row.key for row, _ in fewer] == [row.key for row, _ in before]  # which the later row replaces


def test_where_fewer_than_two_models_were_measured_the_row_says_so(tmp_path):
    add_baseline(tmp_path, ENTRANTS[0])
    plan = EnsemblePlan(name="greedy", family="baselines", seeds="all")
    ((row, kept),) = rows_of(tmp_path, plan)
    assert isinstance(row, NotMeasured)
    assert not kept
    assert "at least two measured models, got 1" in row.reason
    append(tmp_path, [(row, kept)])
    assert rows_of(tmp_path, plan) == [(row, True)]
    add_baseline(tmp_path, ENTRANTS[1])
    assert isinstance(rows_of(tmp_path, plan)[0][0], AccuracyRow)


SUITE = {"name": "own", "summary": "s", "data": ["synthetic"], "recipes": ["lstm", "mlp"], "baselines": ENTRANTS[:2]}


def test_a_suite_chooses_its_ensembles_with_its_entrants():
    every = {"name": "every", "family": "all", "candidates": ("lstm", "svm*", "mlp")}
    suite = Suite(**SUITE, ensembles=[{"name": "zoo"}, every])
    assert [plan.name for plan in suite.select(["lstm", "mlp"]).ensembles] == ["zoo", "every"]
    (left,) = suite.select(["lstm", "svm_rbf_flat"]).ensembles
    assert (left.name, left.candidates) == ("every", ("lstm", "svm*"))
    assert Suite.model_validate(suite.model_dump(mode="json")) == suite


@pytest.mark.parametrize(
    ("ensembles", "message"),
    [
        ([{"name": "lstm"}], "is already called 'lstm'"),
        ([{"name": "own"}, {"name": "own"}], "is already called 'own'"),
        ([{"name": "own", "candidates": ["lstm", "gru*"]}], "ensemble 'own': 'gru\\*' is neither an entrant nor"),
        ([{"name": "own", "bags": 0}], "bags"),
        ([{"name": "own", "family": "peers"}], "family"),
        ([{"name": "own", "bag": 3}], "bag"),
    ],
)
def test_what_is_wrong_with_an_ensemble_is_said(ensembles, message):
    with pytest.raises(ValueError, match=message):
        Suite(**SUITE, ensembles=ensembles)


def test_repeated_splits_have_ensembles_of_their_own_which_the_report_compares(tmp_path):
    cells = []
    for repeat in (1, 2):
        for name in ENTRANTS[:2]:
            songs = {"repeat": repeat, "pooled": "p" * 64, "provenance": "repeated, stratified"}
            sizes = {"train": 60, "valid": 24, "test": 24}
            add_baseline(tmp_path, name, seed=repeat, checksum=str(repeat) * 64, sizes=sizes, **songs)
            cells.append(cell(name, repeat, str(repeat) * 64))
    plan = EnsemblePlan(name="greedy", family="baselines", **QUICK)
    append(tmp_path, rows := rows_of(tmp_path, plan, cells=cells))
    assert [(row.seed, row.repeat, row.pooled) for row, _ in rows] == [(1, 1, "p" * 64), (2, 2, "p" * 64)]
    (board,) = leaderboard(tmp_path).repeated
    assert {entry.name: entry.splits for entry in board.entries}["greedy"] == (1, 2)
