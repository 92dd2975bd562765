"""The search itself, with trials that are run at once in this process and come to what a test says."""

import concurrent.futures
import contextlib
import json
import shutil

import numpy as np
import pytest

import genrezoo as gz
from genrezoo import parallel
from genrezoo.errors import DataError, ResourceError, SettingsError
from genrezoo.trials import FILE, read_journal
from genrezoo.tuning import executor_loop
from genrezoo.tuning import search as searching
from genrezoo.tuning.objective import Objective

SPACE = {"learning_rate": {"min": 1e-4, "max": 1e-1, "sampling": "log"}, "batch_size": [8, 16, 32, 64]}


@pytest.fixture(scope="module")
def songs():
    return gz.load_songs("synthetic", n_train=30, n_valid=12, n_test=12, n_segments=6, n_genres=3, seed=1)


class Script:
    """An executor whose calls are answered by a function of the trial's values, or by an error that it raises."""

    def __init__(self, answer, workers, run):
        self.answer, self.workers, self.orders, self.run = answer, workers, [], run

    def call(self, fn, kwargs, *, reads, writes):
        order = kwargs["order"]
        self.orders.append((fn.__name__, order))
        writes["folder"].mkdir(parents=True, exist_ok=True)
        future = concurrent.futures.Future()
        try:
            if fn.__name__ == "finish_trial":
                result = "0" * 64
            else:
                result = self.answer(order)
                result = {"status": "completed", "score": result} if isinstance(result, float) else result
                score, epochs = result["score"], order["until"] or 3
                result = {
                    "scores": [] if score is None else [score], "seconds": 0.1, "error": None, "detail": None,
                    "parameters": 9, "latency_ms": None, "weights_sha256": None,
                    "history": {"valid_accuracy": [score or 0.0] * epochs}, **result,
                }  # fmt: skip
            if result == "0" * 64 or order["until"] is None:
                where = executor_loop.part_folder(writes["folder"], Objective.model_validate(order["objective"]))
                if fn.__name__ == "finish_trial":
                    where = writes["folder"]
                shutil.copytree(self.run, where, dirs_exist_ok=True)
            future.set_result(result)
        except BaseException as error:
            future.set_exception(error)
        return future


@pytest.fixture(scope="module")
def run(songs, tmp_path_factory):
    """A whole run, which stands for that of any trial."""
    recipe = gz.get_recipe("statistics_mlp").changed({"epochs": 1, "units": [4]})
    return gz.train(recipe, songs, seed=1, out=tmp_path_factory.mktemp("run")).folder


@pytest.fixture
def scripted(monkeypatch, run):
    def install(answer, workers=1):
        script = Script(answer, workers, run)

        monkeypatch.setattr(searching, "make_executor", lambda *_, **__: contextlib.nullcontext(script))
        return script

    return install


def good(order):
    """An objective with its best value at a learning rate of 0.01."""
    import math

    return 1.0 - abs(math.log10(order["values"].get("learning_rate", 1e-3)) + 2) / 4


def tune(songs, out, **more):
    given = {"tuner": "random", "max_trials": 6, "only": tuple(SPACE), "space": SPACE, "seed": 1, **more}
    return gz.tune("statistics_mlp", songs, out=out, **given)


def events(folder):
    return [json.loads(line) for line in (folder / FILE).read_text().splitlines()]


def test_every_step_is_a_line_and_the_best_is_kept(songs, tmp_path, scripted):
    scripted(good)
    search = tune(songs, tmp_path / "s")
    kinds = [event["event"] for event in events(tmp_path / "s")]
    assert kinds == ["search", *["ask", "start", "end"] * 6, "finish"]
    best = max(search.trials, key=lambda trial: trial.score)
    assert search.best == best
    assert [folder.name for folder in (tmp_path / "s/trials").iterdir()] == [f"{best.number:04d}"]
    assert (tmp_path / "s/best").resolve() == (tmp_path / "s/trials" / f"{best.number:04d}").resolve()
    assert gz.get_recipe(tmp_path / "s/best.json") == search.recipe()
    assert search.recipe().settings["learning_rate"] == best.values["learning_rate"]
    assert search.trials[0].by == "recipe"


