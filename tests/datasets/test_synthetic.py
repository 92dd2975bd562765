import dataclasses
import json
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from genrezoo.datasets import load_songs
from genrezoo.datasets._hmm import SongLaw
from genrezoo.datasets.synthetic import SyntheticSettings, _genres, ceilings, load_synthetic, posterior
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.registry import DATASETS
from genrezoo.songs import SongSet
from genrezoo.songs.splits import check_split

# Small enough to count every path of hidden states, noisy enough that every path counts.
TINY = {
    "n_genres": 4,
    "n_segments": 3,
    "n_features": 2,
    "n_states": 3,
    "noise": 2.0,
    "timbre": 3.0,
    "loosest": 0.4,
    "n_train": 4,
    "n_valid": 4,
    "n_test": 12,
    "songs_per_artist": 1,
}
SMALL = {"n_segments": 20, "n_features": 6, "n_train": 30, "n_valid": 20, "n_test": 40}


def density(law, song):
    """Probability density of one song, path by path, from the definition of the law."""
    song = song[::-1] if law.mirrored else song
    n_states, n_sections = len(law.means), len(law.home)
    total = 0.0
    for path in product(range(n_states), repeat=len(song)):
        probability = law.home[0][path[0]]
        for segment in range(1, len(song)):
            home = law.home[int(n_sections * segment / len(song))]
            follows = law.after[path[segment - 1]] == path[segment]
            probability *= law.follow * follows + (1 - law.follow) * home[path[segment]]
        total += probability * norm.pdf(song, law.means[list(path)], law.noise).prod()
    return total


def densities(songs):
    """Density of each song in each genre, ``(n_songs, n_genres)``: the styles' mean."""
    genres = _genres(SyntheticSettings(**songs.about["synthetic"]))
    heard = [x[:length].astype(np.float64) for x, length in zip(songs.x, songs.lengths, strict=True)]
    return np.array([[np.mean([density(law, song) for law in genre.laws]) for genre in genres] for song in heard])


def in_every_order(songs):
    """Each song once for every order of its segments; the orders of one song follow one another."""
    orders = [list(order) for order in permutations(range(songs.n_segments))]
    every = songs.take(np.repeat(np.arange(songs.n_songs), len(orders)))
    return dataclasses.replace(every, x=songs.x[:, orders].reshape(every.x.shape)), len(orders)


# What is attainable.


@pytest.mark.parametrize("mechanisms", [("order", "timbre"), ("position", "order"), ("timbre", "position")])
@pytest.mark.parametrize("min_segments", [None, 1])
def test_posterior_equals_counting_every_path_and_style(mechanisms, min_segments):
    songs = load_synthetic(**TINY, mechanisms=mechanisms, min_segments=min_segments).split("test")
    expected = densities(songs)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(posterior(songs), expected, rtol=1e-10)
    assert ceilings(songs, split=None)["bayes"] == pytest.approx(expected.max(axis=1).mean(), rel=1e-10)


def test_log_likelihood_equals_counting_every_path():
    songs = load_synthetic(**TINY).split("test")
    for genre in _genres(SyntheticSettings(**TINY)):
        for law in genre.laws:
            expected = np.log([density(law, song) for song in songs.x.astype(np.float64)])
            np.testing.assert_allclose(law.log_likelihood(songs.x, songs.lengths), expected, rtol=1e-10)


@pytest.mark.parametrize("mechanism", ["order", "position", "timbre"])
def test_genres_told_apart_by_order_alone_have_the_same_bags(mechanism):
    every, n_orders = in_every_order(load_synthetic(**{**TINY, "n_genres": 2}, mechanisms=(mechanism,)).split("test"))
    song = densities(every)
    bag = song.reshape(-1, n_orders, 2).sum(axis=1)
    assert abs(song[:, 0] / song[:, 1] - 1).max() > 0.05
    if mechanism == "timbre":
        assert abs(bag[:, 0] / bag[:, 1] - 1).max() > 0.05
    else:
        np.testing.assert_allclose(bag[:, 0], bag[:, 1], rtol=1e-10)


