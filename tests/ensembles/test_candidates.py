"""Candidates from folders of results: which there are, how they are called, and what they answered."""

import shutil

import numpy as np
import pytest
from made_library import add_baseline, labels

from genrezoo.ensembles.candidates import (
    GREEDY,
    choose_candidates,
    find_candidates,
    held_out_answers,
    member_names,
    read_answers,
)
from genrezoo.errors import DataError, GenrezooWarning, SettingsError, UnknownNameError


def names_of(candidates):
    return [(one.facts.recipe, one.facts.seed) for one in candidates]


@pytest.fixture
def results(tmp_path):
    add_baseline(tmp_path, "svm", skill=2.0)
    add_baseline(tmp_path, "trees", seed=1)
    add_baseline(tmp_path, "trees", seed=2)
    return tmp_path


def test_each_model_is_found_once_and_ensembles_are_no_candidates(results):
    add_baseline(results, "greedy", model=GREEDY)
    shutil.copytree(results / "runs" / "svm-1", results / "runs" / "svm-1-again")
    add_baseline(results, "svm_copy", key="svm-1", run="runs/svm-1-again", train_seconds=5.0)  # the cell run again
    found = find_candidates([results, results])
    assert names_of(found) == [("svm_copy", 1), ("trees", 1), ("trees", 2)]
    assert found[0].train_seconds == 5.0
    assert found[0].run == results / "runs/svm-1-again"


def test_a_folder_without_models_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has neither rows.jsonl nor card.json"):
        find_candidates([tmp_path])
    with pytest.raises(DataError, match="none: no such file or folder"):
        find_candidates([tmp_path / "none"])


def test_candidates_are_chosen_by_name_pattern_family_and_songs(results):
    found = find_candidates([results])
    assert names_of(choose_candidates(found, family="baselines", models=["tr*"])) == [("trees", 1), ("trees", 2)]
    assert len(choose_candidates(found, family="all", data="cccc")) == 3
    with pytest.raises(SettingsError, match="at least two models of the zoo, got 0"):
        choose_candidates(found)
    with pytest.raises(SettingsError, match="at least two baselines, got 1"):
        choose_candidates(found, family="baselines", models=["svm"])
    with pytest.raises(UnknownNameError, match="unknown candidate 'svn'"):
        choose_candidates(found, family="all", models=["svn", "trees"])
    with pytest.raises(UnknownNameError, match="unknown set of songs 'toys'"):
        choose_candidates(found, family="all", data="toys")


def test_models_of_several_sets_of_songs_must_be_told_apart(results):
    for name in ("svm", "forest"):
        add_baseline(results, f"{name}_elsewhere", checksum="d" * 64, data="other")
    found = find_candidates([results])
    with pytest.raises(SettingsError, match=r"other \(dddddddddddd\), toy \(cccccccccccc\). Choose one"):
        choose_candidates(found, family="all")
    for data in ("other", "dddd"):
        assert len(choose_candidates(found, family="all", data=data)) == 2


def test_members_are_called_after_recipe_seed_and_number(results):
    add_baseline(results, "a__b_")  # a recipe may be called so, a member may not
    first = find_candidates([results])
    assert list(member_names(first)) == ["a_b", "svm", "trees_seed_1", "trees_seed_2"]
    assert list(member_names([*first, first[2]]))[-1] == "trees_seed_1_2"


def test_answers_are_brought_into_one_order(results):
    found = read_answers(member_names(find_candidates([results])), "valid")
    assert list(found.logits) == ["svm", "trees_seed_1", "trees_seed_2"]
    assert found.ids.tolist() == [f"valid-{number:02}" for number in range(24)]
    assert found.y.tolist() == labels("valid").tolist()
    with np.load(results / "runs/svm-1/predictions.npz") as stored:
        for number, name in enumerate(stored["valid_ids"].tolist()):
            np.testing.assert_array_equal(found.logits["svm"][int(name[-2:])], stored["valid_logits"][number])


def test_songs_out_of_fold_count_where_every_candidate_has_answered_them(tmp_path):
    for name in ("svm", "trees"):
        add_baseline(tmp_path, name, splits=("valid", "test", "out_of_fold"))
    assert held_out_answers(member_names(find_candidates([tmp_path]))).split == "out_of_fold"
    add_baseline(tmp_path, "forest")
    with pytest.warns(GenrezooWarning, match="^svm, trees predicted validation songs .* the weights favour them"):
        assert held_out_answers(member_names(find_candidates([tmp_path]))).split == "valid"


@pytest.mark.parametrize("changed", ["ids", "y", "genres"])
def test_answers_to_other_songs_are_refused(tmp_path, changed):
    add_baseline(tmp_path, "svm")
    genres = {"genres": ("a", "b", "c")} if changed == "genres" else {}
    add_baseline(tmp_path, "trees", **genres)
    path = tmp_path / "runs/trees-1/predictions.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["valid_ids"][0] = "other" if changed == "ids" else arrays["valid_ids"][0]
    arrays["valid_y"][0] = (arrays["valid_y"][0] + (changed == "y")) % 3
    np.savez(path, **arrays)
    with pytest.raises(
        DataError, match=r"trees-1: has predictions for other valid songs than svm, or other labels or genres"
    ):
        read_answers(member_names(find_candidates([tmp_path])), "valid")
