"""Songs as arrays: the set, its splits, the leak check, and the standardisation of its features."""

from genrezoo.songs.songset import PROVENANCES, SongSet
from genrezoo.songs.splits import (
    Leaks,
    check_genres,
    check_split,
    default_split,
    find_leaks,
    fold_splits,
    folds,
    repeated_split,
    split_by_group,
    split_by_ids,
    split_stratified,
)
from genrezoo.songs.standardise import Standardiser

__all__ = [
    "PROVENANCES",
    "Leaks",
    "SongSet",
    "Standardiser",
    "check_genres",
    "check_split",
    "default_split",
    "find_leaks",
    "folds",
    "repeated_split",
    "fold_splits",
    "split_by_group",
    "split_by_ids",
    "split_stratified",
]