def test_a_finished_search_is_not_run_again_and_a_larger_budget_goes_on(songs, tmp_path, scripted):
    script = scripted(good)
    tune(songs, tmp_path / "s")
    before = (tmp_path / "s" / FILE).read_bytes()
    assert tune(songs, tmp_path / "s").best is not None
    assert (tmp_path / "s" / FILE).read_bytes() == before
    assert len(script.orders) == 6
    grown = tune(songs, tmp_path / "s", max_trials=9)
    assert len(grown.trials) == 9
    assert len(script.orders) == 9
    assert (tmp_path / "s" / FILE).read_bytes().startswith(before)
    assert grown.journal.plan["max_trials"] == 9


@pytest.mark.parametrize("file", ["best.json", "best/card.json", "best/weights.safetensors"])
def test_what_a_finished_search_has_kept_is_mended(songs, tmp_path, scripted, file):
    script = scripted(good)
    tune(songs, tmp_path / "s", max_trials=3)
    path, told = tmp_path / "s" / file, (tmp_path / "s" / FILE).read_bytes()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    again = tune(songs, tmp_path / "s", max_trials=3)
    assert (tmp_path / "s" / file).read_bytes() == whole
    assert (tmp_path / "s" / FILE).read_bytes() == told
    assert [name for name, _ in script.orders[3:]] == ["finish_trial"] * file.startswith("best/")
    assert gz.get_recipe(tmp_path / "s/best.json") == again.recipe()


@pytest.mark.parametrize("tuner", ["random", "bayesian", "hyperband", "grid"])
@pytest.mark.parametrize("after", [0, 1, 4])
def test_an_interrupted_search_ends_as_one_that_was_left_alone(songs, tmp_path, scripted, tuner, after):
    grid = {"learning_rate": [1e-3, 1e-2], "batch_size": [8, 16, 32]}
    more = {"tuner": tuner, "max_trials": 6, "changes": {"epochs": 9}, "space": grid if tuner == "grid" else SPACE}
    if tuner == "bayesian":
        more["tuner_options"] = {"initial_points": 3}
    scripted(good)
    whole = tune(songs, tmp_path / "whole", **more)
    ended = []

    def interrupt(trial, number, budget):
        ended.append(trial)
        if len(ended) > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(songs, tmp_path / "s", on_trial=interrupt, **more)
    kept = (tmp_path / "s" / FILE).read_bytes()
    again = tune(songs, tmp_path / "s", **more)
    assert (tmp_path / "s" / FILE).read_bytes().startswith(kept)
    assert [(t.values, t.score, t.epochs) for t in again.trials] == [
        (t.values, t.score, t.epochs) for t in whole.trials
    ]


def test_running_trials_are_run_again_and_finished_ones_are_not(songs, tmp_path, scripted):
    def die(order):
        if order["name"].endswith("0002"):
            raise KeyboardInterrupt
        return good(order)

    scripted(die)
    with pytest.raises(KeyboardInterrupt):
        tune(songs, tmp_path / "s")
    assert [trial.status for trial in read_journal(tmp_path / "s").trials] == ["completed", "completed", "running"]
    script = scripted(good)
    search = tune(songs, tmp_path / "s")
    assert [order["name"][-4:] for _, order in script.orders] == ["0002", "0003", "0004", "0005"]
    assert [trial.attempts for trial in search.trials] == [1, 1, 2, 1, 1, 1]
    assert len({trial.point for trial in search.trials}) == 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 2}, "seed was 1, is 2"),
        ({"tuner": "bayesian"}, "tuner was .*random.* is .*bayesian"),
        ({"changes": {"epochs": 2}}, "recipe was"),
        ({"objective": "loss"}, "objective was .*accuracy.* is .*loss"),
        ({"only": ("batch_size",), "space": {"batch_size": [8, 16]}}, "given was"),
    ],
)
def test_changed_settings_are_refused_with_the_difference(songs, tmp_path, scripted, change, said):
    scripted(good)
    tune(songs, tmp_path / "s", max_trials=2)
    before = (tmp_path / "s" / FILE).read_bytes()
    with pytest.raises(SettingsError, match=said):
        tune(songs, tmp_path / "s", max_trials=2, **change)
    assert (tmp_path / "s" / FILE).read_bytes() == before


