"""Oracles: what they choose, that they choose it again after a restart, and that they come to an end."""

import itertools
import json
import math
import os
from collections import Counter

import keras_tuner
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.recipes import get_recipe
from genrezoo.spaces import Boolean, Choice, Float, Int, values_of
from genrezoo.trials import Trial
from genrezoo.tuning.oracles import TUNERS, grid_size, make_oracle, tuner_options
from genrezoo.tuning.oracles.grid import grid
from genrezoo.tuning.space import Hyperparameter, Space


def space_of(**domains):
    """A space of these domains; each begins at its least value, or at the one that stands beside it in a pair."""
    pairs = {name: one if isinstance(one, tuple) else (one, None) for name, one in domains.items()}
    found = []
    for name, (domain, default) in pairs.items():
        least = domain.min if isinstance(domain, Float) else values_of(domain)[0]
        begin = least if default is None else default
        found.append(Hyperparameter(name, domain, begin, tuple(domain.when.items())))
    return Space(get_recipe("lstm"), tuple(found), {})


def discrete():
    """2 x 3 x 5 points."""
    return space_of(shuffle=Boolean(), rule=Choice(("mean", "vote", "product")), layers=Int(1, 5))


def mixed(**more):
    return space_of(
        rate=(Float(1e-4, 1e-1, sampling="log"), 1e-3),
        units=Int(16, 128, step=16),
        kind=Choice(("plain", "gated")),
        gate=Float(0.0, 1.0, when={"kind": ("gated",)}),
        **more,
    )


def line(most=1.0):
    return space_of(x=Float(0.0, most))


def oracle_of(name, space, *, seed=1, max_trials=60, max_epochs=9, options=None, earlier=()):
    return make_oracle(
        name,
        space,
        seed=seed,
        max_trials=max_trials,
        max_epochs=max_epochs,
        options=options or {},
        earlier=earlier,
    )


class Rehearsal:
    """A search without training: what is asked is scored by a function, a few at a time, in any order."""

    def __init__(self, make, score=lambda values: 0.0):
        self.make, self.score = make, score
        self.oracle, self.trials, self.told, self.seen = make(), [], {}, set()

    @staticmethod
    def key(values, epochs):
        return json.dumps(values, sort_keys=True), epochs

    def taken(self, values, epochs):
        return self.key(values, epochs) in self.seen

    def ask(self):
        """Asks the oracle that lived on and, now and then, one made anew, which must agree."""
        answer = self.oracle.ask(self.trials, self.told, self.taken)
        if len(self.trials) % 5 == 4:
            assert self.make().ask(self.trials, self.told, self.taken) == answer
        if not isinstance(answer, str):
            assert not self.taken(answer.values, answer.epochs)
            self.seen.add(self.key(answer.values, answer.epochs))
            self.trials.append(
                Trial(len(self.trials), answer.values, "", answer.by, epochs=answer.epochs, origin=answer.origin)
            )
        return answer

    def end(self, number, *, status="completed", score=None):
        trial = self.trials[number]
        object.__setattr__(trial, "status", status)
        self.told[number] = self.score(trial.values) if score is None else score

    @property
    def running(self):
        return [trial.number for trial in self.trials if trial.status == "running"]

    def run(self, count, workers=1):
        """Asks until so many trials are there or the oracle is done; the answer that ended it."""
        while len(self.trials) < count:
            answer = self.ask()
            if answer == "done":
                return answer
            while len(self.running) >= (1 if answer == "wait" else workers):
                self.end(self.running[0])
        return None


# --- all of them ---


@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TUNERS)
def test_small_space_is_exhausted_without_a_repetition(name, workers):
    rehearsal = Rehearsal(lambda: oracle_of(name, discrete()), lambda values: values["layers"])
    assert rehearsal.run(60, workers) == "done"
    assert len({rehearsal.key(trial.values, None) for trial in rehearsal.trials}) == 30
    if name != "hyperband":
        assert len(rehearsal.trials) == 30


@pytest.mark.parametrize("name", TUNERS)
def test_done_means_that_each_recipe_was_asked_for_even_where_points_share_one(name):
    class Shared(Rehearsal):
        @staticmethod
        def key(values, epochs):
            return values["layers"], epochs  # nothing else matters to what is trained

    rehearsal = Shared(lambda: oracle_of(name, discrete()))
    assert rehearsal.run(60) == "done"
    assert Counter(t.values["layers"] for t in rehearsal.trials if t.origin is None) == dict.fromkeys(range(1, 6), 1)


