"""The models that can be tried on the page: opened once, each with a name that tells it from the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from genrezoo.audio.settings import Features, FeatureSettings
from genrezoo.errors import SettingsError
from genrezoo.predict import Prediction, open_model
from genrezoo.predict.audio import answering
from genrezoo.weights import WEIGHTS, weights_path


@dataclass(frozen=True, eq=False)
class Tried:
    """A model on the page.

    Attributes:
        name: What the page calls it.
        about: What it is, in a few words.
        settings: The features that it reads, of whole recordings.
        answer: Makes a prediction of the features of a recording.
        genres: Names of its answers.
        lock: Held while it answers: Keras's models are not made for several threads.
    """

    name: str
    about: str
    settings: FeatureSettings
    answer: Callable[[Features], Prediction]
    genres: tuple[str, ...]
    lock: threading.Lock = field(default_factory=threading.Lock)


def cached_models() -> list[str]:
    """Names of the published weights that are in the cache and whose labels are genres of music."""
    return [one.name for one in WEIGHTS.members() if one.genres and weights_path(one.name).is_file()]


def open_models(names: Sequence[str]) -> dict[str, Tried]:
    """Opens models for the page.

    Args:
        names: Run folders, exported models (files), or names of published weights.

    Returns:
        The models by the names that the page calls them by, in the order given.

    Raises:
        SettingsError: No names, or labels that are not music genres.
        DataError: Neither a run folder nor an exported model, or a model that was not trained on features of audio.

    Example:
        >>> open_models([])
        Traceback (most recent call last):
            ...
        genrezoo.errors.SettingsError: there is no model to try: ...
    """
    if not names:
        what = "there is no model to try: none was named, and no published weights are in the cache"
        raise SettingsError(f"{what}. Name a run folder, an exported model (.onnx) or weights, e.g. vgg_tagger.msd")
    opened: dict[str, Tried] = {}
    for name in names:
        model = open_model(name)
        settings, answer = answering(model, excerpt=False)
        shown = _free_name(Path(name).name or str(name), opened)
        reading = model.reading
        source = {"weights": "weights", "run": "recipe"}[reading.source]
        about = f"{source} {reading.name}, {len(reading.genres) - reading.other_tags} genres"
        opened[shown] = Tried(shown, about, settings, answer, reading.genres)
    return opened


def _free_name(name: str, taken: dict[str, Tried]) -> str:
    """The name, or with a number after it where another model has it."""
    number = 1
    while (shown := name if number == 1 else f"{name} ({number})") in taken:
        number += 1
    return shown
