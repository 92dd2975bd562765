"""Greedy selection of ensembles from stored predictions."""

import numpy as np
import pytest

from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import evaluate, softmax
from genrezoo.selection import GreedySettings, cross_selected, select

ONE_BAG = {"bags": 1, "fraction": 1.0}


def of_two_genres(*right):
    """Logits of a model whose posteriors of genre 0, the right one, are these."""
    p = np.array(right)
    return np.log(np.stack([p, 1 - p], axis=1))


FIRST, SECOND, USELESS = of_two_genres(0.9, 0.3), of_two_genres(0.3, 0.9), of_two_genres(0.2, 0.2)
ZEROS = np.zeros(2, int)


def noise_library(models=30, songs=60, genres=4, seed=0):
    generator = np.random.default_rng(seed)
    y = generator.integers(0, genres, songs)
    return {f"model_{n}": generator.normal(0, 2, (songs, genres)) for n in range(models)}, y


def accuracy(logits, y):
    return (logits.argmax(axis=1) == y).mean()


def test_the_greedy_choice_is_the_one_found_by_hand():
    library = {"first": FIRST, "useless": USELESS, "second": SECOND}
    found = select(library, ZEROS, GreedySettings(bags=3, start=1, steps=3))
    assert found.weights == {"first": pytest.approx(0.5), "second": pytest.approx(0.5)}  # and nothing of the useless
    alone, two, three = -np.log([0.9, 0.3]).mean(), -np.log([0.6, 0.6]).mean(), -np.log([0.7, 0.5]).mean()
    assert len(found.paths) == 3
    for path in found.paths:
        assert path == pytest.approx((alone, two, three))  # the third makes it worse, so that two are kept


def test_a_model_that_is_chosen_twice_counts_twice():
    """(2 · 0.7 + 0.1) / 3 = 0.5 and (2 · 0.15 + 0.45) / 3 = 0.25; no other weights of three give as large a product."""
    library = {"first": of_two_genres(0.7, 0.15), "second": of_two_genres(0.1, 0.45)}
    found = select(library, ZEROS, GreedySettings(start=1, steps=3))
    assert found.weights == {"first": pytest.approx(2 / 3), "second": pytest.approx(1 / 3)}
    assert found.paths[0] == pytest.approx((-np.log(0.7 * 0.15) / 2, -np.log(0.4 * 0.3) / 2, -np.log(0.5 * 0.25) / 2))
    np.testing.assert_allclose(softmax(found.combine(library))[:, 0], [0.5, 0.25], rtol=1e-6)


def test_a_bag_begins_with_as_many_of_its_best_as_do_best_together():
    (path,) = select({"a": FIRST, "b": SECOND, "c": USELESS}, ZEROS, GreedySettings(steps=2, **ONE_BAG)).paths
    assert path == pytest.approx((-np.log(0.6),))  # of one, two and three models, two


def test_a_bag_does_not_begin_larger_than_it_may_grow():
    library = {"a": FIRST, "b": SECOND, "c": USELESS}
    assert len(select(library, ZEROS, GreedySettings(steps=2, **ONE_BAG)).weights) == 2
    assert len(select(library, ZEROS, GreedySettings(steps=1, **ONE_BAG)).weights) == 1


def test_accuracy_counts_first_and_the_log_loss_breaks_its_ties():
    library = {"surer": of_two_genres(0.9, 0.9, 0.4), "right": of_two_genres(0.51, 0.51, 0.51)}
    settings = GreedySettings(score="accuracy", start=1, steps=2, **ONE_BAG)
    found = select(library, np.zeros(3, int), settings)
    assert found.paths == ((1.0, 1.0),)  # chosen again: (0.4 + 0.51) / 2 < 0.5 would lose the third song
    assert found.weights == {"right": 1.0}
    library["as_right"] = of_two_genres(0.55, 0.55, 0.55)
    assert select(library, np.zeros(3, int), settings).weights == {"as_right": 1.0}


def test_copies_share_the_weight_of_the_one():
    library = {"first": FIRST, "second": SECOND, "copy": FIRST.copy()}
    weights = select(library, ZEROS, GreedySettings(steps=4)).weights
    assert weights["second"] == pytest.approx(0.5)
    assert weights["first"] + weights["copy"] == pytest.approx(0.5)
    assert min(weights.values()) > 0.1


