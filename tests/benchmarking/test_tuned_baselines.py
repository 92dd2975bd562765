import dataclasses

import numpy as np
import pytest
from toys import make_songs

from genrezoo.benchmarking import Suite, benchmark, cell, tuned_baselines
from genrezoo.benchmarking.forms import FORMS, rich_statistics
from genrezoo.benchmarking.tuned_baselines import (
    MOST_FLAT,
    TUNED_BASELINES,
    fit_chosen,
    tune_baseline,
)
from genrezoo.errors import DataError
from genrezoo.evaluation import softmax
from genrezoo.files import read_json, read_json_lines
from genrezoo.runs.predictions import read_predictions
from genrezoo.songs.storage import save_songs

pytestmark = pytest.mark.usefixtures("one_thread")

NAN = np.nan


def small(name="logistic_regression_tuned", **changes):
    """A baseline with few candidates."""
    baseline = TUNED_BASELINES[name]
    return dataclasses.replace(baseline, **{"forms": ("mean",), "grid": baseline.grid[:2], **changes})


def test_rich_statistics_leave_padding_out():
    x = np.array([[[1.0, 0.0], [2.0, 0.0], [6.0, 0.0], [NAN, NAN]], [[5.0, 1.0], [3.0, 3.0], [5.0, 1.0], [9.0, 3.0]]])
    found = rich_statistics(x).reshape(2, 8, 2)  # (songs, statistics, features)
    for song, real in enumerate((x[0, :3], x[1])):
        expected = [real.mean(0), real.std(0), *np.quantile(real, (0, 0.25, 0.5, 0.75, 1), axis=0)]
        np.testing.assert_allclose(found[song, :7], expected)
        np.testing.assert_allclose(found[song, 7], np.abs(np.diff(real, axis=0)).mean(0))
    one = np.array([[[7.0], [NAN], [NAN]]])
    np.testing.assert_array_equal(rich_statistics(one), [[7, 0, 7, 7, 7, 7, 7, 0]])


