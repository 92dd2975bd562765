"""Published weights as a model of genres."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.lazy import load_keras
from genrezoo.models._inference import in_batches
from genrezoo.reading import Reading
from genrezoo.songs import SongSet
from genrezoo.weights import WEIGHTS, fetch_weights

BATCH = 16
"""Songs in a batch."""


class Published:
    """Published weights whose labels are music genres; the network is built at its first use.

    Args:
        name: A name from `genrezoo.list_weights`; the weights are fetched if they are not in the cache.

    Raises:
        UnknownNameError: There are no such weights.
        SettingsError: Their labels are not music genres.
        DataError: They cannot be fetched.
    """

    def __init__(self, name: str):
        self._entry = WEIGHTS.get(name)
        if not self._entry.genres:
            fitting = ", ".join(one.name for one in WEIGHTS.members() if one.genres)
            raise SettingsError(f"the labels of {name!r} are not music genres; use one of {fitting}")
        fetch_weights(name)
        self.where, self.reading = name, Reading.of_weights(name)

    @property
    def genres(self) -> tuple[str, ...]:
        """Names of the labels, genres first."""
        return self.reading.genres

    @functools.cached_property
    def network(self) -> Any:
        """The network with its weights."""
        load_keras()
        from genrezoo.models import create_model

        return create_model(self._entry.model, weights=self._entry.name)

    def logits(self, songs: SongSet) -> np.ndarray:
        """Computes the logits of songs.

        Args:
            songs: The songs, with the features that the network reads.

        Returns:
            ``(n_songs, n_labels)`` float32, genres first.

        Raises:
            DataError: The songs have other features, or a length that the network cannot read.
        """
        self.reading.check(songs)
        return in_batches(self.network, songs.x, BATCH)[:, self._entry.order]