@pytest.mark.parametrize("name", ["random", "bayesian", "hyperband"])
def test_seed_0_is_a_seed(name):
    def values(seed):
        rehearsal = Rehearsal(lambda: oracle_of(name, mixed(), seed=seed), lambda values: values["units"])
        rehearsal.run(8)
        return [trial.values for trial in rehearsal.trials]

    assert values(0) == values(0) != values(1)


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(TUNERS),
    seed=st.integers(0, 3),
    ends=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["completed", "failed", "infeasible"])), max_size=14),
)
def test_oracle_made_anew_agrees_with_the_one_that_lived_on(name, seed, ends):
    rehearsal = Rehearsal(lambda: oracle_of(name, mixed(), seed=seed), lambda values: math.sin(values["units"]))
    for which, status in ends:
        rehearsal.ask()
        if which < len(rehearsal.running):  # otherwise one more is asked while all go on
            rehearsal.end(rehearsal.running[which], status=status)


@pytest.mark.parametrize("name", TUNERS)
def test_conditional_values_are_there_when_their_condition_is_met(name):
    rehearsal = Rehearsal(lambda: oracle_of(name, mixed(), max_trials=20), lambda values: values["units"])
    rehearsal.run(14)
    for trial in rehearsal.trials:
        assert set(trial.values) == {"rate", "units", "kind"} | ({"gate"} if trial.values["kind"] == "gated" else set())
        assert 1e-4 <= trial.values["rate"] <= 1e-1
        assert type(trial.values["rate"]) is float
        assert type(trial.values["units"]) is int
    assert {trial.values["kind"] for trial in rehearsal.trials} == {"plain", "gated"}


@pytest.mark.parametrize("name", TUNERS)
def test_nothing_is_printed_or_written(name, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Rehearsal(lambda: oracle_of(name, discrete()), lambda values: values["layers"]).run(8)
    assert capfd.readouterr() == ("", "")
    assert os.listdir() == []


# --- options ---


def test_options_have_their_defaults_filled_in():
    assert tuner_options("random") == tuner_options("grid") == {}
    assert tuner_options("hyperband", {"factor": 4}) == {"factor": 4, "iterations": None}
    assert set(tuner_options("bayesian", {"beta": 1})) == {"initial_points", "beta", "alpha", "categorical"}


def test_unknown_tuner_names_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'bayesian'"):
        tuner_options("bayes")
    with pytest.raises(UnknownNameError, match="unknown tuner 'annealing'"):
        oracle_of("annealing", discrete())


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("bayesian", {"kappa": 1.9}, "bayesian: kappa: is unknown"),
        ("bayesian", {"beta": -1}, "bayesian: beta: .*greater than or equal to 0, got -1"),
        ("bayesian", {"beta": math.inf}, "beta: .*finite"),
        ("bayesian", {"alpha": 0}, "alpha: .*greater than 0"),
        ("bayesian", {"initial_points": 0}, "initial_points"),
        ("hyperband", {"factor": 1}, "factor: .*greater than or equal to 2"),
        ("hyperband", {"iterations": 0}, "iterations"),
        ("random", {"seed": 1}, "random: seed: is unknown"),
        ("grid", {"size": 1}, "grid: size: is unknown"),
    ],
)
def test_options_out_of_range_are_refused(name, options, match):
    with pytest.raises(SettingsError, match=match):
        tuner_options(name, options)
    with pytest.raises(SettingsError, match=match):
        oracle_of(name, discrete(), options=options)


# --- Bayesian ---


@pytest.mark.slow
def test_bayesian_search_closes_in_on_a_peak():
    def peak(values):
        return -abs(math.log10(values["rate"]) + 2.3) - abs(values["units"] - 96) / 112 - (values["kind"] == "plain")

    late = {}
    for name in ("bayesian", "random"):
        rehearsal = Rehearsal(lambda name=name: oracle_of(name, mixed(), seed=0), peak)
        rehearsal.run(16)
        rehearsal.end(15)
        late[name] = np.mean([rehearsal.told[number] for number in range(10, 16)])
    assert late["bayesian"] > -0.6
    assert late["random"] < -0.9


