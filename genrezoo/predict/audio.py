"""From audio files to genres over time, by a run, an exported model or published weights."""

from __future__ import annotations

import dataclasses
import difflib
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

    Published weights need no training. Their prediction is the mean over windows of 2.992 s, the length of their
    training, or of ``window``, without overlap if ``hop`` is left out; a recording that is shorter than a window is
    repeated. Taggers give independent activations of tags, which do not sum to 1 over the genres.

    Args:
        run: A run that was trained on features of audio, its folder, an exported model or its file, or the name of
            published weights, which are fetched if they are not in the cache.
        paths: Audio files, folders (with all their subfolders) and shell patterns.
        rule: How the answers to the windows are combined: ``mean`` or ``product`` of the posteriors. If left out, the
            rule of the recipe's chunks; else, for a model of any length, its answer to the whole recording; else the
            mean.
        window: For a model of any length: seconds of a window, rounded to whole segments; 10 if left out, or the length
            of the longest training song if that is shorter. A shorter recording is one window.
        hop: Seconds from the start of one window to the start of the next, rounded to whole segments, at most a window;
            if left out, the hop of the recipe's chunks, or a quarter of a window.
        excerpt: Read the same excerpt of each file as of the training songs, not the whole file.
        cache: Folder of cached features; `genrezoo.environment.default_cache` if left out.
        workers: Processes that compute features; one a core if left out.
        scheduler: Address of a Dask scheduler whose workers compute them instead of this machine; the workers must see
            the files and the cache.
        strict: Raise an error for the first file that cannot be predicted.
        on_start: Called with the number of files before their features are computed.
        on_file: Called with each file after its features are computed, and with None or the reason why there are none.

    Returns:
        One prediction per file, in the order of the files; that of a file that cannot be predicted has a reason.

    Raises:
        DataError: The run was trained on songs without feature settings, or on features that these settings do not
            compute; with ``strict``, the first file that cannot be predicted.
        SettingsError: ``window`` or ``hop`` is out of range, an option does not fit the model, or the labels of the
            weights are not music genres.
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
    """Predicts the genre of a recording in memory, with the same result as `predict_audio` for a file with its samples.

    Args:
        run: As in `predict_audio`.
        samples: ``(n_samples,)``, or ``(n_samples, n_channels)``, of which the mean is used: floating-point numbers
            with a full scale of 1, or integers of 16 or 32 bits.
        rate: Sampling rate in Hz, from 1,000 to 768,000; samples are resampled to the rate of the model's features.
        rule: As in `predict_audio`.
        window: As in `predict_audio`.
        hop: As in `predict_audio`.

    Returns:
        The prediction; its path is ``samples``.

    Raises:
        DataError: The samples have another shape or type, are not finite, too loud or too few; or as `predict_audio`.
        SettingsError: ``rate`` is out of range; or as `predict_audio`.
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
    """Converts samples to one channel of float32 with a full scale of 1."""
    samples = np.asarray(samples)
    if samples.dtype in (np.int16, np.int32):
        samples = samples / -float(np.iinfo(samples.dtype).min)
    if samples.ndim not in (1, 2) or samples.dtype.kind != "f" or not samples.size:
        what = f"samples have shape {samples.shape} and type {samples.dtype}"
        remedy = "pass (n_samples,) or (n_samples, n_channels), floating-point numbers or integers of 16 or 32 bits"
        raise DataError(what, remedy=remedy)
    if samples.ndim == 2 and samples.shape[1] > len(samples):  # as torchaudio and librosa have them
        raise DataError(f"samples have {samples.shape[1]:,} channels of {len(samples):,}", remedy="pass samples.T")
    level = np.abs(samples).max()
    if not level <= MAX_LEVEL:  # true for NaN as well
        raise DataError(f"samples reach {level:.3g}", remedy=f"scale them to 1; {MAX_LEVEL:g} is the limit")
    return mean_of_channels(samples.reshape(len(samples), -1).astype(np.float32))


def answering(
    model: Answering, *, rule: str | None = None, window: float | None = None, hop: float | None = None, excerpt: bool
) -> tuple[FeatureSettings, Callable[[Features], Prediction]]:
    """Prepares predictions by a model.

    Args:
        model: A run, an exported model or published weights.
        rule: As in `predict_audio`.
        window: As in `predict_audio`.
        hop: As in `predict_audio`.
        excerpt: As in `predict_audio`.

    Returns:
        The settings of the features that the model reads, and a function from these features to a prediction.

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
        raise SettingsError(f"excerpt needs a run: the training songs of {model.reading.name} are not known")

    def answer(features: Features) -> Prediction:
        x = features.x if columns is None else features.x[:, columns]
        found = Features(x=x, edges=features.edges + settings.offset)
        return predict_features(model, found, rule=rule, window=window, hop=hop)

    return settings, answer


def open_model(name: str | Path) -> Answering:
    """Opens a run folder, an exported model (a file), or published weights.

    Args:
        name: The folder or the file; or, if nothing has this path, a name from `genrezoo.list_weights`.

    Returns:
        The model.

    Raises:
        DataError: There is no such path or name, or the path is neither a run folder nor an exported model.
        SettingsError: The labels of the weights are not music genres.
    """
    if not os.path.exists(name):
        if str(name) in WEIGHTS.names():
            return Published(str(name))
        remedy = "pass a run folder, an exported model, or a name that `genrezoo list --kind weights` shows"
        if near := difflib.get_close_matches(str(name), WEIGHTS.names(), n=1):
            remedy = f"did you mean {near[0]!r}? Otherwise {remedy}"
        raise DataError("no such file or folder, and no published weights have that name", path=name, remedy=remedy)
    if os.path.isfile(name):
        return load_exported(name)
    from genrezoo.runs import load_run  # here, as exported models need nothing of it

    return load_run(name)