@pytest.mark.slow
def test_order_free_ceiling_is_never_below_the_best_answer_to_a_bag():
    every, n_orders = in_every_order(load_synthetic(**TINY, seed=5, mechanisms=("order", "timbre")).split("test"))
    song = densities(every)  # genres: a mirrored pair, then two of one set each
    bag = song.reshape(-1, n_orders, 4).sum(axis=1)
    best = (bag / bag.sum(axis=1, keepdims=True)).max(axis=1)  # the likeliest genre of each bag, order unknown
    share = song.sum(axis=1).reshape(-1, n_orders) / bag.sum(axis=1, keepdims=True)  # of each order, given the bag
    sets = np.stack([song[:, :2].mean(axis=1), song[:, 2], song[:, 3]], axis=1) / song.sum(axis=1, keepdims=True)
    bound = (share * sets.max(axis=1).reshape(-1, n_orders)).sum(axis=1)
    assert (best <= bound + 1e-12).all()
    assert (best < bound - 1e-2).any()  # a bound, not the truth: order may tell which set it is
    assert ceilings(every, split=None)["order_free"] == pytest.approx(sets.max(axis=1).mean(), rel=1e-10)


def test_without_noise_only_order_and_position_are_out_of_reach_of_a_bag():
    plain = {"n_segments": 60, "n_test": 200, "noise": 1e-3, "loosest": 1}
    assert ceilings(load_synthetic(**plain)) == {
        "bayes": pytest.approx(1, abs=1e-3),
        "order_free": pytest.approx(
            0.6
        ),  # two pairs by order and two by position are one set each, two by timbre are two
        "songs": 200,
    }
    alone = ceilings(load_synthetic(**plain, n_pools=10))
    assert alone["bayes"] == alone["order_free"] == pytest.approx(1)


def test_in_noise_all_accuracy_is_chance():
    found = ceilings(load_synthetic(noise=1e4, n_test=200))
    assert found["bayes"] == pytest.approx(0.1, abs=0.01)
    assert found["order_free"] == pytest.approx(0.1, abs=0.01)


def test_ceilings_fall_with_noise():
    found = [ceilings(load_synthetic(**{**SMALL, "n_test": 200}, noise=noise)) for noise in (0.5, 2, 8)]
    assert found[0]["bayes"] > found[1]["bayes"] > found[2]["bayes"]
    assert found[0]["order_free"] > found[1]["order_free"] > found[2]["order_free"]


@pytest.mark.parametrize("min_segments", [None, 10])
def test_counted_accuracy_of_the_best_answer_agrees_with_the_ceiling(min_segments):
    songs = load_synthetic(**{**SMALL, "n_test": 1500}, min_segments=min_segments, seed=3)
    bayes = ceilings(songs)["bayes"]
    counted = (posterior(songs.split("test")).argmax(axis=1) == songs.split("test").y).mean()
    assert counted == pytest.approx(bayes, abs=4 * np.sqrt(bayes * (1 - bayes) / 1500))


def test_a_classifier_of_means_and_deviations_stays_under_the_order_free_ceiling():
    songs = load_synthetic(n_train=800, n_test=500, n_segments=40)
    ceiling = ceilings(songs)
    train, test = songs.split("train"), songs.split("test")
    bags = [np.concatenate([part.x.mean(axis=1), part.x.std(axis=1)], axis=1) for part in (train, test)]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(bags[0], train.y)
    accuracy = model.score(bags[1], test.y)
    assert 0.4 < accuracy < ceiling["order_free"] + 3 * np.sqrt(0.25 / 500) < ceiling["bayes"]


def test_the_default_songs_leave_room_above_order_free_models():
    found = ceilings(load_synthetic(n_train=10, n_valid=10, n_test=500))
    assert 0.9 < found["bayes"] < 0.95
    assert 0.5 < found["order_free"] < 0.6


# What the songs are like.


def test_order_makes_states_go_round_and_mirroring_turns_them():
    lengths = np.full(2000, 20)
    for genre, mirrored in zip(
        _genres(SyntheticSettings(mechanisms=("order",), order=0.7)), (False, True), strict=False
    ):
        law = genre.laws[0]
        assert sorted(law.after) == [0, 1, 2, 3, 4]
        states = law.draw_states(lengths, 20, np.random.default_rng(0))
        first, second = (states[:, 1:], states[:, :-1]) if mirrored else (states[:, :-1], states[:, 1:])
        assert (law.after[first] == second).mean() == pytest.approx(0.7 + 0.3 / 5, abs=0.01)
        np.testing.assert_allclose(np.bincount(states[:, 7]) / 2000, 0.2, atol=0.04)


