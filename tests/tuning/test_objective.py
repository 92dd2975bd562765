import math

import pytest

from genrezoo.errors import SettingsError
from genrezoo.trials import Trial
from genrezoo.tuning.objective import Objective, read_objective


def trial(number, score=None, status="completed", latency=None, course=()):
    history = {"valid_accuracy": list(course), "valid_loss": [1 - value for value in course]} if course else {}
    return Trial(number, {}, str(number), "random", status=status, score=score, latency_ms=latency, history=history)


@pytest.mark.parametrize(
    ("over", "metric", "expected"),
    [
        ("best", "accuracy", 0.9),
        ("last", "accuracy", 0.1),
        ("best_tenth", "accuracy", (0.9 + 0.8) / 2),
        ("best", "loss", 0.1),
        ("last", "loss", 0.9),
        ("best_tenth", "loss", (0.1 + 0.2) / 2),
    ],
)
def test_score_of_a_history(over, metric, expected):
    course = [0.5] * 22 + [0.9, 0.8, 0.1]  # 25 epochs: the best tenth are two
    history = {"valid_accuracy": course, "valid_loss": [1 - value for value in course]}
    assert Objective(metric=metric, over=over).score(history) == pytest.approx(expected)


@pytest.mark.parametrize(("epochs", "counted"), [(1, 1), (9, 1), (10, 1), (20, 2), (25, 2), (40, 4)])
def test_the_best_tenth_is_rounded_down_but_never_empty(epochs, counted):
    course = [float(n) for n in range(epochs)]
    best = course[-counted:]
    assert Objective(over="best_tenth").score({"valid_accuracy": course}) == sum(best) / len(best)


def test_oracle_is_told_large_numbers_for_good_trials():
    trials = [trial(0, 0.3), trial(1, 0.8), trial(2, status="running"), trial(3, 0.5, status="stopped")]
    assert Objective().reported(trials, num_classes=10, seed=1) == {0: 0.3, 1: 0.8, 3: 0.5}
    assert Objective(metric="loss").reported(trials, num_classes=10, seed=1) == {0: -0.3, 1: -0.8, 3: -0.5}


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_a_failure_is_never_better_than_any_other(metric):
    trials = [trial(0, 0.3), trial(1, 0.8), trial(2, status="failed")]
    told = Objective(metric=metric).reported(trials, num_classes=10, seed=1)
    assert told[2] == min(told.values())
    alone = Objective(metric=metric).reported([trial(0, status="failed")], num_classes=4, seed=1)
    assert alone == {0: pytest.approx(0.25 if metric == "accuracy" else -math.log(4))}


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_slow_models_count_as_chance_and_slower_ones_as_less(metric):
    objective = Objective(metric=metric, latency_limit_ms=2.0)
    trials = [trial(0, status="infeasible", latency=4.0), trial(1, status="infeasible", latency=8.0)]
    told = objective.reported(trials, num_classes=5, seed=1)
    chance = 0.2 if metric == "accuracy" else -math.log(5)
    assert chance > told[0] > told[1]


def test_weights_of_the_front_change_with_the_question_and_both_ends_are_wanted_at_times():
    trials = [trial(0, 0.9, latency=8.0), trial(1, 0.5, latency=1.0), trial(2, 0.4, latency=9.0)]
    wanted = set()
    for seed in range(40):
        told = Objective(pareto=True).reported(trials, num_classes=10, seed=seed)
        assert told[2] < max(told[0], told[1])  # beaten in both, never the best
        wanted.add(max(told, key=told.get))
        assert told == Objective(pareto=True).reported(trials, num_classes=10, seed=seed)
    assert wanted == {0, 1}


def test_medians_are_over_the_best_so_far_of_five_or_more():
    courses = [[0.1, 0.5, 0.2], [0.2, 0.1, 0.3], [0.3, 0.3, 0.4], [0.4, 0.2, 0.1], [0.9, 0.8]]
    trials = [trial(n, 0.5, course=course) for n, course in enumerate(courses)]
    assert Objective().medians(trials) == [0.3, 0.4]  # of .1 .2 .3 .4 .9, then of .5 .2 .3 .4 .9; the third: four only
    assert Objective(metric="loss").medians(trials) == pytest.approx([0.7, 0.6])
    assert Objective().medians(trials[:4]) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("accurracy", "metric"),
        ({"folds": 1}, "folds must be 0 or at least 2"),
        ({"repeats": 0}, "repeats"),
        ({"latency_limit_ms": 0}, "latency_limit_ms"),
        ({"colour": 1}, "colour"),
        (3, "must be the name of a metric, a table of fields, or an Objective, got 3"),
    ],
)
def test_what_is_no_objective_is_refused(given, message):
    with pytest.raises(SettingsError, match=f"objective:? .*{message}"):
        read_objective(given)
