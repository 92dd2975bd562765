"""Splits (stratified, by group, by lists of ids, in folds) and the check for leaks."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import numpy as np

from genrezoo.errors import GenrezooWarning, SettingsError, check_type
from genrezoo.lazy import LazyModule
from genrezoo.seeds import child_seed, generator
from genrezoo.songs.songset import SongSet

model_selection = LazyModule("sklearn.model_selection")


def split_stratified(songs: SongSet, *, valid: float = 0.15, test: float = 0.15, seed: int) -> SongSet:
    """Splits songs at random and keeps the proportion of each genre.

    Choose `split_by_group` where songs share artists or clips: a random split lets a model recognise the artist instead
    of the genre.

    Args:
        songs: Songs; an existing split is replaced.
        valid: Fraction of validation songs, in (0, 1), rounded to whole songs.
        test: Fraction of test songs, in (0, 1), rounded to whole songs; ``valid + test`` below 1.
        seed: Seed of the draw.

    Returns:
        The songs with splits ``train``, ``valid`` and ``test`` and provenance ``random``.

    Raises:
        SettingsError: A fraction is out of range.
        DataError: A genre has too few songs to be in all three, or the songs have groups, which a random split would
            divide.

    Example:
        >>> import numpy as np
        >>> songs = SongSet(x=np.zeros((40, 1, 2)), y=np.arange(40) % 2, genres=("blues", "jazz"))
        >>> {name: len(index) for name, index in split_stratified(songs, valid=0.2, test=0.2, seed=1).splits.items()}
        {'train': 24, 'valid': 8, 'test': 8}
    """
    _check_fractions(valid, test)

    def deal(index: np.ndarray, fraction: float, name: str) -> tuple[np.ndarray, np.ndarray]:
        number = max(1, round(fraction * songs.n_songs))  # of all songs: 0.15 of the rest would round 15 of 100 to 16
        if number < songs.num_classes:
            what = f"{name!r} would have {number} of {songs.n_songs} songs, fewer than the {songs.num_classes} genres"
            raise songs.error(what, remedy="pass more songs or larger fractions, or remove small genres")
        draw = child_seed(seed, "split", name)
        try:
            kept, taken = model_selection.train_test_split(
                index, test_size=number, stratify=songs.y[index], random_state=draw
            )
        except ValueError as error:
            raise songs.error(str(error), remedy="pass more songs of each genre or larger fractions") from error
        return kept, taken

    rest, tested = deal(np.arange(songs.n_songs), test, "test")
    trained, validated = deal(rest, valid, "valid")
    return _complete(songs.with_split(_sorted(trained, validated, tested), "random"))


def split_by_group(songs: SongSet, *, valid: float = 0.15, test: float = 0.15, seed: int) -> SongSet:
    """Splits songs by whole groups (artists, clips), with the proportions of the genres kept as far as possible.

    The songs are divided into stratified folds of whole groups, and the number of folds nearest to the fraction is
    taken (one of seven for 0.15, two of five for 0.4), so the sizes depend on the groups and are not exact.

    Args:
        songs: Songs with ``groups``; an existing split is replaced.
        valid: Requested fraction of validation songs, in (0, 1).
        test: Requested fraction of test songs, in (0, 1).
        seed: Seed of the draw.

    Returns:
        The songs with splits ``train``, ``valid`` and ``test`` and provenance ``artist-filtered``.

    Raises:
        SettingsError: A fraction is out of range.
        DataError: There are no groups, or too few for each genre to be in all three.

    Example:
        >>> import numpy as np
        >>> artist = np.arange(40) // 2
        >>> songs = SongSet(x=np.zeros((40, 1, 2)), y=artist % 2, genres=("blues", "jazz"), groups=artist)
        >>> find_leaks(split_by_group(songs, valid=0.2, test=0.2, seed=1)).groups
        ()
    """
    _check_fractions(valid, test)
    if songs.groups is None:
        raise songs.error("the songs have no groups", remedy="use split_stratified, or pass `groups`")

    rest, tested = _deal_groups(songs, np.arange(songs.n_songs), test, child_seed(seed, "split", "test"))
    trained, validated = _deal_groups(songs, rest, valid / (1 - test), child_seed(seed, "split", "valid"))
    return _complete(songs.with_split(_sorted(trained, validated, tested), "artist-filtered"))


def hold_out(songs: SongSet, valid: float = 0.15, *, seed: int) -> SongSet:
    """Splits songs into ``train`` and ``valid`` only, for models that are tested elsewhere.

    The fraction is taken from each genre, at least one song; songs with groups are split as by `split_by_group`.

    Args:
        songs: Songs, two or more of each genre; an existing split is replaced.
        valid: Fraction of validation songs, in (0, 1).
        seed: Seed of the draw.

    Returns:
        The songs with that split; its provenance is ``artist-filtered`` if the songs have groups, else ``random``.

    Raises:
        SettingsError: The fraction is out of range.
        DataError: There are too few groups.

    Example:
        >>> import numpy as np
        >>> songs = SongSet(x=np.zeros((8, 1, 2)), y=[0, 0, 0, 0, 0, 0, 1, 1], genres=("blues", "jazz"))
        >>> songs.y[hold_out(songs, 0.3, seed=1).splits["valid"]]
        array([0, 0, 1])
    """
    if not 0 < valid < 1:
        raise SettingsError(f"the fraction of validation songs must be in (0, 1), got {valid}")
    if songs.groups is not None:
        kept, taken = _deal_groups(songs, np.arange(songs.n_songs), valid, child_seed(seed, "split", "valid"))
    else:
        draw, parts = generator(seed, "split", "valid"), []
        for label in range(songs.num_classes):
            index = draw.permutation(np.flatnonzero(songs.y == label))
            parts.append(index[: min(max(1, round(valid * len(index))), len(index) - 1)])
        taken = np.concatenate(parts)
        kept = np.setdiff1d(np.arange(songs.n_songs), taken)
    provenance = "random" if songs.groups is None else "artist-filtered"
    return songs.with_split({"train": kept, "valid": np.sort(taken)}, provenance)


def default_split(songs: SongSet, *, tested: bool = True) -> SongSet:
    """The songs with the split that they have or, where they have none, the same 70/15/15 one each time.

    It is by group where the songs have groups, stratified at random otherwise. Where a published split lacks validation
    songs, or test songs with labels, 15 % of its training songs stand in for each; its other songs stay where they are,
    so that accuracies on them can be held against published ones. If its test songs are drawn in this way, the split is
    no longer called official.

    Args:
        songs: The songs.
        tested: Whether there must be test songs; without them, songs that have no split get that of `hold_out`.
    """
    if not songs.splits and not tested:
        return hold_out(songs, seed=0)
    if not songs.splits:
        return (split_stratified if songs.groups is None else split_by_group)(songs, seed=0)
    missing = [name for name in ("valid", "test") if name not in songs.splits and (tested or name == "valid")]
    if not missing or "train" not in songs.splits:
        return songs
    train = songs.splits["train"]
    dealt = default_split(songs.take(train), tested="test" in missing)
    drawn = {name: train[dealt.splits[name]] for name in missing}
    left = np.setdiff1d(train, np.concatenate([*drawn.values()]))
    known = {**songs.splits, **drawn, "train": left}
    splits: dict[str, np.ndarray] = {name: known[name] for name in ("train", "valid", "test") if name in known}
    provenance = songs.provenance if "test" not in missing else dealt.provenance if "valid" in missing else "random"
    return songs.with_split(splits, str(provenance))


def repeated_split(songs: SongSet, repeat: int) -> SongSet:
    """Draws a new split of the same songs, by group if they have groups and stratified otherwise.

    All songs of the set's split, including test songs, are pooled and split again with the same sizes. Songs outside
    the original split stay outside.

    Args:
        songs: Songs; without a complete split they are split 70/15/15.
        repeat: Number of the split, the seed of its draw.

    Returns:
        The pooled songs with a split.

    Raises:
        DataError: As `split_by_group` and `split_stratified`.

    Example:
        >>> import numpy as np
        >>> songs = SongSet(x=np.zeros((40, 1, 2)), y=np.arange(40) % 2, genres=("blues", "jazz"))
        >>> one, other = (repeated_split(songs, number) for number in (1, 2))
        >>> [len(index) for index in one.splits.values()], np.array_equal(one.splits["test"], other.splits["test"])
        ([28, 6, 6], False)
    """
    sides = {name: songs.splits[name] for name in ("train", "valid", "test") if name in songs.splits}
    pool = songs.take(np.unique(np.concatenate([*sides.values()]))) if sides else songs
    fractions = {"valid": 0.15, "test": 0.15}
    if len(sides) == 3:
        fractions = {name: len(sides[name]) / pool.n_songs for name in fractions}
    return (split_stratified if pool.groups is None else split_by_group)(pool, **fractions, seed=repeat)


def split_by_ids(songs: SongSet, lists: Mapping[str, Iterable[str]], *, provenance: str) -> SongSet:
    """Splits songs by lists of ids; songs in no list are left out of the split.

    Args:
        songs: Songs; an existing split is replaced.
        lists: Ids of the songs of each split.
        provenance: Provenance of the lists, one of `PROVENANCES`.

    Returns:
        The songs with these splits; check `SongSet.describe` for how many are in none.

    Raises:
        DataError: An id is unknown, a song or group is in two lists, or the list train, valid or test is missing.

    Example:
        >>> import numpy as np
        >>> songs = SongSet(x=np.zeros((4, 1, 2)), y=[0, 1, 0, 1], genres=("blues", "jazz"), ids=["a", "b", "c", "d"])
        >>> lists = {"train": ["d", "a"], "valid": ["b"], "test": ["c"]}
        >>> split_by_ids(songs, lists, provenance="official").splits["train"]
        array([3, 0])
    """
    check_type("lists", lists, Mapping, "a table of lists of ids")
    place = {str(name): position for position, name in enumerate(songs.ids)}
    splits = {}
    for split, names in lists.items():
        names = [str(name) for name in names]
        unknown = [name for name in names if name not in place]
        if unknown:
            raise songs.error(
                f"split {split!r} names {len(unknown)} unknown songs, the first is {unknown[0]!r}",
                where="ids",
                remedy=f"use ids as in {str(songs.ids[0])!r}",
            )
        splits[split] = np.array([place[name] for name in names], np.int64)
    return _checked(songs.with_split(splits, provenance))


def folds(songs: SongSet, n_folds: int, *, seed: int) -> list[np.ndarray]:
    """Divides all songs into stratified folds, of whole groups if the songs have groups.

    A genre with fewer songs than folds is missing in some of them.

    Args:
        songs: Songs, at least two of each genre.
        n_folds: Number of folds, at least 2.
        seed: Seed of the shuffle.

    Returns:
        The sorted indices of each fold's held-out songs; every song is in exactly one.

    Raises:
        SettingsError: There are fewer than 2 folds.
        DataError: A genre has one song, or all genres have fewer songs (or the set fewer groups) than folds.

    Example:
        >>> import numpy as np
        >>> songs = SongSet(x=np.zeros((6, 1, 2)), y=[0, 1, 0, 1, 0, 1], genres=("blues", "jazz"))
        >>> [sorted(songs.y[held].tolist()) for held in folds(songs, 3, seed=1)]
        [[0, 1], [0, 1], [0, 1]]
    """
    check_type("n_folds", n_folds, (int, np.integer), "a whole number")
    if n_folds < 2:
        raise SettingsError(f"n_folds must be at least 2, got {n_folds}")
    count = np.bincount(songs.y, minlength=songs.num_classes)
    if count.min() < 2:
        what = f"genre {songs.genres[count.argmin()]!r} has {count.min()} songs, too few for folds: one is held out"
        raise songs.error(what, remedy="pass more songs of the genre, or remove it")
    if count.max() < n_folds:
        what = f"{n_folds} folds, but genre {songs.genres[count.argmax()]!r}, the largest, has only {count.max()} songs"
        raise songs.error(what, remedy="use fewer folds")
    kind = model_selection.StratifiedKFold if songs.groups is None else model_selection.StratifiedGroupKFold
    dealer = kind(n_folds, shuffle=True, random_state=child_seed(seed, "folds"))
    return _held_out(dealer, np.arange(songs.n_songs), songs, remedy="use fewer folds")


def fold_splits(
    songs: SongSet, n_folds: int, *, seed: int, splits: Sequence[str] = ("train", "valid")
) -> list[dict[str, np.ndarray]]:
    """Returns the splits of a cross-validation: each fold validates on its songs and trains on the others.

    Args:
        songs: Songs with a split.
        n_folds: Number of folds, at least 2.
        seed: Seed of the folds.
        splits: Splits whose songs are divided into `folds`.

    Returns:
        For each fold the splits with new ``train`` and ``valid``; other splits, such as ``test``, are unchanged.

    Raises:
        SettingsError: As `folds`.
        DataError: As `folds`, or a fold holds all songs of a genre, because they are in one or few groups.

    Example:
        >>> import numpy as np
        >>> splits = {"train": [0, 1, 2, 3], "valid": [4, 5], "test": [6, 7]}
        >>> songs = SongSet(x=np.zeros((8, 1, 2)), y=[0, 1] * 4, genres=("blues", "jazz"))
        >>> first = fold_splits(songs.with_split(splits, "random"), 3, seed=1)[0]
        >>> {name: len(index) for name, index in first.items()}
        {'train': 4, 'valid': 2, 'test': 2}
    """
    pool = np.sort(np.concatenate([songs.splits[split] for split in splits]))
    held = [pool[part] for part in folds(songs.take(pool), n_folds, seed=seed)]
    for number, part in enumerate(held, start=1):  # said before the first fold is trained, not by the last one
        left = np.bincount(songs.y[np.setdiff1d(pool, part)], minlength=songs.num_classes)
        if left.min() == 0:
            what = f"fold {number} of {n_folds} would hold all songs of genre {songs.genres[left.argmin()]!r}"
            raise songs.error(what, remedy="use fewer folds, or remove the genre")
    return [{**songs.splits, "train": np.setdiff1d(pool, part), "valid": part} for part in held]


@dataclass(frozen=True)
class Leaks:
    """Overlap between splits.

    Attributes:
        songs: Ids of songs that are in two splits, or twice in one.
        groups: Groups that are in two splits.
        duplicates: Pairs of ids in different splits whose features are bit-identical.
    """

    songs: tuple[str, ...]
    groups: tuple[str, ...]
    duplicates: tuple[tuple[str, str], ...]


def find_leaks(songs: SongSet) -> Leaks:
    """Finds songs, groups and exact duplicates in two splits; the result is cached."""
    if "leaks" in songs._known:
        return cast(Leaks, songs._known["leaks"])
    sides = list(songs.splits.values())
    index = np.concatenate(sides) if sides else np.array([], np.int64)
    side = np.repeat(np.arange(len(sides)), [len(part) for part in sides])
    position, times = np.unique(index, return_counts=True)
    twice = tuple(str(songs.ids[song]) for song in position[times > 1])
    sides_of: dict[str, set[int]] = {}
    for group, where in [] if songs.groups is None else zip(songs.groups[index], side, strict=True):
        sides_of.setdefault(str(group), set()).add(int(where))
    torn = tuple(sorted(group for group, found in sides_of.items() if len(found) > 1))
    seen: dict[bytes, tuple[int, int]] = {}
    pairs = []
    for song, where in zip(index, side, strict=True):
        real = np.ascontiguousarray(songs.x[song, : songs.lengths[song]])
        digest = hashlib.blake2b(real.tobytes(), digest_size=16).digest()
        other, place = seen.setdefault(digest, (int(song), int(where)))
        if place != where and other != song:
            pairs.append((str(songs.ids[other]), str(songs.ids[song])))
    leaks = songs._known["leaks"] = Leaks(songs=twice, groups=torn, duplicates=tuple(pairs))
    return leaks


def check_split(songs: SongSet, *, tested: bool = True) -> Leaks:
    """Rejects a split that leaks; exact duplicates across splits are returned for the report and not rejected.

    Args:
        songs: The songs.
        tested: Whether there must be test songs.

    Raises:
        DataError: A song or a group is in two splits, or train, valid or test is missing or empty.
    """
    for name in ("train", "valid", "test")[: 3 if tested else 2]:
        if not len(songs.splits.get(name, ())):
            raise songs.error(f"split {name!r} is missing or empty", remedy="make a split with `genrezoo data split`")
    leaks = find_leaks(songs)
    if leaks.songs:
        raise songs.error(
            f"{len(leaks.songs)} songs are in two splits, the first is {leaks.songs[0]!r}",
            remedy="put each song into one split",
        )
    if leaks.groups:
        raise songs.error(
            f"{len(leaks.groups)} groups are in two splits, the first is {leaks.groups[0]!r}",
            remedy="split by group: `genrezoo data split --by group`",
        )
    return leaks


def check_genres(songs: SongSet) -> None:
    """Warns about genres without validation or test songs, which are trained on but not measured.

    Raises:
        DataError: A genre has no training song.
    """
    for name in (side for side in ("train", "valid", "test") if side in songs.splits):
        count = np.bincount(songs.y[songs.splits[name]], minlength=songs.num_classes)
        if missing := [songs.genres[label] for label in np.flatnonzero(count == 0)]:
            what = f"split {name!r} has no song of {', '.join(map(repr, missing[:5]))}"
            if name == "train":
                raise songs.error(f"{what}, so it cannot be learnt", remedy="make another split, or remove the genre")
            warnings.warn(f"{songs.name}: {what}", GenrezooWarning, stacklevel=2)


def _deal_groups(songs: SongSet, index: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Divides some of the songs into two splits of whole groups; about the fraction goes to the second."""
    part = Fraction(fraction).limit_denominator(max(10, round(1 / fraction), round(1 / (1 - fraction))))
    n_folds, n_taken = part.denominator, part.numerator
    dealer = model_selection.StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    held = _held_out(dealer, index, songs, remedy="pass more groups or larger fractions")
    for first in range(n_folds):  # a genre with few groups is not in every fold
        taken = np.concatenate([held[(first + fold) % n_folds] for fold in range(n_taken)])
        kept = np.setdiff1d(index, taken)
        if len(np.unique(songs.y[taken])) == len(np.unique(songs.y[kept])) == songs.num_classes:
            break
    return kept, taken


