"""Splits: disjoint, covering, stratified, seeded, whole in their groups; and leaks are found."""

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from toys import make_songs

from genrezoo.errors import DataError, GenrezooWarning, SettingsError
from genrezoo.songs import (
    SongSet,
    check_genres,
    check_split,
    default_split,
    find_leaks,
    fold_splits,
    folds,
    split_by_group,
    split_by_ids,
    split_stratified,
)
from genrezoo.songs.splits import hold_out

SHARES = st.floats(0.05, 0.45)
SEEDS = st.integers(0, 2**32 - 1)


def make(y, **changes):
    """Songs that are all different."""
    y = np.asarray(y)
    genres = tuple(f"genre {label}" for label in range(y.max() + 1))
    return SongSet(**{"x": np.arange(len(y), dtype=np.float32)[:, None, None], "y": y, "genres": genres, **changes})


def is_partition(parts, n_songs):
    return np.array_equal(np.sort(np.concatenate(list(parts))), np.arange(n_songs))


# At random


@given(st.lists(st.integers(20, 60), min_size=2, max_size=5), SHARES, SHARES, SEEDS)
@settings(max_examples=50, deadline=None)
def test_a_random_split_covers_is_stratified_and_seeded(counts, valid, test, seed):
    songs = make(np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts)))
    split = split_stratified(songs, valid=valid, test=test, seed=seed)
    sides = split.splits
    assert list(sides) == ["train", "valid", "test"]
    assert is_partition(sides.values(), songs.n_songs)
    assert (len(sides["valid"]), len(sides["test"])) == (round(valid * songs.n_songs), round(test * songs.n_songs))
    assert split.provenance == "random"
    count = {name: np.bincount(songs.y[index], minlength=len(counts)) for name, index in sides.items()}
    share = len(sides["test"]) / songs.n_songs
    assert (np.abs(count["test"] - share * np.array(counts)) < 1).all()  # to the song
    left = np.array(counts) - count["test"]
    share = len(sides["valid"]) / left.sum()
    assert (np.abs(count["valid"] - share * left) < 1).all()
    again = split_stratified(songs, valid=valid, test=test, seed=seed)
    assert all(np.array_equal(sides[name], again.splits[name]) for name in sides)


def test_another_seed_is_another_draw():
    songs = make(np.arange(60) % 3)
    one, other = (split_stratified(songs, seed=seed).splits["test"] for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_sizes_are_rounded_not_drifting():
    """Taking 0.15 / 0.85 of the 85 per cent that are left must give 15 of 100, not 16."""
    split = split_stratified(make(np.arange(100) % 4), valid=0.15, test=0.15, seed=1)
    assert {name: len(index) for name, index in split.splits.items()} == {"train": 70, "valid": 15, "test": 15}


def test_a_split_replaces_the_one_before():
    songs = split_stratified(make(np.arange(60) % 3), seed=1)
    assert split_stratified(songs, seed=2).checksum() == split_stratified(make(np.arange(60) % 3), seed=2).checksum()


@pytest.mark.parametrize("fractions", [(0, 0.1), (0.1, 0), (0.5, 0.5), (-0.1, 0.2), (1.1, 0.1), (float("nan"), 0.1)])
@pytest.mark.parametrize("split", [split_stratified, split_by_group])
def test_fractions_out_of_range(split, fractions):
    songs = make(np.arange(60) % 3, groups=np.arange(60))
    with pytest.raises(SettingsError, match="fractions must be in"):
        split(songs, valid=fractions[0], test=fractions[1], seed=0)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((50, 1), "least populated class|class"),
        ((50, 3), r"genre 'genre 1' \(songs: 3\) would have no song in"),
        ((3, 3), "'test' would have 1 of 6 songs, fewer than the 2 genres.*larger fractions"),
    ],
)
def test_a_genre_too_small_for_three_sides(counts, message):
    with pytest.raises(DataError, match=message):
        split_stratified(make(np.repeat([0, 1], counts)), seed=0)


# By group