def test_other_songs_are_refused(songs, tmp_path, scripted):
    scripted(good)
    tune(songs, tmp_path / "s", max_trials=2)
    others = gz.load_songs("synthetic", n_train=30, n_valid=12, n_test=12, n_segments=6, n_genres=3, seed=2)
    with pytest.raises(SettingsError, match="songs was .*checksum"):
        tune(others, tmp_path / "s", max_trials=2)


def test_a_folder_of_something_else_is_refused(songs, tmp_path, scripted):
    scripted(good)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match=r"is not empty \(notes.txt\)"):
        tune(songs, tmp_path)


def test_a_second_search_in_a_folder_in_use_is_refused_at_once(songs, tmp_path, scripted):
    scripted(good)

    def second(trial, number, budget):
        with pytest.raises(DataError, match="another process is using this folder"):
            tune(songs, tmp_path / "s")

    tune(songs, tmp_path / "s", max_trials=1, on_trial=second)


def test_a_failed_trial_keeps_its_traceback_counts_and_stops_nothing(songs, tmp_path, scripted):
    def fail(order):
        if order["values"]["learning_rate"] > 1e-3:
            raise parallel.ChildError("training diverged", user=True, detail="Traceback: here")
        return good(order)

    scripted(fail)
    search = tune(songs, tmp_path / "s", max_trials=12)
    failed = [trial for trial in search.trials if trial.status == "failed"]
    assert len(search.trials) == 12
    assert 0 < len(failed) < 12
    assert {(trial.error, trial.detail, trial.score) for trial in failed} == {
        ("training diverged", "Traceback: here", None)
    }
    assert search.best.values["learning_rate"] <= 1e-3


def test_a_search_without_one_completed_trial_says_why(songs, tmp_path, scripted):
    def fail(order):
        raise parallel.ChildError("no memory left", detail="")

    scripted(fail)
    with pytest.raises(DataError, match=r"no trial completed \(2 trials: failed; trial 0 failed: no memory left\)"):
        tune(songs, tmp_path / "s", max_trials=2)
    assert read_journal(tmp_path / "s").finished == "budget"


def test_a_process_that_died_is_started_again_but_not_for_ever(songs, tmp_path, scripted):
    def die(order):
        if order["name"].endswith("0001"):
            raise parallel.ChildError("the worker process ended with signal SIGKILL", died=True)
        return good(order)

    script = scripted(die)
    search = tune(songs, tmp_path / "s", max_trials=3)
    assert [trial.status for trial in search.trials] == ["completed", "failed", "completed"]
    assert search.trials[1].attempts == executor_loop.MOST_CRASHES
    assert len(script.orders) == 2 + executor_loop.MOST_CRASHES


def test_what_an_interrupted_attempt_has_spoilt_is_thrown_away_once(songs, tmp_path, scripted):
    def interrupt(order):
        raise KeyboardInterrupt

    scripted(interrupt)
    with pytest.raises(KeyboardInterrupt):
        tune(songs, tmp_path / "s", max_trials=1)
    left = tmp_path / "s/trials/0000/checkpoint.safetensors"
    left.write_text("torn")

    def refuse(order):
        if left.exists():
            raise parallel.ChildError("damaged checkpoint", user=True)
        return good(order)

    scripted(refuse)
    search = tune(songs, tmp_path / "s", max_trials=1)
    assert search.best.attempts == 3


def test_a_full_disk_ends_the_search_and_no_trial(songs, tmp_path, scripted):
    def fill(order):
        if order["name"].endswith("0001"):
            raise parallel.ChildError("No space left on device", scarce=True)
        return good(order)

    scripted(fill)
    with pytest.raises(ResourceError, match="trial 1 could not continue: No space left on device. Fix that"):
        tune(songs, tmp_path / "s")
    assert [trial.status for trial in read_journal(tmp_path / "s").trials] == ["completed", "running"]
    scripted(good)
    search = tune(songs, tmp_path / "s")
    assert [trial.status for trial in search.trials] == ["completed"] * 6


