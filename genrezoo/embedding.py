"""What trained networks make of a recording, as features (``embedding``): any model of the zoo can learn from them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from genrezoo.audio.settings import Counted, Features, FeatureSettings
from genrezoo.audio.tagger_mel import HOP, N_FFT, N_MELS, TaggerMel
from genrezoo.errors import SettingsError
from genrezoo.files import sha256_of
from genrezoo.models import create_model, embedding_of
from genrezoo.weights import WEIGHTS, fetch_weights

PATCH = 187  # frames that the taggers were trained on, 2.992 s
BATCH = 8  # patches that a network reads at once; the last ones of a recording one by one


class Embedding(FeatureSettings):
    """The activations before the last layer of trained taggers, for each patch of a recording.

    Choose it before any other kind where songs are few: what the taggers learnt from many songs is worth more than what
    a network can learn from hundreds. Patches of 2.992 s begin every ``hop_seconds``; a remainder that fills no patch
    is left out, and a recording shorter than a patch is repeated until it fills one. Of several weights the embeddings
    stand beside each other, as groups of features under the weights' names.

    The weights are fetched when they are first used.

    Reference: A. van den Oord, S. Dieleman, B. Schrauwen, "Transfer learning by supervised pre-training for audio-based
    music classification", ISMIR 2014.
    """

    unit_of_values: ClassVar[str] = "activation"
    preload: ClassVar[tuple[str, ...]] = ("genrezoo.embedding", "keras")

    kind: Literal["embedding"] = "embedding"
    rate: Literal[16000] = Field(16000, description="Samples per second that audio is resampled to.")
    weights: tuple[str, ...] = Field(
        ("vgg_tagger.msd",), min_length=1, max_length=8, description="Names of the weights, of taggers."
    )
    layer: str | None = Field(None, description="Layer whose output is taken; None: the one before the logits.")
    hop_seconds: float = Field(
        PATCH * HOP / 16000, ge=0.1, le=600, description="Seconds from one patch to the next; rounded to frames."
    )

    @field_validator("weights", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("weights")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        shapes = {
            entry.name: entry.input_shape for entry in WEIGHTS.members() if entry.features == {"kind": "tagger_mel"}
        }
        fitting = [name for name, shape in shapes.items() if shape in ((None, N_MELS), (PATCH, N_MELS))]
        if not set(names) <= set(fitting) or len(set(names)) < len(names):
            raise ValueError(f"each must be one of {', '.join(fitting)}, and none twice")
        return names

    @property
    def hop(self) -> int:
        """Frames from one patch to the next."""
        return round(self.hop_seconds * self.rate / HOP)

    @property
    def names(self) -> tuple[str, ...]:
        """``vgg_tagger.msd 1``, …, in the order of the weights."""
        return tuple(f"{name} {number + 1}" for name, columns in self.groups.items() for number in range(len(columns)))

    @property
    def groups(self) -> dict[str, list[int]]:
        """The columns of each of the weights."""
        ends = np.cumsum([0, *(_size(name, self.layer) for name in self.weights)]).tolist()
        return {name: list(range(*ends[number : number + 2])) for number, name in enumerate(self.weights)}

    def digest(self) -> str:
        """Differs with the content of the weights, and of this file, as well."""
        contents = [WEIGHTS.get(name).weights_sha256 for name in self.weights] + [sha256_of(__file__)]
        return hashlib.sha256(f"{super().digest()}{contents}".encode()).hexdigest()[:16]

    def prepare(self) -> None:
        """Fetches the weights.

        Raises:
            DataError: They cannot be had.
        """
        for name in self.weights:
            fetch_weights(name)

    def extract(self, blocks: Iterable[np.ndarray]) -> Features:
        """``x`` is ``(patches, sum of the embeddings' sizes)``.

        Raises:
            DataError: The recording is shorter than a frame, or the weights cannot be had.
        """
        sound = Counted(blocks)
        x = [self._embed(patches) for patches in self._patches(sound)]
        sound.check(N_FFT / self.rate, self)
        embedded = np.concatenate(x)
        starts = np.arange(len(embedded)) * self.hop
        edges = np.append(starts, starts[-1] + min(PATCH, sound.samples // HOP))
        return Features(embedded, edges * HOP / self.rate)

    def _patches(self, sound: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The patches of a recording, ``(BATCH or 1, PATCH, N_MELS)``, in constant memory."""
        held, any_yet = np.empty((0, N_MELS), np.float32), False
        for frames in TaggerMel().spectra(sound):
            held = np.concatenate([held, frames])
            while len(held) >= max(PATCH + (BATCH - 1) * self.hop, BATCH * self.hop):
                yield self._cut(held, BATCH)
                held, any_yet = held[BATCH * self.hop :], True
        if len(held) < PATCH and len(held) and not any_yet:
            held = np.resize(held, (PATCH, N_MELS))  # repeated
        while len(held) >= PATCH:
            yield self._cut(held, 1)
            held = held[self.hop :]

    def _cut(self, frames: np.ndarray, count: int) -> np.ndarray:
        return np.stack([frames[first : first + PATCH] for first in np.arange(count) * self.hop])

    def _embed(self, patches: np.ndarray) -> np.ndarray:
        """The embeddings of some patches side by side, ``(patches, features)`` float32."""
        return np.concatenate(
            [np.asarray(_trained(name, self.layer).predict_on_batch(patches)) for name in self.weights], axis=1
        )


@functools.cache
def _size(name: str, layer: str | None) -> int:
    """How many numbers an embedding has; the weights need not be there."""
    entry = WEIGHTS.get(name)
    model = create_model(entry.model, (PATCH, N_MELS), len(entry.labels), **entry.arguments)
    shape = embedding_of(model, layer).output_shape
    if len(shape) != 2:
        raise SettingsError(f"layer {layer!r} of {name!r} is no vector for a patch, its shape is {shape[1:]}")
    return int(shape[-1])


@functools.cache
def _trained(name: str, layer: str | None) -> Any:
    """The network of the weights up to a layer."""
    return embedding_of(create_model(WEIGHTS.get(name).model, (PATCH, N_MELS), weights=name), layer)