@given(st.integers(2, 4), st.integers(12, 25), st.integers(1, 4), st.sampled_from([0.1, 0.15, 0.2, 0.3]), SEEDS)
@settings(max_examples=8, deadline=None)
def test_groups_are_never_torn(n_genres, n_groups, largest, share, seed):
    generator = np.random.default_rng(seed)
    size = generator.integers(1, largest + 1, n_genres * n_groups)
    group = np.repeat(np.arange(n_genres * n_groups), size)
    songs = make(group % n_genres, groups=group)
    split = split_by_group(songs, valid=share, test=share, seed=seed)
    assert is_partition(split.splits.values(), songs.n_songs)
    sides = [set(songs.groups[index]) for index in split.splits.values()]
    assert sum(map(len, sides)) == len(set().union(*sides))
    assert all(set(songs.y[index]) == set(range(n_genres)) for index in split.splits.values())
    assert split.provenance == "artist-filtered"
    again = split_by_group(songs, valid=share, test=share, seed=seed)
    assert split.checksum() == again.checksum()


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.25, 0.4, 0.9, 0.94])
def test_fractions_are_met_where_groups_are_many_and_equal(fraction):
    group = np.arange(240) // 2
    split = split_by_group(make(group % 2, groups=group), valid=0.05, test=fraction, seed=1)
    assert len(split.splits["test"]) == pytest.approx(240 * fraction, abs=8)
    assert len(split.splits["valid"]) == pytest.approx(12, abs=8)


@pytest.mark.parametrize("seed", range(6))
def test_a_genre_with_few_small_artists_is_still_on_every_side(seed):
    """The folds fill up with the large artists of the other genre; the first of them may hold none of this one."""
    sizes = np.r_[np.random.default_rng(seed).integers(1, 20, 40), 1, 2, 1, 3]
    group = np.repeat(np.arange(44), sizes)
    split = split_by_group(make((group >= 40).astype(int), groups=group), seed=seed)
    assert all(set(split.y[index]) == {0, 1} for index in split.splits.values())


def test_group_split_needs_groups():
    with pytest.raises(DataError, match=r"no groups.*split_stratified"):
        split_by_group(make(np.arange(60) % 3), seed=0)


@pytest.mark.parametrize("group", [np.zeros(60), np.arange(60) % 3])
def test_too_few_groups(group):
    songs = make(np.arange(60) % 3, groups=group.astype(int))
    with pytest.raises(DataError, match="Remedy: pass more"):
        split_by_group(songs, seed=0)


def test_a_random_split_that_tears_groups_is_refused():
    with pytest.raises(DataError, match=r"groups are in two splits.*--by group"):
        split_stratified(make(np.arange(60) % 3, groups=np.arange(60) // 10), seed=0)


# By lists of ids


def test_lists_of_ids_are_followed_to_the_letter():
    songs = make(np.arange(6) % 2, ids=list("abcdef"))
    split = split_by_ids(songs, {"train": ["f", "a"], "valid": ["b"], "test": iter(["d"])}, provenance="fault-filtered")
    assert {name: split.split(name).ids.tolist() for name in split.splits} == {
        "train": ["f", "a"],
        "valid": ["b"],
        "test": ["d"],
    }
    assert split.provenance == "fault-filtered"
    assert split.describe()["in_no_split"] == 2


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"train": ["a", "x", "y"], "valid": ["b"], "test": ["c"]}, "'train' names 2 unknown songs, the first is 'x'"),
        (
            {"train": ["a", "b"], "valid": ["b"], "test": ["c"]},
            "1 songs are in two splits, the first is 'b'",
        ),
        ({"train": ["a", "a"], "valid": ["b"], "test": ["c"]}, "'a'"),
        ({"train": ["a"], "validation": ["b"], "test": ["c"]}, "split 'valid' is missing or empty"),
        ({"train": ["a"], "valid": ["b"], "test": []}, "split 'test' is missing or empty"),
    ],
)
def test_lists_that_cannot_be_followed(lists, message):
    with pytest.raises(DataError, match=message):
        split_by_ids(make(np.arange(6) % 2, ids=list("abcdef")), lists, provenance="official")


# Folds


@given(st.lists(st.integers(6, 20), min_size=2, max_size=4), st.integers(2, 6), SEEDS)
@settings(max_examples=50, deadline=None)
def test_folds_partition_the_songs_and_keep_the_fractions(counts, n_folds, seed):
    songs = make(np.repeat(np.arange(len(counts)), counts))
    held = folds(songs, n_folds, seed=seed)
    assert len(held) == n_folds
    assert is_partition(held, songs.n_songs)
    assert all((np.diff(part) > 0).all() for part in held)
    for part in held:
        assert (np.abs(np.bincount(songs.y[part], minlength=len(counts)) - np.array(counts) / n_folds) < 1).all()
    assert all(np.array_equal(one, other) for one, other in zip(held, folds(songs, n_folds, seed=seed), strict=True))