def test_the_last_training_of_the_best_is_begun_again_when_its_process_dies(songs, tmp_path, scripted, monkeypatch):
    script, deaths = scripted(good), []
    call = script.call

    def die_twice(fn, kwargs, **more):
        if fn.__name__ != "finish_trial" or len(deaths) == 2:
            return call(fn, kwargs, **more)
        deaths.append(fn)
        future = concurrent.futures.Future()
        future.set_exception(parallel.ChildError("ended with signal SIGKILL", died=True))
        return future

    monkeypatch.setattr(script, "call", die_twice)
    search = tune(songs, tmp_path / "s", max_trials=2, objective={"folds": 2})
    assert len(deaths) == 2
    assert search.journal.finished == "budget"
    assert search.run()


@pytest.mark.parametrize("pareto", [False, True])
def test_a_full_disk_in_the_last_training_does_not_finish_the_search(songs, tmp_path, scripted, monkeypatch, pareto):
    def answer(order):
        return {"status": "completed", "score": good(order), "latency_ms": 1.0}

    script = scripted(answer)
    call = script.call

    def fill(fn, kwargs, **more):
        if fn.__name__ != "finish_trial":
            return call(fn, kwargs, **more)
        future = concurrent.futures.Future()
        future.set_exception(parallel.ChildError("No space left on device", scarce=True))
        return future

    monkeypatch.setattr(script, "call", fill)
    with pytest.raises(ResourceError, match="No space left on device"):
        tune(songs, tmp_path / "s", max_trials=2, objective={"folds": 2, "pareto": pareto})
    assert read_journal(tmp_path / "s").finished is None


def test_another_version_of_the_package_runs_no_point_again(songs, tmp_path, scripted, monkeypatch):
    grid = {"tuner": "grid", "space": {"batch_size": [8, 16, 32, 64]}, "only": ["batch_size"]}
    scripted(good)
    tune(songs, tmp_path / "s", max_trials=3, **grid)
    monkeypatch.setattr("genrezoo.recipes.recipe.versions", lambda: {"genrezoo": "9.9.9"})
    search = tune(songs, tmp_path / "s", max_trials=4, **grid)
    assert sorted(trial.values["batch_size"] for trial in search.trials) == [8, 16, 32, 64]


def test_names_that_are_no_text_do_not_end_a_search(songs, tmp_path, scripted):
    def fail(order):
        if order["name"].endswith("0001"):
            raise parallel.ChildError("no such file: w\udcff", user=True)
        return good(order)

    scripted(fail)
    search = tune(songs, tmp_path / "s", max_trials=2)
    assert search.trials[1].error == read_journal(tmp_path / "s").trials[1].error == "no such file: w\udcff"


def test_numbers_of_numpy_are_numbers(songs, tmp_path, scripted):
    scripted(good)
    rates = {"min": np.float32(1e-4), "max": np.float64(0.1), "sampling": "log"}
    space = {"batch_size": list(np.array([8, 16])), "learning_rate": rates}
    search = tune(songs, tmp_path / "s", seed=np.int64(1), space=space)
    assert {trial.values["batch_size"] for trial in search.trials} <= {8, 16, 32}


def test_late_trials_fail_and_are_not_tried_again(songs, tmp_path, scripted):
    def late(order):
        if order["name"].endswith("0001"):
            raise parallel.ChildError("ended with signal SIGKILL (limit 5 s)", late=True)
        return good(order)

    scripted(late)
    search = tune(songs, tmp_path / "s", max_trials=2)
    assert (search.trials[1].status, search.trials[1].attempts) == ("failed", 1)


def test_an_exhausted_space_ends_the_search(songs, tmp_path, scripted):
    scripted(good)
    for tuner in ("random", "bayesian", "grid"):
        search = tune(songs, tmp_path / tuner, tuner=tuner, max_trials=50, space={"batch_size": [8, 16, 32]},
                      only=["batch_size"], from_recipe=False)  # fmt: skip
        assert sorted(trial.values["batch_size"] for trial in search.trials) == [8, 16, 32]
        assert search.journal.finished == "exhausted"


def test_the_size_of_a_grid_is_told_first_and_an_absurd_one_is_refused(songs, tmp_path, scripted):
    scripted(good)
    told = []
    grid = {"learning_rate": [1e-3, 1e-2], "batch_size": [8, 16]}
    tune(songs, tmp_path / "s", tuner="grid", max_trials=None, space=grid, on_size=lambda *sizes: told.append(sizes))
    assert told == [(4, None)]
    with pytest.raises(SettingsError, match="points"):
        gz.tune("statistics_mlp", songs, out=tmp_path / "t", tuner="grid")
    assert not (tmp_path / "t" / FILE).exists()


