"""The model to export: one Keras model from raw features to its answers, with its metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from genrezoo import __version__
from genrezoo.composition.cascade import threshold_of
from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.exported import Metadata, Parity
from genrezoo.files import sha256_of
from genrezoo.layers import Frozen, Standardise
from genrezoo.models import create_model, embedding_of
from genrezoo.reading import TAGGER_WINDOW, Reading
from genrezoo.runs import Run, feature_extractor, load_run
from genrezoo.runs.calibration import at_temperature
from genrezoo.weights import WEIGHTS, Weights

PIXELS = (127.0, 60.0)
"""Mean and standard deviation of the pixels of random images."""

DECIBELS = (2.0, 1.0)
"""Mean and standard deviation of random log-mel spectra for taggers."""


@dataclass(frozen=True, eq=False)
class Source:
    """A model to export.

    Attributes:
        model: From raw features, padding as NaN, to the output; functional, with one input and one output.
        reading: Its input and its answers.
        origin: The fields of `Metadata` on its origin.
        centre: Mean of each feature in random songs, ``(features,)``.
        spread: Standard deviation of each feature in random songs, ``(features,)``.
        run: The run; None for published weights.
    """

    model: keras.Model
    reading: Reading
    origin: dict[str, Any]
    centre: np.ndarray
    spread: np.ndarray
    run: Run | None = None

    def metadata(self, parity: Parity) -> Metadata:
        """Returns the metadata of an export of this model."""
        return Metadata(**self.reading.model_dump(), **self.origin, genrezoo=__version__, parity=parity)


def open_source(source: Run | str | Path, *, embedding: bool = False, layer: str | None = None) -> Source:
    """Opens a model to export.

    Args:
        source: A run, its folder, or the name of published weights.
        embedding: Export the model without its output layer.
        layer: The layer whose output is the embedding; None for what the output layer reads.

    Raises:
        UnknownNameError: There are no such weights, or no such layer.
        SettingsError: ``layer`` is passed without ``embedding``; the layer's output is not a vector; or the labels of
            the weights are not music genres.
        DataError: The run folder is damaged, or the weights cannot be fetched.
    """
    if layer is not None and not embedding:
        raise SettingsError(f"layer {layer!r} chooses an embedding; pass embedding=True as well")
    if isinstance(source, str) and not Path(source).exists():
        if source in WEIGHTS.names():
            return _of_weights(WEIGHTS.get(source), embedding, layer)
        if not Path(source).is_absolute() and len(Path(source).parts) == 1:
            raise UnknownNameError("weights, file or folder", source, WEIGHTS.names())
    return _of_run(source if isinstance(source, Run) else load_run(source), embedding, layer)


def _of_run(run: Run, embedding: bool, layer: str | None) -> Source:
    model, card = feature_extractor(run, layer) if embedding else _whole(run), run.card
    origin = {
        "weights_sha256": card.weights_sha256,
        "card_sha256": sha256_of(run.folder / "card.json"),
        "provenance": card.songs.get("provenance"),
    }
    if card.recipe.model == "cascade" and not embedding:
        origin["cascade"] = {"threshold": threshold_of(run.network)}
    reading = run.reading
    unscaled = PIXELS if reading.kind == "image" and not card.recipe.standardise else (0.0, 1.0)
    centre, spread = (np.full(reading.n_features, number, np.float32) for number in unscaled)
    chosen = np.arange(reading.n_features)
    if run.preprocessing.columns is not None:
        chosen = np.array(run.preprocessing.columns)
    if card.recipe.standardise:
        centre[chosen], spread[chosen] = card.mean, card.scale
    else:
        for columns, own in _standardised(run.network, chosen):
            centre[columns], spread[columns] = (np.asarray(weight) for weight in own.weights[:2])
    return Source(model, _embedding(reading, model, layer) if embedding else reading, origin, centre, spread, run)


def _standardised(model: keras.Model, columns: np.ndarray) -> Iterator[tuple[np.ndarray, Standardise]]:
    """Yields the columns and the layer of each member that standardises its features itself."""
    for layer in model.layers:
        inner = layer.model if isinstance(layer, Frozen) else layer
        if isinstance(inner, Standardise):  # the layers after it read the selected columns
            columns = columns if inner.columns is None else columns[np.array(inner.columns)]
            if inner.as_weights:
                yield columns, inner
        elif isinstance(inner, keras.Model):
            yield from _standardised(inner, columns)


def _whole(run: Run) -> keras.Model:
    """Returns `Run.model` with the logits alone, and without the optimiser of a run that this process has trained."""
    network = run.network
    logits = network.output["logits"] if isinstance(network.output, dict) else network.output
    songs = keras.Input((*network.input_shape[1:-1], run.reading.n_features), name="songs")
    inner = keras.Model(network.input, logits, name=network.name)
    model = keras.Model(songs, inner(run.preprocessing.layer()(songs)), name=run.card.recipe.name)
    return at_temperature(model, None if run.card.recipe.chunks else run.card.temperature)


def _of_weights(entry: Weights, embedding: bool, layer: str | None) -> Source:
    if not entry.genres and not embedding:
        raise SettingsError(f"the labels of {entry.name!r} are not music genres; export its embedding")
    model = create_model(entry.model, weights=entry.name)
    if embedding:
        model = embedding_of(model, layer)
        image = len(entry.input_shape) == 3
        plain = {
            "source": "weights",
            "name": entry.name,
            "n_outputs": 1,
            "output": "embedding",
            "kind": "image" if image else "segments",
            "input_shape": entry.input_shape,
            "window": TAGGER_WINDOW if entry.input_shape[0] is None else None,
            "features": dict(entry.features) or None,
        }
        reading = _embedding(Reading.model_validate(plain), model, layer)
    else:
        reading = Reading.of_weights(entry.name)
        logits = model.get_layer("logits")  # genres first, as predictions have them
        logits.set_weights([weight[..., entry.order] for weight in logits.get_weights()])
    level = PIXELS if reading.kind == "image" else DECIBELS
    centre, spread = (np.full(reading.n_features, number, np.float32) for number in level)
    return Source(model, reading, {"weights_sha256": entry.weights_sha256}, centre, spread)


def _embedding(reading: Reading, model: keras.Model, layer: str | None) -> Reading:
    """Returns the reading of a model without its output layer."""
    if len(model.output_shape) != 2:
        raise SettingsError(
            f"the embedding must be one vector per song; the output of layer {layer!r} has the shape "
            f"{model.output_shape[1:]}"
        )
    size = int(model.output_shape[-1])
    own = {"output": "embedding", "layer": layer, "n_outputs": size, "genres": (), "other_tags": 0}
    return Reading.model_validate({**reading.model_dump(), **own})