@given(st.integers(2, 5), SEEDS)
@settings(max_examples=20, deadline=None)
def test_folds_hold_whole_groups(n_folds, seed):
    group = np.random.default_rng(seed).integers(0, 15, 60)
    songs = make(group % 3, groups=group)
    assume(np.bincount(songs.y, minlength=3).min() >= n_folds)
    held = folds(songs, n_folds, seed=seed)
    assert is_partition(held, 60)
    for group in np.unique(songs.groups):
        assert sum(group in songs.groups[part] for part in held) == 1


def test_folds_that_cannot_be():
    with pytest.raises(SettingsError, match="at least 2, got 1"):
        folds(make(np.arange(60) % 3), 1, seed=0)
    with pytest.raises(DataError, match="genre 'genre 1' has 1 songs, too few for folds"):
        folds(make(np.repeat([0, 1], [20, 1])), 4, seed=0)
    with pytest.raises(DataError, match=r"4 folds, but genre 'genre 0', the largest, has only 3 songs.*fewer folds"):
        folds(make(np.repeat([0, 1], [3, 3])), 4, seed=0)
    with pytest.raises(DataError, match="fewer folds"):
        folds(make(np.arange(60) % 3, groups=np.arange(60) % 3), 4, seed=0)
    absent = dataclasses.replace(make(np.arange(60) % 3), genres=("a", "b", "c", "d"))
    with pytest.raises(DataError, match="genre 'd' has 0 songs"):
        folds(absent, 4, seed=0)


def test_a_genre_with_fewer_songs_than_folds_is_held_out_once_and_always_trained_on():
    songs = make(np.repeat([0, 1], [20, 3])).with_split({"train": np.arange(23), "valid": []}, "random")
    parts = fold_splits(songs, 5, seed=0)
    assert sorted(np.bincount(songs.y[part["valid"]], minlength=2)[1] for part in parts) == [0, 0, 1, 1, 1]
    assert all(1 in songs.y[part["train"]] for part in parts)


def test_a_fold_with_all_songs_of_a_genre_is_refused_before_any_is_trained():
    group = np.r_[np.arange(40), np.full(6, 40)]
    songs = make(np.repeat([0, 1], [40, 6]), groups=group)
    songs = songs.with_split({"train": np.arange(46), "valid": []}, "official")
    with pytest.raises(DataError, match=r"fold \d of 3 would hold all songs of genre 'genre 1'.*fewer folds"):
        fold_splits(songs, 3, seed=1)


# Leaks


def leaky(**changes):
    """Four songs a side, nothing wrong with them."""
    songs = make(np.arange(12) % 2, groups=np.arange(12), ids=[f"song {number}" for number in range(12)])
    splits = {"train": np.arange(4), "valid": np.arange(4, 8), "test": np.arange(8, 12)}
    return dataclasses.replace(songs, **{"splits": splits, "provenance": "official", **changes})


def test_a_clean_split_has_no_leaks():
    leaks = find_leaks(leaky())
    assert (leaks.songs, leaks.groups, leaks.duplicates) == ((), (), ())
    assert check_split(leaky()) == leaks
    assert find_leaks(leaky(splits={}, provenance=None)) == leaks


def test_a_song_on_two_sides_is_found_and_refused():
    songs = leaky(splits={"train": [0, 1, 5], "valid": [4, 5], "test": [8]})
    assert find_leaks(songs).songs == ("song 5",)
    with pytest.raises(DataError, match="1 songs are in two splits, the first is 'song 5'"):
        check_split(songs)


def test_a_group_on_two_sides_is_found_and_refused():
    songs = leaky(groups=["a", "b", "b", "c", "d", "d", "e", "f", "g", "b", "h", "i"])
    assert find_leaks(songs).groups == ("b",)
    with pytest.raises(DataError, match=r"1 groups are in two splits, the first is 'b'.*--by group"):
        check_split(songs)


def test_exact_duplicates_are_found_up_to_their_length_and_told():
    x = np.arange(36, dtype=np.float32).reshape(12, 3, 1)
    lengths = np.full(12, 3)
    x[9], x[3] = x[2], x[1]  # test = train; and twice in train, which is no leak
    x[4, :2], lengths[4] = x[8, :2], 2  # valid is a beginning of test: not the same song
    x[10, :2], lengths[10], x[10, 2] = x[4, :2], 2, 99  # test = valid, padding aside
    leaks = check_split(leaky(x=x, lengths=lengths))
    assert leaks.duplicates == (("song 2", "song 9"), ("song 4", "song 10"))