def _held_out(dealer: Any, index: np.ndarray, songs: SongSet, *, remedy: str) -> list[np.ndarray]:
    """Returns the held-out songs of each fold, none of which may be empty."""
    groups = None if songs.groups is None else songs.groups[index]
    try:
        with warnings.catch_warnings():  # a genre with fewer songs than folds: the callers look at what comes out
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            held = [np.sort(index[taken]) for _, taken in dealer.split(index, songs.y[index], groups)]
    except ValueError as error:
        raise songs.error(str(error), remedy=remedy) from error
    if not all(map(len, held)):
        raise songs.error(f"{len(held)} folds of whole groups would leave at least one empty", remedy=remedy)
    return held


def _complete(songs: SongSet) -> SongSet:
    """Checks that each genre is in every split and returns the songs."""
    pool = np.concatenate([*songs.splits.values()])
    for split, index in songs.splits.items():
        count = np.bincount(songs.y[index], minlength=songs.num_classes)
        if rare := [_size_of(songs, pool, label) for label in np.flatnonzero(count == 0).tolist()]:
            what = f"{'genre' if len(rare) == 1 else 'genres'} {', '.join(rare[:5])}{', …' if len(rare) > 5 else ''}"
            raise songs.error(
                f"{what} would have no song in {split!r}",
                remedy="pass more songs (or groups) of the genre or larger fractions, or remove the genre",
            )
    return _checked(songs)


def _size_of(songs: SongSet, index: np.ndarray, label: int) -> str:
    """Returns a genre's name with the number of its songs, and of their groups if there are any."""
    own = index[songs.y[index] == label]
    groups = "" if songs.groups is None else f" in {len(np.unique(songs.groups[own]))} groups"
    return f"{songs.genres[label]!r} (songs: {len(own)}{groups})"


def _checked(songs: SongSet) -> SongSet:
    check_split(songs)
    return songs


def _sorted(train: np.ndarray, valid: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    return {"train": np.sort(train), "valid": np.sort(valid), "test": np.sort(test)}


def _check_fractions(valid: float, test: float) -> None:
    if not (0 < valid < 1 and 0 < test < 1 and valid + test < 1):
        raise SettingsError(f"fractions must be in (0, 1) and leave songs to train on, got valid={valid}, test={test}")
