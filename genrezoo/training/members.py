"""Logits of models that were trained before, for the procedures that learn from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from genrezoo.errors import DataError, SettingsError
from genrezoo.songs import SongSet


def training_logits(logits: Mapping[str, np.ndarray] | None, name: str, songs: SongSet) -> np.ndarray:
    """A member's logits of the training songs, checked.

    Args:
        logits: Logits by member, each ``(n_songs, classes)`` in the order of the songs; songs that nobody may know have
            NaN.
        name: The member.
        songs: The songs, with a split ``train``.

    Returns:
        ``(n_train, classes)`` float32, in the order of ``songs.split("train")``.

    Raises:
        SettingsError: The member is not there.
        DataError: Its logits have another shape, or are not finite for a training song.
    """
    if logits is None or name not in logits:
        raise SettingsError(f"this procedure needs the logits of a member {name!r}; name one in the recipe's members")
    given = np.asarray(logits[name], np.float32)
    if given.shape != (songs.n_songs, songs.num_classes):
        what = f"logits have shape {given.shape}, expected {(songs.n_songs, songs.num_classes)}"
        raise DataError(what, where=f"member {name}", remedy="pass one row a song and one column a genre")
    index = songs.splits["train"]
    found: np.ndarray = given[index]
    missing = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if missing.size:
        what = f"logits of training song {str(songs.ids[index[missing[0]]])!r} are not finite"
        raise DataError(what, where=f"member {name}", remedy="pass logits of every training song")
    return found
