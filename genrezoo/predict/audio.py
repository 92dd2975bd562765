"""From audio files to genres over time, by a run, an exported model or published weights."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from genrezoo.audio.decode import MAX_LEVEL, mean_of_channels, resampled
from genrezoo.audio.settings import Features, FeatureSettings, extract
from genrezoo.errors import DataError, SettingsError
from genrezoo.exported import load_exported
from genrezoo.predict.audio_files import audio_settings, predict_files
from genrezoo.predict.prediction import Prediction
from genrezoo.predict.published import Published
from genrezoo.predict.windows import check_options, predict_features
from genrezoo.reading import Answering
from genrezoo.weights import WEIGHTS


def predict_audio(
    run: Answering | str | Path,
    paths: str | Path | Iterable[str | Path],
    *,
    rule: str | None = None,
    window: float | None = None,
    hop: float | None = None,
    excerpt: bool = False,
    cache: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    strict: bool = False,
    on_start: Callable[[int], None] | None = None,
    on_file: Callable[[Path, str | None], None] | None = None,
) -> list[Prediction]:
    """Predicts the genre of audio files, as a whole and window by window.

    The features are computed with the settings of the run's training songs. The model determines the window: a chunk if
    its recipe cuts songs into chunks, an image if it reads images, and for a model of fixed length as many segments as
    it was trained on, with a hop of a quarter. A model that takes any length reads the whole recording for its
    prediction, and windows for the timeline.

    Args:
        run: A run that was trained on features made from audio, published weights, or what `open_model` takes.
        paths: Files, folders (looked through with all they hold) and shell patterns.
        rule: How the answer is made of the windows: ``mean`` or ``product`` of the posteriors. If left out, the rule of
            the recipe's chunks, the mean, or for a model of any length its answer to the whole recording.
        window: For a model of any length: about how many seconds a window has, in whole segments; 10 if left out, or
            the longest song trained on if that is shorter. A recording that is shorter is one window.
        hop: About how many seconds from one window to the next, in whole segments, at most a window; if left out, that
            of the recipe's chunks, or a quarter of a window.
        excerpt: Read of each file the excerpt that was taken of the training songs, not the whole.
        cache: Folder where features are kept; `genrezoo.environment.default_cache` if left out.
        workers: Processes that compute features; one a core if left out.
        scheduler: Address of a Dask scheduler whose workers compute them, in place of this machine; they need to see
            the files and the cache.
        strict: Stop at the first file that cannot be predicted.
        on_start: Called with the number of files before their features are computed.
        on_file: Called with each file when its features are there, and None or why there are none.

    Returns:
        One prediction a file, in the order of the files; one that cannot be predicted has its reason.

    Raises:
        DataError: The run was trained on songs that no feature settings are known of, or that other features than
            today's were made of; with ``strict``, the first file that cannot be predicted.
        SettingsError: ``window`` or ``hop`` is out of range, or does not fit the model.
        UnknownNameError: There is no such rule.

    Example:
        >>> import tempfile, genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_train=40, n_valid=20, n_test=20, n_segments=8, seed=1)
        >>> recipe = gz.get_recipe("fully_connected").changed({"epochs": 1})
        >>> run = gz.train(recipe, songs, seed=1, out=tempfile.mkdtemp())
        >>> predict_audio(run, "music/*.mp3")
        Traceback (most recent call last):
            ...
        genrezoo.errors.DataError: ... Remedy: make features with `genrezoo data build` and train on them.

    Reference:
        "Neural networks for music genres", question 4.
    """
    model = open_model(run) if isinstance(run, str | Path) else run
    settings, answer = answering(model, rule=rule, window=window, hop=hop, excerpt=excerpt)
    return predict_files(
        paths, settings, model.reading.genres, answer,
        cache=cache, workers=workers, scheduler=scheduler, strict=strict, on_start=on_start, on_file=on_file,
    )  # fmt: skip


def predict_samples(
    run: Answering | str | Path,
    samples: np.ndarray,
    rate: int,
    *,
    rule: str | None = None,
    window: float | None = None,
    hop: float | None = None,
) -> Prediction:
    """Predicts the genre of a recording in memory, as `predict_audio` predicts that of a file with the same samples.

    Args:
        run: As in `predict_audio`; published weights by name too.
        samples: ``(n_samples,)``, or ``(n_samples, n_channels)``, whose mean is taken: floating-point numbers with a
            full scale of 1, or integers of 16 or 32 bits.
        rate: Samples per second, Hz; they are resampled to the rate of the model's features.
        rule: As in `predict_audio`.
        window: As in `predict_audio`.
        hop: As in `predict_audio`.

    Returns:
        The prediction; its path is ``samples``.

    Raises:
        DataError: No such samples, too few of them, or what `predict_audio` raises of the run.
        SettingsError: ``rate`` is out of range, or what `predict_audio` raises of the options.
        UnknownNameError: As `predict_audio`.

    Example:
        >>> predict_samples("vgg_tagger.msd", np.zeros(16000), rate=0)
        Traceback (most recent call last):
            ...
        genrezoo.errors.SettingsError: rate must be from 1000 to 768000 Hz, got 0
    """
    if not 1000 <= rate <= 768_000:
        raise SettingsError(f"rate must be from 1000 to 768000 Hz, got {rate}")
    mono = _mono(samples)
    model = open_model(run) if isinstance(run, str | Path) else run
    settings, answer = answering(model, rule=rule, window=window, hop=hop, excerpt=False)
    settings.prepare()
    blocks = [mono] if rate == settings.rate else resampled([mono], rate, settings.rate)
    return dataclasses.replace(answer(extract(settings, blocks)), path=Path("samples"))


def _mono(samples: np.ndarray) -> np.ndarray:
    """Samples as one channel of float32, full scale 1."""
    samples = np.asarray(samples)
    if samples.dtype in (np.int16, np.int32):
        samples = samples / -float(np.iinfo(samples.dtype).min)
    if samples.ndim not in (1, 2) or samples.dtype.kind != "f" or not samples.size:
        what = f"samples have shape {samples.shape} and type {samples.dtype}"
        remedy = "pass (n_samples,) or (n_samples, n_channels), floating-point numbers or integers of 16 or 32 bits"
        raise DataError(what, remedy=remedy)
    if samples.ndim == 2 and samples.shape[1] > len(samples):  # of libraries that have the channels first
        raise DataError(f"samples have {samples.shape[1]:,} channels of {len(samples):,}", remedy="pass samples.T")
    level = np.abs(samples).max()
    if not level <= MAX_LEVEL:  # so written that NaN ends here too
        raise DataError(f"samples reach {level:.3g}", remedy=f"scale them to 1; {MAX_LEVEL:g} is the limit")
    return mean_of_channels(samples.reshape(len(samples), -1).astype(np.float32))


def answering(
    model: Answering, *, rule: str | None = None, window: float | None = None, hop: float | None = None, excerpt: bool
) -> tuple[FeatureSettings, Callable[[Features], Prediction]]:
    """What features a model needs of a file, and the function that answers to them.

    Args:
        model: A run, an exported model or published weights.
        rule: As in `predict_audio`.
        window: As in `predict_audio`.
        hop: As in `predict_audio`.
        excerpt: As in `predict_audio`.

    Raises:
        DataError: As `predict_audio`.
        SettingsError: As `predict_audio`.
        UnknownNameError: As `predict_audio`.
    """
    settings, columns = audio_settings(model)
    check_options(model.reading, rule=rule, window=window, hop=hop)
    if not excerpt:
        settings = settings.model_copy(update={"offset": 0.0, "duration": None})
    elif model.reading.source == "weights":
        raise SettingsError(
            f"excerpt is of a run: {model.reading.name} was trained on songs of which nothing is stored"
        )

    def answer(features: Features) -> Prediction:
        x = features.x if columns is None else features.x[:, columns]
        found = Features(x=x, edges=features.edges + settings.offset)
        return predict_features(model, found, rule=rule, window=window, hop=hop)

    return settings, answer


def predict_sound(
    weights: str,
    paths: str | Path | Iterable[str | Path],
    *,
    window: float | None = None,
    hop: float | None = None,
    cache: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    strict: bool = False,
    on_start: Callable[[int], None] | None = None,
    on_file: Callable[[Path, str | None], None] | None = None,
) -> list[Prediction]:
    """Predicts the genre of audio files with published weights, without any training.

    The prediction for a recording is the mean over its windows. Taggers give independent activations of tags, not
    probabilities that sum to one over the genres. A recording that is shorter than a window is repeated. The weights
    are fetched if they are not in the cache.

    Args:
        weights: A name from `genrezoo.list_weights` whose labels are genres of music.
        paths: As in `predict_audio`.
        window: For networks that read any length: seconds of a window; 2.992 if left out, on which they were trained.
        hop: Seconds from one window to the next, at most a window; a window if left out.
        cache: As in `predict_audio`.
        workers: As in `predict_audio`.
        scheduler: As in `predict_audio`.
        strict: As in `predict_audio`.
        on_start: As in `predict_audio`.
        on_file: As in `predict_audio`.

    Returns:
        One prediction a file, in the order of the files; its genres come first, then other tags.

    Raises:
        UnknownNameError: There are no such weights.
        SettingsError: Their labels are not music genres, or ``window`` or ``hop`` is out of range.
        DataError: The weights cannot be had; with ``strict``, the first file that cannot be predicted.

    Example:
        >>> predict_sound("efficientnet_lite0.imagenet", "song.mp3")
        Traceback (most recent call last):
            ...
        genrezoo.errors.SettingsError: the labels of 'efficientnet_lite0.imagenet' are not music genres; ...
    """
    return predict_audio(
        Published(weights), paths,
        window=window, hop=hop, cache=cache, workers=workers, scheduler=scheduler, strict=strict,
        on_start=on_start, on_file=on_file,
    )  # fmt: skip


def open_model(name: str | Path) -> Answering:
    """A model by its place or name: a run folder, an exported model (a file), or published weights.

    Args:
        name: The folder, the file, or, where nothing has that path, a name from `genrezoo.list_weights`.

    Raises:
        DataError: Nothing is there, or it is neither a run folder nor an exported model.
        SettingsError: The labels of the weights are not music genres.
    """
    if not os.path.exists(name):
        if str(name) in WEIGHTS.names():
            return Published(str(name))
        remedy = "pass a run folder, an exported model, or a name that `genrezoo list --kind weights` shows"
        raise DataError("no such file or folder, and no published weights have that name", path=name, remedy=remedy)
    if os.path.isfile(name):
        return load_exported(name)
    from genrezoo.runs import load_run  # here, as exported models need nothing of it

    return load_run(name)
