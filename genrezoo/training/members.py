"""Logits of previously trained models, for the procedures that learn from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from genrezoo.errors import DataError, SettingsError
from genrezoo.songs import SongSet


def training_logits(logits: Mapping[str, np.ndarray] | None, name: str, songs: SongSet) -> np.ndarray:
    """Checks and returns a member's logits for the training songs.

    Args:
        logits: Logits by member, each ``(n_songs, classes)`` in the order of the songs; songs without a prediction have
            NaN.
        name: Name of the member.
        songs: The songs, with a split ``train``.

    Returns:
        ``(n_train, classes)`` float32, in the order of ``songs.split("train")``.

    Raises:
        SettingsError: The member is missing.
        DataError: Its logits have another shape, or are not finite for a training song.
    """
    if logits is None or name not in logits:
        raise SettingsError(f"this procedure needs the logits of a member {name!r}; add it to the recipe's members")
    given = np.asarray(logits[name], np.float32)
    if given.shape != (songs.n_songs, songs.num_classes):
        what = f"logits have shape {given.shape}, expected {(songs.n_songs, songs.num_classes)}"
        raise DataError(what, where=f"member {name}", remedy="pass one row per song and one column per genre")
    index = songs.splits["train"]
    found: np.ndarray = given[index]
    missing = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if missing.size:
        what = f"logits of training song {str(songs.ids[index[missing[0]]])!r} are not finite"
        raise DataError(what, where=f"member {name}", remedy="pass finite logits for every training song")
    return found
