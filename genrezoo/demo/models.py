"""The models of the page, each with a unique name."""

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
        name: Its name on the page.
        about: Its description in a few words.
        settings: Settings of the features that it reads, for whole recordings.
        answer: Makes a prediction from the features of a recording.
        genres: Names of its classes.
        lock: Held during a prediction, because Keras models are not safe in several threads.
    """

    name: str
    about: str
    settings: FeatureSettings
    answer: Callable[[Features], Prediction]
    genres: tuple[str, ...]
    lock: threading.Lock = field(default_factory=threading.Lock)


def cached_models() -> list[str]:
    """Returns the names of the published weights that are in the cache and whose labels are music genres."""
    return [one.name for one in WEIGHTS.members() if one.genres and weights_path(one.name).is_file()]


def open_models(names: Sequence[str]) -> dict[str, Tried]:
    """Opens models for the page.

    Args:
        names: Run folders, exported models (files), or names of published weights.

    Returns:
        The models by their names on the page, in the order of ``names``.

    Raises:
        SettingsError: There are no names, or the labels of weights are not music genres.
        DataError: A name is neither that of a run folder nor of an exported model nor of weights, or the model was not
            trained on features of audio.

    Example:
        >>> open_models([])
        Traceback (most recent call last):
            ...
        genrezoo.errors.SettingsError: there is no model to try: ...
    """
    if not names:
        what = "there is no model to try: none was passed, and no published weights are in the cache"
        raise SettingsError(f"{what}. Pass a run folder, an exported model (.onnx) or weights, e.g. vgg_tagger.msd")
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
    """Returns the name, with a number if another model has the same name."""
    number = 1
    while (shown := name if number == 1 else f"{name} ({number})") in taken:
        number += 1
    return shown
