"""Embeddings of a recording by pretrained networks, as features (``embedding``) for any model of the zoo."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from genrezoo.audio.settings import Counted, Features, FeatureSettings
from genrezoo.audio.tagger_mel import HOP, N_FFT, N_MELS, TaggerMel
from genrezoo.errors import DataError, SettingsError
from genrezoo.exported import Exported, load_exported
from genrezoo.files import read_bytes, sha256_of, write_atomic
from genrezoo.models import create_model, embedding_of
from genrezoo.models._inference import in_batches
from genrezoo.songs.chunks import windows_at
from genrezoo.weights import WEIGHTS, fetch_weights, weights_path

PATCH = 187  # frames that the taggers were trained on, 2.992 s
BATCH = 8  # patches that a network reads at once
EXPORTED = "embedding.onnx"
"""File name of an exported network beside its weights in the cache."""


class Embedding(FeatureSettings):
    """The activations before the last layer of pretrained taggers, for each patch of a recording.

    Prefer it to all other kinds of features where songs are few: the taggers learnt from many songs more than a network
    can learn from hundreds. Patches of 2.992 s begin every ``hop_seconds``; a remainder shorter than a patch is left
    out, and a recording shorter than a patch is repeated to fill one. The embeddings of several weights are
    concatenated, as groups of features under the weights' names.

    The weights are downloaded on first use. If an exported network lies beside them (see `keep_exported`), it is used
    instead, without TensorFlow and with the same results up to rounding.

    Reference: A. van den Oord, S. Dieleman, B. Schrauwen, "Transfer learning by supervised pre-training for audio-based
    music classification", ISMIR 2014.
    """

    unit_of_values: ClassVar[str] = "activation"

    kind: Literal["embedding"] = "embedding"
    rate: Literal[16000] = Field(16000, description="Sample rate that audio is resampled to, in Hz.")
    weights: tuple[str, ...] = Field(
        ("vgg_tagger.msd",), min_length=1, max_length=8, description="Names of the taggers' weights."
    )
    layer: str | None = Field(None, description="Layer whose output is used; None: the one before the logits.")
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
            raise ValueError(f"each must be one of {', '.join(fitting)}, without duplicates")
        return names

    @property
    def preload(self) -> tuple[str, ...]:
        """Whether Keras is needed: it is unless all networks are exported."""
        return () if all(_exported(name, self.layer) for name in self.weights) else ("genrezoo.embedding", "keras")

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
        """The columns of the embedding of each of the weights."""
        ends = np.cumsum([0, *(_size(name, self.layer) for name in self.weights)]).tolist()
        return {name: list(range(*ends[number : number + 2])) for number, name in enumerate(self.weights)}

    def digest(self) -> str:
        """Also depends on the content of the weights, of exported networks, and of this file."""
        contents = [WEIGHTS.get(name).weights_sha256 for name in self.weights] + [sha256_of(__file__)]
        contents += [sha256_of(found.path) for name in self.weights if (found := _exported(name, self.layer))]
        return hashlib.sha256(f"{super().digest()}{contents}".encode()).hexdigest()[:16]

    def prepare(self) -> None:
        """Downloads the weights.

        Raises:
            DataError: They cannot be obtained.
        """
        for name in self.weights:
            if not _exported(name, self.layer):
                fetch_weights(name)

    def extract(self, blocks: Iterable[np.ndarray]) -> Features:
        """``x`` is ``(patches, sum of the embeddings' sizes)``.

        Raises:
            DataError: The recording is shorter than a frame, or the weights cannot be obtained.
        """
        sound = Counted(blocks)
        x = [self._embed(patches) for patches in self._patches(sound)]
        sound.check(N_FFT / self.rate, self)
        embedded = np.concatenate(x)
        starts = np.arange(len(embedded)) * self.hop
        edges = np.append(starts, starts[-1] + min(PATCH, sound.samples // HOP))
        return Features(embedded, edges * HOP / self.rate)

    def _patches(self, sound: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields batches of a recording's patches, ``(at most BATCH, PATCH, N_MELS)``, in constant memory."""
        held, any_yet = np.empty((0, N_MELS), np.float32), False
        for frames in TaggerMel().spectra(sound):
            held = np.concatenate([held, frames])
            while len(held) >= max(PATCH + (BATCH - 1) * self.hop, BATCH * self.hop):
                yield windows_at(held, np.arange(BATCH) * self.hop, PATCH)
                held, any_yet = held[BATCH * self.hop :], True
        if len(held) < PATCH and len(held) and not any_yet:
            held = np.resize(held, (PATCH, N_MELS))  # repeated
        if len(held) >= PATCH:
            yield windows_at(held, np.arange(0, len(held) - PATCH + 1, self.hop), PATCH)

    def _embed(self, patches: np.ndarray) -> np.ndarray:
        """Returns the concatenated embeddings of some patches, ``(patches, features)`` float32."""
        return np.concatenate([_network(name, self.layer)(patches) for name in self.weights], axis=1)


def keep_exported(name: str, path: str | Path) -> Path:
    """Copies an exported embedding beside the weights in the cache, where the features `embedding` find it.

    Args:
        name: Name of the weights.
        path: A file that ``genrezoo export NAME onnx FILE --embedding`` wrote.

    Returns:
        Path of the copy.

    Raises:
        UnknownNameError: There are no such weights.
        DataError: The file is not an exported model, or not the embedding of these weights.
    """
    content = read_bytes(path, most=2**30)
    _fitting(name, load_exported(path))
    return write_atomic(_place(name), content)


def _fitting(name: str, found: Exported) -> Exported:
    """Rejects an exported model that is not the embedding of these weights."""
    about, entry = found.metadata, WEIGHTS.get(name)
    own = (about.name, about.output, about.weights_sha256, about.input_shape[-1])
    if own != (name, "embedding", entry.weights_sha256, N_MELS) or about.input_shape[0] not in (None, PATCH):
        what = f"is {about.output} of {about.name!r}, not an embedding of {name!r} with its published weights"
        remedy = f"export it: `genrezoo export {name} onnx FILE --embedding`"
        raise DataError(what, path=found.path, remedy=remedy)
    return found


def _place(name: str) -> Path:
    return weights_path(name).with_name(EXPORTED)


def _exported(name: str, layer: str | None) -> Exported | None:
    """Returns the exported network that ends in a layer, if it lies beside the weights."""
    path = _place(name)
    if not path.is_file():
        return None
    found = _opened(name, path, path.stat().st_mtime_ns)
    return found if found.metadata.layer == layer else None


@functools.lru_cache(maxsize=16)
def _opened(name: str, path: Path, changed: int) -> Exported:
    return _fitting(name, load_exported(path))


def _network(name: str, layer: str | None) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the function that computes embeddings ``(patches, features)`` of patches."""
    if found := _exported(name, layer):
        return found.answers
    return functools.partial(in_batches, _trained(name, layer), batch_size=BATCH)


def _size(name: str, layer: str | None) -> int:
    """Returns the size of an embedding; the weights need not be downloaded."""
    if found := _exported(name, layer):
        return found.metadata.n_outputs
    return _built_size(name, layer)


@functools.cache
def _built_size(name: str, layer: str | None) -> int:
    entry = WEIGHTS.get(name)
    model = create_model(entry.model, (PATCH, N_MELS), len(entry.labels), **entry.arguments)
    shape = embedding_of(model, layer).output_shape
    if len(shape) != 2:
        raise SettingsError(
            f"layer {layer!r} of {name!r} does not give a vector per patch: its output shape is {shape[1:]}"
        )
    return int(shape[-1])


@functools.cache
def _trained(name: str, layer: str | None) -> Any:
    """Returns the network of the weights up to a layer."""
    return embedding_of(create_model(WEIGHTS.get(name).model, (PATCH, N_MELS), weights=name), layer)
