"""Oracles: what they choose, that they choose it again after a restart, and that they come to an end."""

import itertools
import math
import os
from collections import Counter

import keras_tuner
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.trials import Trial
from genrezoo.tuning.oracles import TUNERS, grid_size, make_oracle, tuner_options
from genrezoo.tuning.oracles.embedding import Embedding
from genrezoo.tuning.oracles.points import all_points, grid_points
from genrezoo.tuning.oracles.process import Process


def discrete():
    """2 x 3 x 5 points."""
    template = keras_tuner.HyperParameters()
    template.Boolean("shuffle")
    template.Choice("rule", ["mean", "vote", "product"])
    template.Int("layers", 1, 5)
    return template


def mixed():
    template = keras_tuner.HyperParameters()
    template.Float("rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    template.Int("units", 16, 128, step=16)
    template.Choice("kind", ["plain", "gated"])
    template.Float("gate", 0.0, 1.0, parent_name="kind", parent_values=["gated"])
    return template


def line(name="x", most=1.0):
    template = keras_tuner.HyperParameters()
    template.Float(name, 0.0, most)
    return template


def oracle_of(name, template, *, seed=1, max_trials=60, max_epochs=9, options=None, earlier=()):
    return make_oracle(
        name,
        template,
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
        return tuple(sorted(values.items())), epochs

    def taken(self, values, epochs):
        return self.key(values, epochs) in self.seen

    def ask(self):
        """Asks the oracle that lived on and one made anew, which must agree."""
        answer = self.oracle.ask(self.trials, self.told, self.taken)
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


@pytest.mark.parametrize("workers", [1, 4])
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


def test_template_is_left_as_it_is():
    template = mixed()
    before = template.get_config()
    for name in TUNERS:
        Rehearsal(lambda name=name: oracle_of(name, template), lambda values: values["units"]).run(8)
    assert template.get_config() == before


# --- options ---


def test_options_have_their_defaults_filled_in():
    assert tuner_options("random") == tuner_options("grid") == {}
    assert tuner_options("hyperband", {"factor": 4}) == {"factor": 4, "iterations": None}
    assert set(tuner_options("bayesian", {"beta": 1})) == {"initial_points", "beta", "alpha"}


def test_unknown_tuner_names_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'bayesian'"):
        tuner_options("bayes")
    with pytest.raises(UnknownNameError, match="unknown tuner 'annealing'"):
        oracle_of("annealing", discrete())


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("bayesian", {"kappa": 1.9}, "bayesian: kappa: Extra inputs"),
        ("bayesian", {"beta": -1}, "bayesian: beta: .*greater than or equal to 0, got -1"),
        ("bayesian", {"beta": math.inf}, "beta: .*finite"),
        ("bayesian", {"alpha": 0}, "alpha: .*greater than 0"),
        ("bayesian", {"initial_points": 0}, "initial_points"),
        ("hyperband", {"factor": 1}, "factor: .*greater than or equal to 2"),
        ("hyperband", {"iterations": 0}, "iterations"),
        ("random", {"seed": 1}, "random: seed: Extra inputs"),
        ("grid", {"size": 1}, "grid: size: Extra inputs"),
    ],
)
def test_options_out_of_range_are_refused(name, options, match):
    with pytest.raises(SettingsError, match=match):
        tuner_options(name, options)
    with pytest.raises(SettingsError, match=match):
        oracle_of(name, discrete(), options=options)


# --- Bayesian ---


def test_bayesian_search_closes_in_on_a_peak():
    def peak(values):
        return -abs(math.log10(values["rate"]) + 2.3) - abs(values["units"] - 96) / 112 - (values["kind"] == "plain")

    late = {}
    for name in ("bayesian", "random"):
        rehearsal = Rehearsal(lambda name=name: oracle_of(name, mixed(), seed=0), peak)
        rehearsal.run(16)
        rehearsal.end(15)
        late[name] = np.mean([rehearsal.told[number] for number in range(10, 16)])
    assert late["bayesian"] > -0.3
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


@pytest.mark.parametrize("seed", [1, 2])
def test_suggestions_asked_for_at_once_lie_apart(seed):
    template = keras_tuner.HyperParameters()
    template.Float("x", 0, 1)
    template.Float("y", 0, 1)
    rehearsal = Rehearsal(
        lambda: oracle_of("bayesian", template, seed=seed),
        lambda values: math.sin(9 * values["x"]) + math.cos(7 * values["y"]),
    )
    rehearsal.run(6)
    rehearsal.end(5)
    asked = [tuple(rehearsal.ask().values.values()) for _ in range(4)]
    # as if nothing were running they would lie within 1e-4
    assert min(math.dist(one, other) for one, other in itertools.combinations(asked, 2)) > 0.01


def test_running_trials_take_doubt_away_and_leave_belief():
    x = np.array([[0.1], [0.4], [0.7], [0.95]])
    y = np.sin(5 * x[:, 0])
    alone = Process(Embedding(line()), None, 1).fit(x, y)
    mean, deviation = alone.predict(np.array([[0.25], [0.55]]), return_std=True)
    alone.fit(np.vstack([x, [[0.55]]]), np.append(y, mean[1]))
    after, left = alone.predict(np.array([[0.25], [0.55]]), return_std=True)
    np.testing.assert_allclose(after, mean, atol=1e-6)
    assert left[1] < 0.7 * deviation[1]


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
    template = keras_tuner.HyperParameters()
    for axis in range(dimensions):
        template.Float(f"x{axis}", 0, 1)
    bayesian = Rehearsal(lambda: oracle_of("bayesian", template, max_trials=max_trials, options=options))
    chance = Rehearsal(lambda: oracle_of("random", template))
    bayesian.run(count + 1)
    chance.run(count + 1)
    same = [one.values == other.values for one, other in zip(bayesian.trials, chance.trials, strict=True)]
    assert same == [True] * count + [False]