def test_what_songs_can_be_tried_in():
    baseline = TUNED_BASELINES["svm_rbf_tuned"]
    assert baseline.forms_for(make_songs()) == list(FORMS)
    assert baseline.forms_for(make_songs(n_segments=1)) == ["flat"]
    assert baseline.forms_for(make_songs(n_features=MOST_FLAT // 6 + 1)) == ["mean", "stats", "rich"]


def test_it_chooses_the_form_that_tells_genres_apart():
    # the genres differ by the spread of a song alone, which no mean shows
    draw = np.random.default_rng(0)
    songs = make_songs(90, num_classes=2)
    x = draw.standard_normal(songs.x.shape) * (1 + 3 * songs.y[:, None, None])
    songs = dataclasses.replace(songs, x=x)
    tuned = tune_baseline(small(forms=("mean", "stats")), songs, seed=1)
    assert tuned.choice.form == "stats"
    assert tuned.choice.out_of_fold_accuracy > 0.9


def test_predictions_out_of_fold_are_of_classifiers_that_never_saw_the_song():
    # labels at random: whoever has seen a song knows it, whoever has not is right by chance
    songs = dataclasses.replace(make_songs(300, num_classes=2), x=np.random.default_rng(1).normal(size=(300, 6, 4)))
    baseline = small("extra_trees_tuned", grid=({"max_features": 1.0},))
    quick = dataclasses.replace(
        baseline, make=lambda seed, n, part: baseline.make(seed, n, part).set_params(n_estimators=10)
    )
    tuned = tune_baseline(quick, songs, seed=1)
    pool = songs.take(np.sort(np.concatenate([songs.splits["train"], songs.splits["valid"]])))
    assert tuned.out_of_fold["ids"].tolist() == pool.ids.tolist()
    assert (tuned.fitted.log_posterior(pool).argmax(1) == pool.y).all()  # fitted on validation songs too
    accuracy = (tuned.out_of_fold["logits"].argmax(1) == tuned.out_of_fold["y"]).mean()
    assert accuracy == tuned.choice.out_of_fold_accuracy < 0.65
    valid = songs.split("valid")
    found = tuned.of(valid)
    assert found["ids"].tolist() == valid.ids.tolist()
    assert found["y"].tolist() == valid.y.tolist()


def test_test_songs_have_no_part_and_the_seed_fixes_everything():
    songs = make_songs(60)
    x = songs.x.copy()
    x[songs.splits["test"]] = 1e6
    tuned = [tune_baseline(small("svm_rbf_tuned"), given, seed=1) for given in (songs, dataclasses.replace(songs, x=x))]
    assert tuned[0].choice == tuned[1].choice
    np.testing.assert_array_equal(*(one.out_of_fold["logits"] for one in tuned))
    again = fit_chosen(small("svm_rbf_tuned"), tuned[0].choice, songs, seed=1)
    test = songs.split("test")
    np.testing.assert_array_equal(again.log_posterior(test), tuned[0].fitted.log_posterior(test))


def test_scores_become_probabilities_that_are_likely_out_of_fold():
    tuned = tune_baseline(small("svm_rbf_tuned"), make_songs(90), seed=1)
    logits, y = tuned.out_of_fold["logits"].astype(float), tuned.out_of_fold["y"]
    np.testing.assert_allclose(softmax(logits), np.exp(logits), atol=1e-6)

    def loss(power):
        return -np.log(softmax(power * logits))[np.arange(len(y)), y].mean()

    assert loss(1) < min(loss(0.8), loss(1.25))


def test_groups_stay_whole_and_rare_genres_get_fewer_folds():
    songs = make_songs(60)
    index = np.concatenate([songs.splits["train"], songs.splits["valid"]])
    few = np.concatenate([index[songs.y[index] != 2], index[songs.y[index] == 2][:2]])  # two songs of the last genre
    rare = songs.with_split({**songs.splits, "train": few[few != few[0]], "valid": few[:1]}, "random")
    tuned = tune_baseline(small(), rare, seed=1)
    assert len(tuned.out_of_fold["y"]) == len(few)
    assert tuned.choice.folds == 2
    one = rare.with_split({**rare.splits, "train": few[:-1], "valid": few[:1]}, "random")
    one = one.with_split({**one.splits, "valid": one.splits["train"][1:2], "train": one.splits["train"][2:]}, "random")
    with pytest.raises(DataError, match="a genre has only one song besides test songs"):
        tune_baseline(small(), one, seed=1)
    # pairs of songs share a group and all their features, and labels are random: a split pair would be recognised
    draw = np.random.default_rng(0)
    twins = make_songs(160, num_classes=2)
    x, y = np.repeat(draw.normal(size=(80, 6, 4)), 2, axis=0), np.repeat(np.arange(80) % 2, 2)
    order = np.arange(160)
    splits = {"train": order[:100], "valid": order[100:130], "test": order[130:]}
    twins = dataclasses.replace(twins, x=x, y=y, groups=order // 2, splits=splits)
    baseline = small("svm_rbf_tuned", grid=({"gamma_times_columns": 100.0, "C": 10.0},))
    assert tune_baseline(baseline, twins, seed=1).choice.out_of_fold_accuracy < 0.65


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TUNED_BASELINES))
def test_every_tuned_baseline_beats_chance(name, monkeypatch):
    monkeypatch.setattr(tuned_baselines, "N_FOLDS", 2)
    songs = make_songs(120)
    test = songs.split("test")
    baseline = dataclasses.replace(TUNED_BASELINES[name], forms=("mean",))  # with all its candidates
    logits = tune_baseline(baseline, songs, seed=1).fitted.log_posterior(test)
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, atol=1e-4)
    assert (logits.argmax(1) == test.y).mean() > 0.6


def test_a_benchmark_says_what_was_chosen_and_keeps_predictions_out_of_fold(tmp_path, monkeypatch):
    from here_executor import HereExecutor

    from genrezoo import parallel, report

    monkeypatch.setattr(parallel, "ProcessExecutor", HereExecutor)
    monkeypatch.setattr(cell, "CALLS", 2)
    save_songs(make_songs(), tmp_path / "songs")
    name = "logistic_regression_tuned"
    monkeypatch.setitem(TUNED_BASELINES, name, small(name))
    plan = Suite(name="own", summary="s", baselines=[name], data=[{"source": str(tmp_path / "songs")}], seeds=2)
    folder = benchmark(plan, out=tmp_path / "out")
    rows = sorted(read_json_lines(folder / "rows.jsonl"), key=lambda row: (row["kind"], row["seed"]))
    assert [(row["kind"], row["seed"], row["status"]) for row in rows] == [
        ("accuracy", 1, "ok"), ("accuracy", 2, "ok"), ("speed", 1, "ok")
    ]  # fmt: skip
    row, run = rows[0], folder / rows[0]["run"]
    assert row["settings"]["trained_on"] == ["train", "valid"]
    assert row["settings"]["chosen"] == read_json(run / "chosen.json")
    assert row["settings"]["chosen"]["folds"] == 5
    pool, valid = (read_predictions(run, split, 3) for split in ("out_of_fold", "valid"))
    assert len(pool["y"]) == 48
    place = [pool["ids"].tolist().index(song) for song in valid["ids"].tolist()]
    np.testing.assert_array_equal(pool["logits"][place], valid["logits"])
    assert row["valid"]["accuracy"] == (valid["logits"].argmax(1) == valid["y"]).mean()
    (board,) = report.leaderboard(folder).boards
    (entry,) = board.entries  # one, whatever its seeds have chosen
    assert entry.seeds == (1, 2)