def test_position_gives_each_part_its_favourite_and_mirroring_turns_them():
    lengths = np.repeat([20, 10], 2000)
    for genre in _genres(SyntheticSettings(mechanisms=("position",), position=0.7))[:2]:
        law = genre.laws[0]
        favourites = law.home.argmax(axis=1)[:: -1 if law.mirrored else 1]
        assert sorted(favourites) == [0, 1, 2, 3, 4]
        states = law.draw_states(lengths, 20, np.random.default_rng(0))
        for length, songs in ((20, states[:2000]), (10, states[2000:])):
            expected = np.repeat(favourites, length // 5)
            assert (songs[:, :length] == expected).mean() == pytest.approx(0.7 + 0.3 / 5, abs=0.01)


def test_timbre_moves_the_means_by_the_given_distance():
    first, second = _genres(SyntheticSettings(mechanisms=("timbre",), timbre=1.5, loosest=0.5))[:2]
    moved = [np.linalg.norm(b.means - a.means, axis=1) for a, b in zip(first.laws, second.laws, strict=True)]
    np.testing.assert_allclose(moved, [[1.5] * 5, [0.75] * 5])
    for a, b in zip(first.laws, second.laws, strict=True):  # and nothing else tells the two apart
        assert (a.follow, a.mirrored) == (b.follow, b.mirrored)
        np.testing.assert_array_equal(a.after, b.after)
        np.testing.assert_array_equal(a.home, b.home)


def test_styles_loosen_step_by_step():
    options = {"n_styles": 3, "loosest": 0.2, "order": 0.5, "position": 0.5}
    order, position = (_genres(SyntheticSettings(mechanisms=(name,), **options))[1] for name in ("order", "position"))
    np.testing.assert_allclose([law.follow for law in order.laws], [0.5, 0.3, 0.1])
    np.testing.assert_allclose([law.home.max() for law in position.laws], [0.5 + 0.5 / 5, 0.3 + 0.7 / 5, 0.1 + 0.9 / 5])


def test_the_features_are_the_means_and_the_noise():
    settings = SyntheticSettings(n_genres=2, n_train=2, n_valid=2, n_test=500, mechanisms=("order",), noise=0.25)
    songs = load_synthetic(**settings.model_dump()).split("test")
    means = _genres(settings)[0].laws[0].means
    error = songs.x[:, :, None] - means.astype(np.float32)  # (songs, segments, states, features)
    nearest = np.take_along_axis(error, (error**2).sum(-1).argmin(-1)[:, :, None, None], axis=2)
    assert nearest.mean() == pytest.approx(0, abs=1e-3)
    assert nearest.std() == pytest.approx(0.25, abs=1e-3)


def test_no_style_is_another_style_backwards():
    # With three states there is one cycle and its reverse: a style that took the reverse would make the pair one genre.
    options = {"n_states": 3, "n_styles": 2, "loosest": 1, "n_train": 10, "n_valid": 10, "n_test": 100}
    for mechanism in ("order", "position"):
        assert ceilings(load_synthetic(**options, mechanisms=(mechanism,)))["bayes"] > 0.99


def test_a_mirrored_law_is_the_law_of_songs_turned_round():
    law = _genres(SyntheticSettings(mechanisms=("position",)))[0].laws[0]
    draws = np.random.default_rng(0)
    x, lengths = draws.standard_normal((3, 12, 25)), np.array([12, 7, 1])
    turned = x.copy()
    for song, length in enumerate(lengths):
        turned[song, :length] = x[song, :length][::-1]
    mirror = dataclasses.replace(law, mirrored=True)
    np.testing.assert_allclose(mirror.log_likelihood(x, lengths), law.log_likelihood(turned, lengths), rtol=1e-12)


def test_one_state_is_a_normal_law():
    law = SongLaw(np.ones((1, 2)), 0.5, np.array([0]), 0.3, np.ones((1, 1)), mirrored=False)
    x = np.random.default_rng(0).standard_normal((4, 3, 2))
    expected = norm.logpdf(x, 1, 0.5).sum(axis=(1, 2))
    np.testing.assert_allclose(law.log_likelihood(x, np.full(4, 3)), expected, rtol=1e-12)


def test_the_same_seed_gives_the_same_bits():
    first, again, other = (load_synthetic(**SMALL, min_segments=5, seed=seed) for seed in (4, 4, 5))
    assert first.x.tobytes() == again.x.tobytes()
    assert first.checksum() == again.checksum() != other.checksum()


def test_test_songs_do_not_depend_on_the_number_of_training_songs():
    few, many = load_synthetic(**SMALL), load_synthetic(**{**SMALL, "n_train": 90})
    np.testing.assert_array_equal(few.split("test").x, many.split("test").x)
    assert list(few.split("test").ids) == list(many.split("test").ids)
    assert not np.array_equal(few.split("test").x[:20], few.split("valid").x)


def test_genres_do_not_depend_on_the_number_of_genres():
    few, many = _genres(SyntheticSettings(n_genres=4)), _genres(SyntheticSettings(n_genres=40, n_train=40))
    for a, b in zip(few, many[:4], strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.laws[1].means, b.laws[1].means)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_size_is_balanced_whole_and_without_leaks(data):
    n_genres = data.draw(st.integers(2, 9))
    n_pools = data.draw(st.none() | st.integers((n_genres + 1) // 2, n_genres))
    n_segments = data.draw(st.integers(2, 15))
    shortest = data.draw(st.none() | st.integers(1, n_segments))
    sizes = {name: data.draw(st.integers(n_genres, 40)) for name in ("train", "valid", "test")}
    per_artist = data.draw(st.integers(1, 7))
    songs = load_synthetic(
        n_genres=n_genres,
        n_pools=n_pools,
        n_segments=n_segments,
        min_segments=shortest,
        n_features=data.draw(st.integers(1, 6)),
        n_states=data.draw(st.integers(3, 6)),
        n_styles=data.draw(st.integers(1, 4)),
        songs_per_artist=per_artist,
        seed=data.draw(st.integers(0, 2**32 - 1)),
        **{f"n_{name}": size for name, size in sizes.items()},
    )
    leaks = check_split(songs)
    assert not leaks.duplicates
    assert (songs.name, songs.provenance) == ("synthetic", "artist-filtered")
    assert songs.x.shape[:2] == (sum(sizes.values()), n_segments)
    assert songs.x.dtype == np.float32
    assert len(set(songs.ids)) == songs.n_songs
    assert songs.num_classes == len(set(songs.genres)) == n_genres
    for name, size in sizes.items():
        part = songs.split(name)
        count = np.bincount(part.y, minlength=n_genres)
        assert part.n_songs == size
        assert count.max() - count.min() <= 1
        assert np.unique(part.groups, return_counts=True)[1].max() <= per_artist
    labels = {(group, label) for group, label in zip(songs.groups, songs.y, strict=True)}
    assert len(labels) == len(np.unique(songs.groups))  # no artist plays two genres
    padding = np.arange(n_segments) >= songs.lengths[:, None]
    assert np.isnan(songs.x[padding]).all()
    assert np.isfinite(songs.x[~padding]).all()
    found = ceilings(songs, split=None)
    assert 1 / n_genres - 1e-9 <= found["order_free"] <= found["bayes"] + 1e-9 <= 1 + 2e-9


def test_lengths_reach_from_the_shortest_to_the_longest():
    assert set(load_synthetic(**SMALL).lengths) == {20}
    songs = load_synthetic(**{**SMALL, "n_train": 1000}, min_segments=15)
    assert set(songs.lengths) == {15, 16, 17, 18, 19, 20}
    assert set(load_synthetic(**SMALL, min_segments=20).lengths) == {20}


def test_artists_take_the_styles_in_turn():
    settings = {
        "n_genres": 3,
        "mechanisms": ["timbre"],
        "timbre": 1e4,
        "loosest": 0.5,
        "order": 0,
        "songs_per_artist": 3,
    }
    songs = load_synthetic(**settings, n_train=54, n_valid=3, n_test=3, n_segments=4).split("train")
    second = songs.take(songs.y == 1)
    far = (
        np.linalg.norm(second.x.mean(axis=1), axis=1) > 7500
    )  # the first style's means are 10,000 away, the second's 5,000
    style = [set(far[second.groups == group]) for group in np.unique(second.groups)]
    assert len(style) == 6
    assert all(len(styles) == 1 for styles in style)
    assert far.mean() == 0.5


# What is kept with the songs.


def test_what_is_kept_is_plain_data_from_which_the_ceilings_come_back():
    songs = load_synthetic(**SMALL, min_segments=7)
    assert "say nothing about music" in songs.about["note"]
    assert songs.about["synthetic"]["n_segments"] == 20
    about = json.loads(json.dumps(dict(songs.about), allow_nan=False))
    again = dataclasses.replace(songs, about=about)
    assert ceilings(again) == ceilings(songs)
    assert ceilings(songs.split("test"), split=None) == ceilings(songs)
    assert load_synthetic(**about["synthetic"]).checksum() == songs.checksum()


def test_padding_has_no_influence_on_the_posterior():
    songs = load_synthetic(**SMALL, min_segments=7)
    filled = dataclasses.replace(songs, x=np.nan_to_num(songs.x, nan=1e3))
    np.testing.assert_array_equal(posterior(filled), posterior(songs))
    cut = songs.lengths <= 12
    short = dataclasses.replace(songs.take(cut), x=songs.x[cut, :12])
    np.testing.assert_allclose(posterior(short), posterior(songs)[cut], rtol=1e-9)


def test_it_is_found_by_name():
    assert DATASETS.get("synthetic").call is load_synthetic
    assert DATASETS.get("synthetic").licence == "MIT"
    assert load_songs("synthetic", **SMALL).checksum() == load_synthetic(**SMALL).checksum()


def test_every_field_is_described():
    assert all(field.description for field in SyntheticSettings.model_fields.values())


# What is refused.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_genres": 1}, "n_genres: .* got 1"),
        ({"n_segments": 2.5}, "n_segments: .* got 2.5"),
        ({"n_states": 2}, "n_states: .* got 2"),
        ({"noise": 0}, "noise: .* got 0"),
        ({"noise": float("nan")}, "noise: .* got nan"),
        ({"order": 1}, "order: .* got 1"),
        ({"position": -0.1}, "position: .* got -0.1"),
        ({"loosest": 1.1}, "loosest: .* got 1.1"),
        ({"mechanisms": ()}, "mechanisms: "),
        ({"mechanisms": ("rhythm",)}, "mechanisms.0: .* got 'rhythm'"),
        ({"seed": -1}, "seed: .* got -1"),
        ({"min_segments": 121}, "min_segments=121 is above n_segments=120"),
        ({"n_pools": 4}, "n_pools=4 cannot hold 10 genres, one or two each; pass 5 to 10"),
        ({"n_pools": 11}, "pass 5 to 10"),
        ({"n_valid": 9}, "9 songs of 10 genres; each split needs at least one song of each genre"),
        ({"noise": 0, "n_genres": 1}, "n_genres: "),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        load_synthetic(**options)


def test_an_unknown_option_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match="'n_genre'. Did you mean 'n_genres'"):
        load_synthetic(n_genre=4)


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        SyntheticSettings().noise = 2.0


def test_songs_of_another_origin_have_no_ceilings():
    songs = SongSet(x=np.zeros((4, 3, 2)), y=[0, 1, 0, 1], genres=("blues", "jazz"), name="mine")
    with pytest.raises(DataError, match="mine: these songs are not synthetic"):
        ceilings(songs, split=None)
    with pytest.raises(DataError, match="these songs are not synthetic"):
        posterior(songs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"about": {"synthetic": {"noise": -1}}}, "damaged settings of the generator: noise: "),
        ({"about": {"synthetic": {"tempo": 120}}}, "damaged settings of the generator: tempo: "),
        ({"x": np.zeros((90, 20, 5))}, "5 features, expected 6"),
        ({"genres": tuple("abcdefghijk")}, "11 genres, expected 10"),
        ({"genres": tuple("abcdefghij")}, "genres a, b, .*expected order-1a, order-1b, position-2a"),
        ({"lengths": np.full(90, 19)}, "songs of 19 to 19 segments, expected 20 to 20"),
    ],
)
def test_songs_that_are_no_longer_those_drawn_are_refused(changes, message):
    songs = dataclasses.replace(load_synthetic(**SMALL), **changes)
    with pytest.raises(DataError, match=message):
        ceilings(songs)


def test_a_missing_split_is_refused():
    with pytest.raises(DataError, match="no split 'holdout'"):
        ceilings(load_synthetic(**SMALL), split="holdout")


@pytest.mark.parametrize("option", [{"n_train": 99999999999}, {"n_segments": 10**9}])
def test_more_songs_than_memory_holds_are_refused_at_once(option):
    with pytest.raises(SettingsError, match="would need .* GiB of memory, but only .* GiB are free"):
        load_synthetic(**option)