def test_earlier_search_on_another_scale_shows_the_way():
    def score(values):
        return -((values["x"] - 3.0) ** 2)

    grid = [{"x": float(x)} for x in np.linspace(0, 20, 9)]
    earlier = [[(values, 1000 + 50 * score(values)) for values in grid], [(grid[1], 0.5)], []]
    warm = Rehearsal(lambda: oracle_of("bayesian", line(most=20.0), earlier=earlier), score)
    warm.run(5)
    cold = Rehearsal(lambda: oracle_of("bayesian", line(most=20.0)), score)
    cold.run(5)
    assert max(warm.told.values()) > -0.5 > max(cold.told.values())


def test_model_knows_what_lies_between_values():
    template = keras_tuner.HyperParameters()
    template.Int("layers", 1, 4)
    template.Choice("kind", ["plain", "gated"])
    template.Float("gate", 0.0, 1.0, default=0.25, parent_name="kind", parent_values=["gated"])
    template.Boolean("shuffle")
    template.Fixed("size", 3)
    embedding = Embedding(template)
    x = np.array([[0.3, 0.2, 0.9, 0.1], [0.99, 0.7, 0.9, 1.0]])
    np.testing.assert_allclose(embedding.snap(x), [[0.375, 0.25, 0.25, 0.25], [0.875, 0.75, 0.9, 0.75]])


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("Int", {"min_value": 1, "max_value": 1000, "sampling": "log"}),
        ("Int", {"min_value": 2, "max_value": 162, "step": 3, "sampling": "log"}),
        ("Int", {"min_value": 3, "max_value": 17, "step": 2}),
        ("Int", {"min_value": 1, "max_value": 40, "sampling": "reverse_log"}),
        ("Float", {"min_value": 0.1, "max_value": 0.9, "step": 0.1}),
        ("Float", {"min_value": 1e-4, "max_value": 1e-1, "step": 10, "sampling": "log"}),
        ("Choice", {"values": ["x", "y", "z"]}),
        ("Boolean", {}),
    ],
)
def test_every_value_stands_where_kerastuner_finds_it_again(kind, arguments):
    template = keras_tuner.HyperParameters()
    getattr(template, kind)("a", **arguments)
    points, embedding = all_points(template), Embedding(template)
    places = set()
    for number in range(points.size):
        values = points.at(number)
        place = embedding.vector(values)
        assert template.space[0].prob_to_value(place[0]) == values["a"]
        np.testing.assert_array_equal(embedding.snap(place[None])[0], place)
        places.add(float(place[0]))
    assert len(places) == points.size
    for place in np.random.default_rng(1).uniform(size=200):
        snapped = embedding.snap(np.array([[place]]))[0, 0]
        assert template.space[0].prob_to_value(place) == template.space[0].prob_to_value(snapped)


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
    template = keras_tuner.HyperParameters()
    template.Choice("kind", ["plain", "gated", "deep"], default="gated")
    with template.conditional_scope("kind", ["gated", "deep"]):
        template.Boolean("bias")
        with template.conditional_scope("bias", [True]):
            template.Float("scale", 0.0, 1.0, default=0.3)
    template.Float("keep", 0.5, 1.0, step=0.25)
    return template


@pytest.mark.parametrize("make", [discrete, nested])
def test_grid_is_kerastuners(make):
    points = grid_points(make())
    ours = [tuple(sorted(points.at(number).items())) for number in range(points.size)]
    theirs = [tuple(sorted(values.items())) for values in walked(make())]
    assert len(set(ours)) == len(ours) == len(theirs)
    assert set(ours) == set(theirs)
    assert ours[0] == theirs[0]


def test_grid_size_counts_by_hand():
    assert grid_size(discrete()) == 30
    assert grid_size(nested()) == 3 * (1 + 2 * (1 + 11))
    big = keras_tuner.HyperParameters()
    for axis in range(30):
        big.Float(f"x{axis}", 0, 1, default=0.05)  # the default is one of the ten values
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

    points = grid_points(discrete())
    grid = [Rehearsal.key(points.at(number), None) for number in range(30)]
    assert set(sample(0)) < set(grid)
    assert sample(0) == sample(0) != sample(1)
    assert max(grid.index(point) for point in sample(0)) >= 20


def test_huge_grid_needs_a_budget():
    template = mixed()
    assert grid_size(template) == 11 * 8 * (1 + 11)
    template.Int("more", 1, 4)
    with pytest.raises(SettingsError, match=r"4,224 points, more than 1,000: give max_trials .*restrict the space"):
        oracle_of("grid", template, max_trials=None)
    assert oracle_of("grid", template, max_trials=5).ask([], {}, lambda values, epochs: False).by == "grid"


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
    template = keras_tuner.HyperParameters()
    template.Int("layers", 1, 8)
    for workers in (1, 3):
        rehearsal = Rehearsal(lambda: oracle_of("hyperband", template), lambda values: values["layers"])
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