def test_seeds_decide_the_points_and_zero_is_one_of_them(songs, tmp_path, scripted):
    scripted(good)
    values = {
        name: [trial.values for trial in tune(songs, tmp_path / name, seed=seed, max_trials=4).trials[1:]]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    }
    assert values["a"] == values["b"] != values["c"]


def test_several_trials_at_a_time_are_all_different(songs, tmp_path, scripted):
    script = scripted(good, workers=4)
    search = tune(songs, tmp_path / "s", tuner="bayesian", max_trials=16, tuner_options={"initial_points": 4})
    assert len({trial.point for trial in search.trials}) == 16
    assert len(script.orders) == 16


def test_hyperband_goes_on_in_the_folder_of_the_trial_that_it_promotes(songs, tmp_path, scripted):
    script = scripted(good)
    search = tune(songs, tmp_path / "s", tuner="hyperband", max_trials=None, changes={"epochs": 9})
    promoted = [trial for trial in search.trials if trial.origin is not None]
    assert promoted
    for trial in promoted:
        origin = search.trials[trial.origin]
        assert trial.values == origin.values
        assert trial.epochs > origin.epochs
    assert {order["until"] for _, order in script.orders} >= {1, 3, 9}
    assert len(list((tmp_path / "s/trials").iterdir())) == 1
    assert (tmp_path / "s/best/card.json").exists()


def test_a_front_keeps_all_its_runs(songs, tmp_path, scripted):
    def both(order):
        rate = order["values"]["learning_rate"]
        return {"status": "completed", "score": good(order), "latency_ms": 1e3 * rate + order["values"]["batch_size"]}

    scripted(both)
    search = tune(songs, tmp_path / "s", tuner="bayesian", max_trials=12, objective={"pareto": True},
                  tuner_options={"initial_points": 3})  # fmt: skip
    assert {folder.name for folder in (tmp_path / "s/trials").iterdir()} == {f"{t.number:04d}" for t in search.front}
    assert search.best in search.front


def test_of_equally_good_trials_a_front_keeps_the_fastest_as_the_best(songs, tmp_path, scripted):
    scripted(lambda order: {"status": "completed", "score": 0.5, "latency_ms": float(order["values"]["batch_size"])})
    search = tune(songs, tmp_path / "s", max_trials=4, tuner="grid", objective={"pareto": True},
                  only=["batch_size"], space={"batch_size": [32, 64, 16, 8]})  # fmt: skip
    assert search.best.values == {"batch_size": 8}
    assert search.front == [search.best]
    assert search.run().card.recipe.name == "statistics_mlp"
    assert json.loads((tmp_path / "s/best.json").read_text())["settings"]["batch_size"] == 8


def test_medians_are_sent_when_asked_for(songs, tmp_path, scripted):
    script = scripted(good)
    tune(songs, tmp_path / "a", max_trials=7)
    assert all(order["medians"] == [] for _, order in script.orders)
    script = scripted(good)
    tune(songs, tmp_path / "b", max_trials=7, median_rule=True)
    assert [len(order["medians"]) for _, order in script.orders] == [0] * 5 + [3] * 2


def test_a_warm_start_tries_the_best_points_of_the_earlier_search_first(songs, tmp_path, scripted):
    scripted(good)
    earlier = tune(songs, tmp_path / "a", max_trials=10)
    search = tune(songs, tmp_path / "b", max_trials=6, tuner="bayesian", warm_start=[tmp_path / "a"])
    assert [trial.by for trial in search.trials[:4]] == ["recipe", "warm", "warm", "warm"] or (
        search.trials[0].values in [trial.values for trial in earlier.journal.ranked[:3]]
    )
    assert search.trials[1].values == next(
        trial.values for trial in earlier.journal.ranked if trial.values != search.trials[0].values
    )
    with pytest.raises(SettingsError, match="of the same kind"):
        gz.tune("lstm", songs, out=tmp_path / "c", warm_start=[tmp_path / "a"])
    with pytest.raises(SettingsError, match="bayesian or random"):
        tune(songs, tmp_path / "d", tuner="grid", warm_start=[tmp_path / "a"])