def test_each_bag_draws_from_half_of_the_library():
    library = {"good": of_two_genres(0.99, 0.99)} | {f"poor_{n}": of_two_genres(0.5, 0.5) for n in range(9)}
    weights = select(library, ZEROS).weights
    bags = weights["good"] * 20
    assert 4 <= bags <= 16  # those that drew it chose nothing else
    assert bags == pytest.approx(round(bags))
    assert sum(weights.values()) == pytest.approx(1)
    assert list(weights) == sorted(weights, key=weights.get, reverse=True)


def test_only_the_greatest_weights_are_kept_where_so_many_are_asked_for():
    library, y = noise_library()
    every, few = (select(library, y, GreedySettings(most=most)).weights for most in (None, 3))
    assert len(every) > 3
    assert list(few) == list(every)[:3]
    assert sum(few.values()) == pytest.approx(1)


@pytest.mark.parametrize("score", ["log_loss", "accuracy"])
def test_bags_overfit_noise_less_than_one_greedy_choice(score):
    gaps = {}
    for name, settings in (("one", ONE_BAG), ("bags", {})):
        settings = GreedySettings(score=score, **settings)
        scores = [
            evaluate(select(library, y, settings).combine(library), y)[score]
            for library, y in (noise_library(seed=seed) for seed in range(3))
        ]
        gaps[name] = abs(np.mean(scores) - {"accuracy": 0.25, "log_loss": np.log(4)}[score])
    assert gaps["bags"] < gaps["one"]


def test_predictions_of_songs_that_the_selection_did_not_see_are_no_better_than_chance_on_noise():
    settings = GreedySettings(score="accuracy", steps=20, **ONE_BAG)
    seen, unseen = [], []
    for seed in range(4):
        library, y = noise_library(songs=100, seed=seed)
        seen.append(accuracy(select(library, y, settings).combine(library), y))
        unseen.append(accuracy(cross_selected(library, y, settings), y))
    assert np.mean(seen) > 0.42
    assert np.mean(unseen) < 0.33  # of four genres


def test_a_song_is_predicted_by_weights_of_the_other_songs():
    """Two songs, one a fold: each is predicted by the model that is right about the other."""
    library = {"first": of_two_genres(0.9, 0.1), "second": of_two_genres(0.1, 0.9)}
    unseen = cross_selected(library, ZEROS, GreedySettings(steps=1), folds=2)
    np.testing.assert_allclose(softmax(unseen)[:, 0], [0.1, 0.1], rtol=1e-5)


def test_the_same_seed_gives_the_same_weights_and_arrays_stay_as_they_are():
    library, y = noise_library(models=8)
    before = {name: part.copy() for name, part in library.items()}
    settings = GreedySettings(bags=2)
    assert select(library, y, settings, seed=2) == select(library, y, settings, seed=2)
    assert select(library, y, settings, seed=2) != select(library, y, settings, seed=3)
    np.testing.assert_array_equal(*(cross_selected(library, y, settings) for _ in range(2)))
    for name, part in library.items():
        np.testing.assert_array_equal(part, before[name])


def test_posteriors_of_zero_have_finite_logarithms():
    sure = np.array([[0.0, 2000.0]])
    assert np.isfinite(
        select({"sure": sure, "other": sure}, np.array([0])).combine({"sure": sure, "other": sure})
    ).all()


@pytest.mark.parametrize(
    ("library", "y", "error", "message"),
    [
        ({}, ZEROS, SettingsError, "at least one model, got none"),
        ({"a": FIRST, "b": FIRST[:1]}, ZEROS, DataError, r"logits of 'b' have shape \(1, 2\)"),
        ({"a": FIRST}, ZEROS[:1], DataError, r"labels \(1,\)"),
        ({"a": FIRST}, ZEROS + 0.5, DataError, "of float64"),
        ({"a": FIRST}, ZEROS + 2, DataError, "use 0 to 1"),
        ({"a": FIRST[:0]}, ZEROS[:0], DataError, "there are 0 labels"),
        ({"a": FIRST * np.inf}, ZEROS, DataError, "logits of 'a' are not finite"),
    ],
)
def test_what_does_not_fit_is_refused(library, y, error, message):
    with pytest.raises(error, match=message):
        select(library, y)


def test_folds_that_cannot_be_are_refused():
    with pytest.raises(SettingsError, match="folds must be at least 2, got 1"):
        cross_selected({"a": FIRST}, ZEROS, folds=1)
    with pytest.raises(DataError, match="one song cannot be split into folds"):
        cross_selected({"a": FIRST[:1]}, ZEROS[:1])