def test_failures_told_as_the_worst_score_drive_the_search_away():
    rehearsal = Rehearsal(lambda: oracle_of("bayesian", line(), options={"initial_points": 6}))
    for number in range(20):
        rehearsal.ask()
        x = rehearsal.trials[-1].values["x"]
        if x > 0.5:  # diverges: the steeper the way up before, the greater the temptation
            rehearsal.end(number, status="failed", score=min(rehearsal.told.values(), default=0.0))
        else:
            rehearsal.end(number, score=x)
    failed = [trial.status == "failed" for trial in rehearsal.trials]
    assert sum(failed[:6]) >= 2
    assert sum(failed[8:]) <= 4
    assert max(rehearsal.told.values()) > 0.45


def test_suggestions_asked_for_at_once_lie_apart():
    square = space_of(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    rehearsal = Rehearsal(
        lambda: oracle_of("bayesian", square),
        lambda values: math.sin(9 * values["x"]) + math.cos(7 * values["y"]),
    )
    rehearsal.run(6)
    rehearsal.end(5)
    asked = [tuple(rehearsal.ask().values.values()) for _ in range(4)]
    # KerasTuner's own oracle, which was not told of them, suggests one point four times
    assert min(math.dist(one, other) for one, other in itertools.combinations(asked, 2)) > 0.01


@pytest.mark.slow
def test_a_point_that_is_taken_is_replaced_by_one_that_promises_as_much():
    plane = space_of(x=Int(1, 20), y=Int(1, 20))
    rehearsal = Rehearsal(
        lambda: oracle_of("bayesian", plane, options={"initial_points": 4, "beta": 0.1}),
        lambda values: -abs(values["x"] - 13) - abs(values["y"] - 7),
    )
    rehearsal.run(24)
    late = [(trial.values["x"], trial.values["y"]) for trial in rehearsal.trials[14:]]
    assert len(set(late)) == 10
    assert np.mean([abs(x - 13) + abs(y - 7) for x, y in late]) < 6  # points at random are 11 away


def next_point(space, known, *, seed=1, **options):
    """What the Bayesian search asks after some scored points."""
    trials = [Trial(number, values, "", "random", status="completed") for number, (values, _) in enumerate(known)]
    told = {number: score for number, (_, score) in enumerate(known)}
    oracle = oracle_of("bayesian", space, seed=seed, options={"initial_points": len(known), **options})
    return oracle.ask(trials, told, lambda values, epochs: values in [one for one, _ in known]).values


def test_beta_adds_to_what_is_unknown_and_takes_nothing_from_it():
    known = [({"x": x}, -abs(x - 0.1)) for x in (0.0, 0.1, 0.2, 0.3)]  # nothing is known of the right half
    assert next_point(line(), known, beta=0.0)["x"] < 0.3
    assert next_point(line(), known, beta=50.0)["x"] > 0.8


def test_values_of_a_category_are_equally_far_from_each_other():
    """On a line the neighbour of the best value promises most; of a category, all values that are left do alike."""
    steps = space_of(steps=Choice((2, 4, 6, 8, 10, 12)))
    known = [({"steps": 2}, 0.0), ({"steps": 4}, 0.0), ({"steps": 12}, 1.0)]
    found = {
        names: {next_point(steps, known, seed=seed, beta=0.0, categorical=names)["steps"] for seed in range(1, 7)}
        for names in ((), ("steps",))
    }
    assert found[()] == {10}
    assert len(found["steps",]) > 1
    oracle = oracle_of("bayesian", steps, options={"categorical": ["steps"]})
    vectors = [oracle._numbers(steps.template.space[0], {"steps": value}) for value in (2, 4, 12)]
    assert vectors == [[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]]


@pytest.mark.parametrize(("space", "name"), [(discrete(), "rules"), (line(), "x")])
def test_only_a_choice_of_the_space_is_a_category(space, name):
    with pytest.raises(UnknownNameError, match=f"choice of this search '{name}'"):
        oracle_of("bayesian", space, options={"categorical": [name]})


@pytest.mark.slow
def test_larger_beta_explores_more():
    def spread(beta):
        rehearsal = Rehearsal(
            lambda: oracle_of("bayesian", line(), options={"beta": beta, "initial_points": 4}),
            lambda values: -((values["x"] - 0.3) ** 2),
        )
        rehearsal.run(14)
        return np.std([trial.values["x"] for trial in rehearsal.trials[5:]])

    assert spread(0.1) < 0.5 * spread(50.0)


@pytest.mark.parametrize(
    ("max_trials", "dimensions", "options", "count"),
    [(25, 2, {}, 4), (25, 10, {}, 6), (12, 10, {}, 4), (None, 4, {}, 5), (25, 2, {"initial_points": 7}, 7)],
)
def test_first_points_are_random_and_few(max_trials, dimensions, options, count):
    wide = space_of(**{f"x{axis}": Float(0.0, 1.0) for axis in range(dimensions)})
    bayesian = Rehearsal(lambda: oracle_of("bayesian", wide, max_trials=max_trials, options=options))
    chance = Rehearsal(lambda: oracle_of("random", wide))
    bayesian.run(count + 1)
    chance.run(count + 1)
    same = [one.values == other.values for one, other in zip(bayesian.trials, chance.trials, strict=True)]
    assert same == [True] * count + [False]


def test_earlier_search_shows_the_way():
    def score(values):
        return -((values["x"] - 3.0) ** 2)

    points = [{"x": float(x)} for x in np.linspace(0, 20, 9)]
    earlier = [[(values, 50 + score(values)) for values in points], []]
    warm = Rehearsal(lambda: oracle_of("bayesian", line(most=20.0), earlier=earlier, options={"beta": 0.7}), score)
    warm.trials.append(Trial(0, points[1], "", "warm", status="completed"))
    warm.told[0] = score(points[1])  # from it on both scales are known
    warm.run(5)
    cold = Rehearsal(lambda: oracle_of("bayesian", line(most=20.0)), score)
    cold.run(5)
    assert max(list(warm.told.values())[1:]) > -0.5 > max(cold.told.values())


# --- grid ---


def walked(template):
    """KerasTuner's own way through its grid."""
    oracle = keras_tuner.oracles.GridSearchOracle(
        objective=keras_tuner.Objective("score", "max"), hyperparameters=template
    )
    values = {one.name: one.default for one in template.space if template.is_active(one)}
    while values is not None:
        yield values
        values = oracle._get_next_combination(values)


def nested():
    return space_of(
        kind=(Choice(("plain", "gated", "deep")), "gated"),
        bias=Boolean(when={"kind": ("gated", "deep")}),
        scale=(Float(0.0, 1.0, when={"bias": (True,)}), 0.3),
        keep=Float(0.5, 1.0, step=0.25),
    )


@pytest.mark.parametrize("make", [discrete, nested])
def test_grid_is_kerastuners(make):
    space = make()
    ours = [json.dumps(point, sort_keys=True) for point in space.points(grid(space))]
    theirs = [json.dumps(values, sort_keys=True) for values in walked(space.template)]
    assert len(set(ours)) == len(ours) == len(theirs) == grid_size(space)
    assert set(ours) == set(theirs)
    assert ours[0] == theirs[0]


def test_grid_size_counts_by_hand():
    assert grid_size(discrete()) == 30
    assert grid_size(nested()) == 3 * (1 + 2 * (1 + 11))
    big = space_of(**{f"x{axis}": (Float(0.0, 1.0), 0.05) for axis in range(30)})  # 0.05 is one of the ten values
    assert grid_size(big) == 10**30


def test_grid_does_not_wait_for_results():
    rehearsal = Rehearsal(lambda: oracle_of("grid", discrete(), max_trials=None))
    assert all(not isinstance(rehearsal.ask(), str) for _ in range(30))
    assert rehearsal.ask() == "done"


def test_grid_beyond_the_budget_is_sampled_everywhere():
    def sample(seed):
        rehearsal = Rehearsal(lambda: oracle_of("grid", discrete(), seed=seed, max_trials=12))
        rehearsal.run(12)
        return [rehearsal.key(trial.values, None) for trial in rehearsal.trials]

    every = [Rehearsal.key(point, None) for point in discrete().points(grid(discrete()))]
    assert set(sample(0)) < set(every)
    assert sample(0) == sample(0) != sample(1)
    assert max(every.index(point) for point in sample(0)) >= 20


def test_huge_grid_needs_a_budget():
    assert grid_size(mixed()) == 11 * 8 * (1 + 11)
    larger = mixed(more=Int(1, 4))
    with pytest.raises(SettingsError, match=r"4,224 points, more than 1,000: pass max_trials .*restrict the space"):
        oracle_of("grid", larger, max_trials=None)
    assert oracle_of("grid", larger, max_trials=5).ask([], {}, lambda values, epochs: False).by == "grid"


# --- Hyperband ---


def hyperband(**changes):
    return Rehearsal(lambda: oracle_of("hyperband", mixed(), **changes), lambda values: values["rate"])


def test_brackets_are_those_of_the_paper():
    rehearsal = hyperband(max_trials=None)
    assert rehearsal.run(100) == "done"
    # rounds of (trials, epochs); by hand: 9 -> 3 -> 1, 5 -> 2, 3
    assert Counter((t.origin is None, t.epochs) for t in rehearsal.trials) == {
        (True, 1): 9,
        (False, 3): 3,
        (False, 9): 1 + 2,
        (True, 3): 5,
        (True, 9): 3,
    }


def test_promotions_are_the_best_and_keep_their_values():
    rehearsal = hyperband(max_trials=None)
    rehearsal.run(13)
    first = rehearsal.trials[:9]
    assert all(trial.origin is None and trial.epochs == 1 for trial in first)
    best = sorted(first, key=lambda trial: -trial.values["rate"])[:3]
    promoted = rehearsal.trials[9:12]
    assert [trial.origin for trial in promoted] == [trial.number for trial in best]
    assert [trial.values for trial in promoted] == [trial.values for trial in best]
    assert rehearsal.trials[12].origin == 9
    assert rehearsal.trials[12].epochs == 9


def test_workers_are_kept_busy_by_the_next_bracket():
    rehearsal = hyperband(max_trials=None)
    epochs = [rehearsal.ask().epochs for _ in range(17)]
    assert epochs == [1] * 9 + [3] * 5 + [9] * 3
    assert rehearsal.ask() == "wait"
    for number in range(9):
        rehearsal.end(number)
    assert rehearsal.ask().origin == max(range(9), key=lambda number: rehearsal.told[number])


def test_failures_do_not_stall_a_bracket():
    rehearsal = hyperband(max_trials=None)
    rehearsal.run(9)
    for number in range(9):
        rehearsal.end(number, status="completed" if number == 4 else "failed", score=0.1)
    promoted = rehearsal.ask()
    assert (promoted.origin, promoted.epochs) == (4, 3)
    rehearsal.end(9, score=0.1)
    assert rehearsal.run(100) == "done"
    origins = [trial.origin for trial in rehearsal.trials if trial.origin is not None]
    assert not set(origins) & {0, 1, 2, 3, 5, 6, 7, 8}
    assert origins[:2] == [4, 9]


def test_space_smaller_than_a_bracket_is_halved_all_the_same():
    small = space_of(layers=Int(1, 8))
    for workers in (1, 3):
        rehearsal = Rehearsal(lambda: oracle_of("hyperband", small), lambda values: values["layers"])
        assert rehearsal.run(60, workers) == "done"
        # eight of nine places: three of them go on, and the best to the end
        assert Counter(trial.epochs for trial in rehearsal.trials) == {1: 8, 3: 3, 9: 1}
        assert rehearsal.trials[-1].values == {"layers": 8}


def test_with_a_budget_hyperband_begins_again_and_without_it_ends():
    assert hyperband(max_trials=50).run(50) is None
    assert hyperband(max_trials=None, options={"iterations": 2}).run(100) == "done"
    assert hyperband(max_trials=100, options={"iterations": 1}).run(100) == "done"


def test_factor_divides_the_epochs():
    rehearsal = hyperband(max_epochs=4, options={"factor": 2}, max_trials=None)
    rehearsal.run(100)
    assert {trial.epochs for trial in rehearsal.trials} == {1, 2, 4}


def test_trials_of_others_have_no_place_in_a_bracket():
    rehearsal = hyperband(max_trials=None)
    rehearsal.trials.append(Trial(0, {"rate": 0.1, "units": 16, "kind": "plain"}, "", "recipe", status="completed"))
    rehearsal.told[0] = 1.0
    rehearsal.run(14)
    assert [trial.origin is None for trial in rehearsal.trials[1:10]] == [True] * 9
    assert 0 not in {trial.origin for trial in rehearsal.trials}


def test_hyperband_needs_epochs():
    with pytest.raises(SettingsError, match="needs a procedure with epochs"):
        hyperband(max_epochs=None)
