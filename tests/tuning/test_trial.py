"""One trial, trained for real in this process."""

import pytest

import genrezoo as gz
from genrezoo.errors import ResourceError
from genrezoo.songs.storage import save_songs
from genrezoo.training.checkpoint import read_history
from genrezoo.tuning.trial import Order, finish_trial, run_trial

SONGS = gz.load_songs("synthetic", n_train=36, n_valid=30, n_test=6, n_segments=6, n_genres=3, seed=1)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs") / "songs"
    save_songs(SONGS, folder)
    return str(folder)


def order(epochs=4, recipe="fully_connected", objective=None, **more):
    changed = gz.get_recipe(recipe).changed({"epochs": epochs, **more.pop("changes", {})})
    return Order(recipe=changed, seed=1, objective=objective or {}, **more).model_dump(mode="json")


def best_so_far(course):
    return [max(course[: epoch + 1]) for epoch in range(len(course))]


@pytest.mark.slow
def test_the_median_rule_stops_who_is_worse_and_not_who_is_equal(songs, tmp_path):
    history = run_trial(order(), songs=songs, folder=str(tmp_path / "a"))["history"]["valid_accuracy"]
    medians = best_so_far(history)
    equal = run_trial(order(medians=medians), songs=songs, folder=str(tmp_path / "b"))
    assert (equal["status"], equal["history"]["valid_accuracy"]) == ("completed", history)
    worse = run_trial(order(medians=[medians[0], 1.0, 1.0, 1.0]), songs=songs, folder=str(tmp_path / "c"))
    assert (worse["status"], len(worse["history"]["loss"])) == ("stopped", 2)


def test_the_median_rule_does_not_stop_who_has_come_to_the_end(songs, tmp_path):
    ended = run_trial(order(medians=[0.0, 0.0, 0.0, 1.0]), songs=songs, folder=str(tmp_path / "a"))
    assert ended["status"] == "completed"
    assert (tmp_path / "a" / "card.json").exists()


def test_a_pause_is_scored_by_its_own_epochs_even_if_the_training_has_come_to_its_end(songs, tmp_path):
    paused = run_trial(order(until=2), songs=songs, folder=str(tmp_path / "a"))
    assert finish_trial(order(), songs=songs, folder=str(tmp_path / "a"))
    later = run_trial(order(until=3), songs=songs, folder=str(tmp_path / "a"))
    whole = run_trial(order(), songs=songs, folder=str(tmp_path / "a"))
    assert [len(result["history"]["loss"]) for result in (paused, later, whole)] == [2, 3, 4]
    assert later["history"]["loss"] == whole["history"]["loss"][:3]
    assert later["score"] == pytest.approx(max(later["history"]["valid_accuracy"]), rel=1e-5)


@pytest.mark.slow
def test_a_pause_within_a_second_training_counts_the_epochs_of_both(songs, tmp_path):
    asked = {"recipe": "pruned", "epochs": 6, "changes": {"refit_fraction": 0.5}}
    first = run_trial(order(until=2, **asked), songs=songs, folder=str(tmp_path))
    second = run_trial(order(until=5, **asked), songs=songs, folder=str(tmp_path))
    heard_of_late = run_trial(order(until=5, **asked), songs=songs, folder=str(tmp_path))
    assert [len(result["history"]["loss"]) for result in (first, second, heard_of_late)] == [2, 5, 5]
    records = read_history(tmp_path / "checkpoint.safetensors")
    assert [record["epoch"] for record in records] == [1, 2, 3, 4, 5]
    whole = run_trial(order(**asked), songs=songs, folder=str(tmp_path))
    assert whole["history"]["loss"][:5] == second["history"]["loss"]


def test_a_logger_that_cannot_be_reached_is_no_fault_of_the_trial(songs, tmp_path):
    with pytest.raises(ResourceError, match="cannot log to nowhere://"):
        run_trial(order(mlflow="nowhere://at.all"), songs=songs, folder=str(tmp_path))