def test_a_search_goes_on_beside_an_earlier_one_that_was_moved_with_it(songs, tmp_path, scripted):
    scripted(good)
    tune(songs, tmp_path / "here" / "first", max_trials=3)
    tune(songs, tmp_path / "here" / "second", max_trials=3, seed=2, warm_start=[tmp_path / "here" / "first"])
    (tmp_path / "here").rename(tmp_path / "there")
    second = tmp_path / "there" / "second"
    found = tune(songs, second, max_trials=4, seed=2, warm_start=[tmp_path / "there" / "first"])
    assert len(found.trials) == 4
    with pytest.raises(SettingsError, match=r"warm_start was \['first'\], is \[\]"):
        tune(songs, second, max_trials=4, seed=2)


def test_what_would_refuse_every_trial_is_refused_before_the_first(songs, tmp_path, scripted):
    script = scripted(good)
    with pytest.raises(SettingsError):
        tune(songs, tmp_path / "s", changes={"dropout": 7})
    with pytest.raises(SettingsError, match="cut into fewer"):
        gz.tune("snippet_lstm", songs, out=tmp_path / "t", changes={"snippets": 100}, only=["units"])
    with pytest.raises(SettingsError, match="parallel must be a whole number from 1"):
        tune(songs, tmp_path / "s", parallel=0)
    with pytest.raises(SettingsError, match="pass parallel or scheduler"):
        tune(songs, tmp_path / "s", parallel=1, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(DataError, match="50 folds, but genre"):
        tune(songs, tmp_path / "s", objective={"folds": 50})
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="is a file; pass a folder"):
        tune(songs, tmp_path / "s", tensorboard=tmp_path / "file")
    assert not script.orders
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"only": "batch_size"}, "only: must be a valid tuple, got 'batch_size'"),
        ({"only": 5}, "only: must be a valid tuple"),
        ({"warm_start": "searches/b"}, "warm_start must be a list"),
        ({"parallel": "2"}, "parallel must be a whole number from 1, got '2'"),
        ({"parallel": 1.5}, "parallel must be a whole number from 1"),
        ({"space": [1]}, "space: must be a valid dictionary"),
        ({"changes": ["epochs"]}, "changes: must be a valid dictionary"),
        ({"tuner_options": [1]}, "tuner_options: must be a valid dictionary"),
        ({"seconds": float("inf")}, "seconds"),
        ({"seconds": 1e12}, "seconds"),
        ({"objective": {"latency_limit_ms": float("inf")}}, "latency_limit_ms"),
        ({"space": {"learning_rate": [float("inf"), 0.1]}}, "must be finite"),
        ({"space": {"batch_size": [float("nan"), 8]}}, "must be finite"),
        ({"space": {"batch_size": {"min": 8, "max": 10**400}}}, "must be finite"),
    ],
)
def test_arguments_of_another_kind_are_refused_in_words(songs, tmp_path, given, said):
    with pytest.raises(SettingsError, match=said):
        tune(songs, tmp_path / "s", **given)
    with pytest.raises(SettingsError, match="a recipe, a search plan"):
        gz.tune(None, songs, out=tmp_path / "s")
    with pytest.raises(SettingsError, match="songs must be a SongSet.*got 'songs.npz'"):
        tune("songs.npz", tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_folder_in_place_of_the_link_is_not_deleted(songs, tmp_path, scripted):
    scripted(good)
    tune(songs, tmp_path / "s", max_trials=2)
    (tmp_path / "s/best").unlink()
    (tmp_path / "s/best").mkdir()
    (tmp_path / "s/best/mine").write_text("")
    with pytest.raises(DataError, match="a link was expected"):
        tune(songs, tmp_path / "s", max_trials=3)
    assert (tmp_path / "s/best/mine").exists()


def test_a_plan_that_lacks_something_is_a_damaged_journal(songs, tmp_path, scripted):
    scripted(good)
    tune(songs, tmp_path / "s", max_trials=2)
    path = tmp_path / "s" / FILE
    first, *rest = path.read_text().splitlines()
    event = json.loads(first)
    del event["plan"]["max_trials"], event["digest"]
    path.write_text("\n".join([json.dumps(event), *rest]) + "\n")
    with pytest.raises(DataError, match="line 1: damaged .*max_trials"):
        tune(songs, tmp_path / "s", max_trials=2)