@pytest.mark.parametrize("missing", ["train", "valid", "test"])
def test_a_side_that_is_missing_or_empty_is_refused(missing):
    splits = dict(leaky().splits)
    splits[missing] = []
    with pytest.raises(DataError, match=f"split '{missing}' is missing or empty"):
        check_split(leaky(splits=splits))
    del splits[missing]
    with pytest.raises(DataError, match=f"split '{missing}' is missing or empty"):
        check_split(leaky(splits=splits))


def test_without_test_songs_a_split_has_two_sides():
    splits = {name: index for name, index in leaky().splits.items() if name != "test"}
    check_split(leaky(splits=splits), tested=False)
    with pytest.raises(DataError, match="split 'test' is missing"):
        check_split(leaky(splits=splits))


@given(st.lists(st.integers(2, 9), min_size=2, max_size=4), st.floats(0.01, 0.99), SEEDS)
def test_songs_held_out_are_a_fraction_of_each_genre(sizes, fraction, seed):
    songs = make(np.repeat(np.arange(len(sizes)), sizes))
    splits = hold_out(songs, fraction, seed=seed).splits
    assert is_partition(splits.values(), songs.n_songs)
    held = np.bincount(songs.y[splits["valid"]], minlength=len(sizes))
    assert held.tolist() == [min(max(1, round(fraction * size)), size - 1) for size in sizes]


def test_songs_held_out_are_whole_groups():
    songs = make(np.arange(60) % 2, groups=np.arange(60) // 6)
    held = hold_out(songs, 0.2, seed=3)
    assert held.provenance == "artist-filtered"
    assert find_leaks(held).groups == ()
    assert len(held.splits["valid"]) == 12
    with pytest.raises(SettingsError, match="fraction of validation songs"):
        hold_out(songs, 1.0, seed=3)


def test_the_default_split_keeps_a_given_one_and_never_tears_groups():
    songs = make_songs(100)
    assert default_split(songs) is songs
    plain = songs.with_split({}, None)
    assert default_split(plain).provenance == "random"
    assert [len(index) for index in default_split(plain).splits.values()] == [70, 15, 15]
    np.testing.assert_array_equal(default_split(plain).splits["test"], default_split(plain).splits["test"])
    grouped = dataclasses.replace(plain, groups=np.arange(100) // 4)
    assert default_split(grouped).provenance == "artist-filtered"


@pytest.mark.parametrize(
    ("given", "sizes", "provenance"),
    [
        (("train", "test"), {"train": 63, "valid": 12, "test": 15}, "official"),  # 6 of each genre
        (("train", "valid"), {"train": 64, "valid": 15, "test": 11}, "random"),
        (("train",), {"train": 53, "valid": 11, "test": 11}, "random"),
        (("test",), {"test": 15}, "official"),
    ],
)
def test_the_default_split_draws_the_sides_that_are_missing_from_the_training_songs(given, sizes, provenance):
    sides = {"train": np.arange(25, 100), "valid": np.arange(15), "test": np.arange(15)}
    songs = make(np.arange(100) % 2).with_split({name: sides[name] for name in given}, "official")
    split = default_split(songs)
    assert {name: len(index) for name, index in split.splits.items()} == sizes
    assert split.provenance == provenance
    for name in set(given) - {"train"}:
        np.testing.assert_array_equal(split.splits[name], sides[name])
    drawn = [index for name, index in split.splits.items() if name == "train" or name not in given]
    assert sorted(np.concatenate([*drawn, []])) == (list(range(25, 100)) if "train" in given else [])


def test_validation_songs_are_drawn_by_group_where_no_test_songs_are_needed():
    songs = make(np.arange(100) % 2, groups=np.arange(100) // 4).with_split({"train": np.arange(100)}, "official")
    split = default_split(songs, tested=False)
    assert set(split.splits) == {"train", "valid"}
    assert find_leaks(split).groups == ()


def one_sided(lacking):
    songs = make_songs()
    splits = {name: index[songs.y[index] != 2] if name in lacking else index for name, index in songs.splits.items()}
    return songs.with_split(splits, "official")


def test_a_genre_without_training_songs_is_refused():
    with pytest.raises(DataError, match="split 'train' has no song of 'genre2', so it cannot be learnt"):
        check_genres(one_sided(["train"]))


@pytest.mark.parametrize("name", ["valid", "test"])
def test_a_genre_that_nothing_is_measured_on_is_warned_of(name):
    with pytest.warns(GenrezooWarning, match=f"toy: split '{name}' has no song of 'genre2'"):
        check_genres(one_sided([name]))
