"""Permutation importance of feature groups, genre by genre.

A group's features are replaced by those of other songs, so that they keep their distribution but carry no information
about the song; the loss of accuracy is their importance. It needs no training. A group that another one can replace
appears unimportant here: train without it (``--set 'features=["timbre", "loudness"]'``) to measure its importance for a
model that can adapt.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from genrezoo import seeds
from genrezoo.errors import SettingsError
from genrezoo.evaluation import bootstrap_mean
from genrezoo.runs.run import Run
from genrezoo.songs import SongSet


@dataclass(frozen=True)
class Importance:
    """Importance of groups of features for the recall of each genre.

    Attributes:
        groups: Names of the groups of features.
        genres: ``"all"``, then the genres that have songs here.
        recall: Proportion of the genre's songs that the run classifies correctly, ``(len(genres),)``.
        lost: Loss of recall without the group, ``(n_groups, len(genres))``; below 0 where recall rises.
        low: Lower bound of the 95 % interval of ``lost`` over songs.
        high: Upper bound of the interval.
        songs: Songs of each genre, ``(len(genres),)``.
    """

    groups: tuple[str, ...]
    genres: tuple[str, ...]
    recall: np.ndarray
    lost: np.ndarray
    low: np.ndarray
    high: np.ndarray
    songs: np.ndarray


def permutation_importance(run: Run, songs: SongSet, *, repeats: int = 10, seed: int) -> Importance:
    """Measures a run's loss of recall when a group of features comes from other songs.

    Args:
        run: A trained run.
        songs: Songs with ``feature_groups`` in their ``about``, labelled with the run's genres; those of one split,
            usually test.
        repeats: Permutations per group; a song's loss is the mean over them.
        seed: Seed of the permutations.

    Returns:
        The losses, with intervals over songs (bootstrap, 1,000 resamples).

    Raises:
        DataError: The songs have no feature groups, or other genres or features.
        SettingsError: ``repeats`` is below 1.

    Example:
        >>> import tempfile, genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_train=60, n_valid=20, n_test=40, n_segments=8, seed=1)
        >>> groups = {"low": [*range(12)], "high": [*range(12, 25)]}
        >>> songs = dataclasses.replace(songs, about={"feature_groups": groups})
        >>> recipe = gz.get_recipe("fully_connected").changed({"epochs": 1})
        >>> run = gz.train(recipe, songs, seed=1, out=tempfile.mkdtemp())
        >>> permutation_importance(run, songs.split("test"), repeats=2, seed=1).lost.shape
        (2, 11)

    Reference:
        L. Breiman, Random forests, Machine Learning 45 (2001), section 10; document A, further work.
    """
    if repeats < 1:
        raise SettingsError(f"repeats must be at least 1, got {repeats}")
    groups = songs.feature_groups()
    if run.card.recipe.features is not None:
        groups = {name: group for name, group in groups.items() if name in run.card.recipe.features}
    if not groups:
        remedy = "specify the groups when the songs are made: about['feature_groups'] = {name: [columns]}"
        raise songs.error("the songs have no feature groups", remedy=remedy)
    if songs.genres != run.genres:
        remedy = "use songs with the genres that the run was trained on"
        raise songs.error(f"genres are {list(songs.genres)}, not {list(run.genres)}", remedy=remedy)
    right = run.logits(songs).argmax(1) == songs.y
    present = [label for label in range(songs.num_classes) if label in songs.y]
    members = [np.full(songs.n_songs, True), *(songs.y == label for label in present)]
    found = np.zeros((3, len(groups), len(members)))
    for number, columns in enumerate(groups.values()):
        without = np.zeros(songs.n_songs)
        for repeat in range(repeats):
            donors = seeds.generator(seed, "importance", number, repeat).permutation(songs.n_songs)
            without += run.logits(_swapped(songs, columns, donors)).argmax(1) == songs.y
        lost = right - without / repeats
        start = seeds.child_seed(seed, "importance", number)
        for place, member in enumerate(members):
            found[:, number, place] = bootstrap_mean(lost[member], seed=start)
    return Importance(
        groups=tuple(groups),
        genres=("all", *(songs.genres[label] for label in present)),
        recall=np.array([right[member].mean() for member in members]),
        lost=found[0],
        low=found[1],
        high=found[2],
        songs=np.array([int(member.sum()) for member in members]),
    )


def _swapped(songs: SongSet, columns: list[int], donors: np.ndarray) -> SongSet:
    """Replaces some columns of songs by those of other songs; shorter donors are repeated."""
    x = np.array(songs.x)
    time = np.arange(songs.n_segments)
    for song, donor in enumerate(donors):
        x[song][:, columns] = songs.x[donor][time % songs.lengths[donor]][:, columns]
    return dataclasses.replace(songs, x=x)
