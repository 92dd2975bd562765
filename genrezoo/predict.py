"""From audio files to genres over time, by a run or by published weights: features, and the answer to each window."""

from __future__ import annotations

import dataclasses
import glob
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.audio.extract import extract_files
from genrezoo.audio.settings import Features, FeatureSettings, feature_settings
from genrezoo.datasets._audio import NOT_AUDIO, walk_files
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.evaluation import log_softmax, softmax
from genrezoo.models import create_model
from genrezoo.rules import RULES, aggregate
from genrezoo.runs import Run, load_run
from genrezoo.runs.building import handles
from genrezoo.songs import SongSet
from genrezoo.songs.chunks import chunk_starts
from genrezoo.weights import WEIGHTS

WINDOW = 10.0
"""Seconds of a window where a model reads any length and no other window is specified."""

MOST_SEGMENTS = 20_000
"""Longest recording that a model of any length reads at once; a longer one is answered by its windows."""

TAGGER_WINDOW = 2.992
"""Seconds of a window where published weights read any length and no other window is specified."""

TAGGER_BATCH = 16  # windows that a tagger reads together

_BLOCK_BYTES = 64 * 2**20  # of features that the model reads together


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer of a run, or of published weights, to one audio file.

    Attributes:
        path: The file.
        genres: Names of the classes, in the order of all probabilities here; of a tagger its genres, then other tags.
        probabilities: Of the whole recording, ``(n_genres,)`` float32, summing to 1; empty if the file was refused. Of
            a tagger the activations of its tags, from 0 to 1, each for itself.
        rule: How the windows' posteriors were combined; None if the model read the whole recording at once.
        starts: Where each window begins, in seconds from the beginning of the file, ``(n_windows,)``.
        ends: Where it ends; windows may overlap.
        windows: Probabilities of each window, ``(n_windows, n_genres)`` float32.
        warnings: What was unusual about the file.
        reason: Why there is no prediction; None if there is one.
        other_tags: How many of ``genres``, at their end, are tags but no genres.
        scores: What the numbers are, ``"probabilities"`` or ``"activations"``.
    """

    path: Path
    genres: tuple[str, ...]
    probabilities: np.ndarray
    rule: str | None
    starts: np.ndarray
    ends: np.ndarray
    windows: np.ndarray
    warnings: tuple[str, ...] = ()
    reason: str | None = None
    other_tags: int = 0
    scores: str = "probabilities"

    @classmethod
    def refused(cls, path: Path, genres: tuple[str, ...], reason: str) -> Prediction:
        """The prediction of a file that was refused."""
        nothing = np.zeros(0)
        return cls(path, genres, nothing, None, nothing, nothing, np.zeros((0, len(genres))), reason=reason)

    @property
    def genre(self) -> str | None:
        """The most probable genre; None if the file was refused."""
        return None if self.reason else self.best(1)[0][0]

    def best(self, number: int, *, other: bool = False) -> list[tuple[str, float]]:
        """The genres, or the tags that are no genres, with the highest scores, and these, from the highest on."""
        first = len(self.genres) - self.other_tags
        part = slice(first, None) if other else slice(first)
        ranked = zip(self.genres[part], map(float, self.probabilities[part]), strict=True)
        return sorted(ranked, key=lambda pair: -pair[1])[:number]

    @property
    def score(self) -> str:
        """What one of the numbers is."""
        return {"probabilities": "probability", "activations": "activation"}[self.scores]

    @property
    def seconds(self) -> float:
        """Seconds of the recording that were read, from the first window to the last."""
        return float(self.ends[-1] - self.starts[0]) if len(self.ends) else 0.0

    @property
    def how(self) -> str:
        """How the answer to the whole recording was computed, in words."""
        if self.rule is None or len(self.windows) == 1:
            return "read at once"
        return f"{self.rule} of {len(self.windows):,} windows"

    def timeline(self) -> tuple[np.ndarray, np.ndarray]:
        """The genres over time, without overlap.

        Windows that follow each other are returned as they are. Where windows overlap, each second has the mean of
        those that cover its middle.

        Returns:
            Where each stretch begins, and the end of the last, in seconds, ``(n + 1,)``; and the probabilities,
            ``(n, n_genres)``.
        """
        if not len(self.starts) or np.all(self.starts[1:] >= self.ends[:-1] - 1e-6):
            return np.append(self.starts, self.ends[-1:]), self.windows
        whole = np.arange(self.starts[0], self.ends[-1] - 1e-6)  # seconds; the last may be a part of one
        edges = np.append(whole, self.ends[-1])
        middle = (edges[1:] + edges[:-1]) / 2
        first = np.searchsorted(self.ends, middle, side="right")
        last = np.searchsorted(self.starts, middle, side="right")
        sums = np.concatenate([np.zeros((1, len(self.genres))), np.cumsum(self.windows, axis=0, dtype=np.float64)])
        return edges, ((sums[last] - sums[first]) / (last - first)[:, None]).astype(np.float32)

    def describe(self) -> dict[str, Any]:
        """The prediction and its timeline as plain data; of a refused file its path and the reason."""
        if self.reason:
            return {"file": str(self.path), "reason": self.reason}
        edges, posteriors = self.timeline()
        return {
            "file": str(self.path),
            "genre": self.genre,
            self.scores: self._named(self.probabilities),
            "rule": self.rule,
            "windows": len(self.windows),
            "seconds": round(self.seconds, 3),
            "warnings": list(self.warnings),
            "timeline": [
                {"start": round(float(start), 3), "end": round(float(end), 3), self.scores: self._named(posterior)}
                for start, end, posterior in zip(edges, edges[1:], posteriors, strict=False)
            ],
        }

    def _named(self, probabilities: np.ndarray) -> dict[str, float]:
        return {genre: round(float(p), 6) for genre, p in zip(self.genres, probabilities, strict=True)}


def predict_audio(
    run: Run | str | Path,
    paths: str | Path | Iterable[str | Path],
    *,
    rule: str | None = None,
    window: float | None = None,
    hop: float | None = None,
    excerpt: bool = False,
    cache: str | Path | None = None,
    workers: int | None = 1,
    strict: bool = False,
    on_start: Callable[[int], None] | None = None,
    on_file: Callable[[Path, str | None], None] | None = None,
) -> list[Prediction]:
    """Predicts the genre of audio files, as a whole and window by window.

    The features are those of the run's training songs. The window follows from the model: a chunk, where its recipe
    cuts songs into chunks; as many segments as it was trained on, with a hop of a quarter, where it reads one length
    alone; an image, where it reads images. A model of any length reads the whole recording for the answer, and windows
    for the timeline.

    Args:
        run: A run that was trained on features made from audio, or its folder.
        paths: Files, folders (looked through with all they hold) and shell patterns.
        rule: How the answer is made of the windows: ``mean`` or ``product`` of the posteriors. If left out, the rule of
            the recipe's chunks, the mean, or for a model of any length its answer to the whole recording.
        window: For a model of any length: about how many seconds a window has, in whole segments; 10 if left out, or
            the longest song trained on if that is shorter. A recording that is shorter is one window.
        hop: About how many seconds from one window to the next, in whole segments, at most a window; if left out, that
            of the recipe's chunks, or a quarter of a window.
        excerpt: Read of each file the excerpt that was taken of the training songs, not the whole.
        cache: Folder where features are kept; `genrezoo.environment.default_cache` if left out.
        workers: Processes that compute features; None for one a core.
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
    run = run if isinstance(run, Run) else load_run(run)
    settings, columns = audio_settings(run)
    if not excerpt:
        settings = settings.model_copy(update={"offset": 0.0, "duration": None})
    if rule is not None and rule not in RULES:
        raise UnknownNameError("rule", rule, RULES)
    _check_times(run, window, hop)

    def answer(features: Features) -> Prediction:
        x = features.x if columns is None else features.x[:, columns]
        found = Features(x=x, edges=features.edges + settings.offset)
        return predict_features(run, found, rule=rule, window=window, hop=hop)

    return _predict_files(
        paths, settings, run.genres, answer,
        cache=cache, workers=workers, strict=strict, on_start=on_start, on_file=on_file,
    )  # fmt: skip


def predict_sound(
    weights: str,
    paths: str | Path | Iterable[str | Path],
    *,
    window: float | None = None,
    hop: float | None = None,
    cache: str | Path | None = None,
    workers: int | None = 1,
    strict: bool = False,
    on_start: Callable[[int], None] | None = None,
    on_file: Callable[[Path, str | None], None] | None = None,
) -> list[Prediction]:
    """Names the genre of audio files by published weights; nothing is trained.

    Each window is read by itself, and the answer to the recording is the mean of its windows. What taggers answer are
    activations of tags, each for itself, and no probabilities of one genre among others. A recording that is shorter
    than a window is repeated. The weights are fetched if they are not in the cache.

    Args:
        weights: A name from `genrezoo.list_weights` whose labels are genres of music.
        paths: As in `predict_audio`.
        window: For networks that read any length: seconds of a window; 2.992 if left out, on which they were trained.
        hop: Seconds from one window to the next, at most a window; a window if left out.
        cache: As in `predict_audio`.
        workers: As in `predict_audio`.
        strict: As in `predict_audio`.
        on_start: As in `predict_audio`.
        on_file: As in `predict_audio`.

    Returns:
        One prediction a file, in the order of the files; its genres come first, then other tags.

    Raises:
        UnknownNameError: There are no such weights.
        SettingsError: Their labels are no genres of music, or ``window`` or ``hop`` is out of range.
        DataError: The weights cannot be had; with ``strict``, the first file that cannot be predicted.

    Example:
        >>> predict_sound("efficientnet_lite0.imagenet", "song.mp3")
        Traceback (most recent call last):
            ...
        genrezoo.errors.SettingsError: the labels of 'efficientnet_lite0.imagenet' are no genres of music; ...
    """
    entry = WEIGHTS.get(weights)
    if not entry.genres:
        fitting = ", ".join(one.name for one in WEIGHTS.members() if one.genres)
        raise SettingsError(f"the labels of {weights!r} are no genres of music; use one of {fitting}")
    _check_seconds(window, hop)
    if window is not None and entry.input_shape[0] is not None:
        raise SettingsError(f"window cannot be chosen: {weights} reads {entry.input_shape[0]} segments at a time")
    network = create_model(entry.model, weights=weights)
    order = [entry.labels.index(label) for label in entry.genres]
    order += [number for number in range(len(entry.labels)) if number not in order]
    genres = tuple(entry.labels[number] for number in order)

    def answer(features: Features) -> Prediction:
        x, edges = features.x, features.edges
        warnings: tuple[str, ...] = ()
        per_second = len(x) / (edges[-1] - edges[0])
        length = entry.input_shape[0] or max(1, round((window or TAGGER_WINDOW) * per_second))
        step = length if hop is None else max(1, round(hop * per_second))
        if step > length:
            what = f"hop of {hop} s is {step} segments, more than the {length} of a window"
            raise SettingsError(f"{what}: the rest would not be read; use a smaller hop")
        if len(x) < length:
            x, warnings = x[np.arange(length) % len(x)], ("shorter than what the network reads at a time: repeated",)
        starts = np.arange(0, len(x) - length + 1, step)
        logits = _tag_logits(network, x, starts, length)[:, order]
        scores = (1 / (1 + np.exp(-logits)) if entry.activation == "sigmoid" else softmax(logits)).astype(np.float32)
        return Prediction(
            path=Path(),
            genres=genres,
            probabilities=scores.mean(axis=0),
            rule="mean",
            starts=edges[starts],
            ends=edges[np.minimum(starts + length, len(edges) - 1)],
            windows=scores,
            warnings=warnings,
            other_tags=len(genres) - len(entry.genres),
            scores="activations" if entry.activation == "sigmoid" else "probabilities",
        )

    return _predict_files(
        paths, feature_settings(entry.features), genres, answer,
        cache=cache, workers=workers, strict=strict, on_start=on_start, on_file=on_file,
    )  # fmt: skip


def predict_features(
    run: Run, features: Features, *, rule: str | None = None, window: float | None = None, hop: float | None = None
) -> Prediction:
    """Predicts one recording from its features.

    Args:
        run: A run.
        features: As in the songs that it was trained on, not standardised, and where each segment begins.
        rule: As in `predict_audio`.
        window: As in `predict_audio`.
        hop: As in `predict_audio`.

    Returns:
        The prediction; its path is empty.

    Raises:
        DataError: Other features than the run's, none at all, a recording that is too short for the model, or a hop
            longer than its windows.
        SettingsError: ``window`` or ``hop`` does not fit the model.
    """
    x, edges, recipe = features.x, features.edges, run.card.recipe
    if not len(x):
        raise DataError("no segments", remedy="use a longer recording")
    warnings = []
    length, step = _window(run, features, window, hop)
    if len(x) < length:
        if not handles(recipe)[0]:
            what = f"{len(x)} segments ({edges[-1] - edges[0]:.1f} s), {recipe.name} reads {length} at a time"
            remedy = "use a longer recording, or train a model that masks padding (`genrezoo list`)"
            raise DataError(f"{what} and does not mask padding", remedy=remedy)
        warnings.append(f"shorter than the {length} segments that the model reads at a time: padded")
    starts = chunk_starts(len(x), length, step)
    logits = _logits(run, x, starts, length)
    whole = rule is None and recipe.chunks is None and _any_length(run)
    if whole and len(x) > MOST_SEGMENTS:
        warnings.append(f"longer than {MOST_SEGMENTS:,} segments: the answer is the mean of the windows")
        whole = False
    if whole:
        rule, probabilities = None, softmax(_logits(run, x, np.zeros(1, np.int64), len(x)))[0]
    else:
        rule = rule or (recipe.chunks.rule if recipe.chunks else "mean")
        combined = aggregate(log_softmax(logits)[None].astype(np.float32), rule=rule)
        probabilities = softmax(np.asarray(combined))[0]
    return Prediction(
        path=Path(),
        genres=run.genres,
        probabilities=probabilities.astype(np.float32),
        rule=rule,
        starts=edges[starts],
        ends=edges[np.minimum(starts + length, len(x))],
        windows=softmax(logits).astype(np.float32),
        warnings=tuple(warnings),
    )


def audio_settings(run: Run) -> tuple[FeatureSettings, list[int] | None]:
    """How the features of a run's training songs were computed from audio.

    Returns:
        The settings, and which of their columns the songs had; None for all of them in their order.

    Raises:
        DataError: The run was trained on songs that were not made from audio, or whose features are not those that the
            settings give.
    """
    trained = run.card.songs
    about = trained.get("about") or {}
    stated = about.get("features")
    remedy = "make features with `genrezoo data build` and train on them"
    if not isinstance(stated, Mapping):
        what = f"it is not known how the features of {str(trained.get('name'))!r} were computed from audio"
        raise DataError(
            f"the run was trained on songs without feature settings: {what}", path=run.folder, remedy=remedy
        )
    settings = feature_settings(stated)
    if len(run.card.input_shape) == 3:  # an image has no columns
        return settings, None
    own, number = list(settings.names), trained.get("features")
    named = about.get("feature_names") or own
    names = [str(name) for name in named] if isinstance(named, list) else []
    if len(names) != number or not set(names) <= set(own):
        unknown = sorted(set(names) - set(own))[:3] or "as many"
        what = f"the run was trained on {number} features, of which {settings.kind} does not make {unknown}"
        raise DataError(f"{what}: it makes {len(own)}", path=run.folder, remedy=remedy)
    if names == own:
        return settings, None
    return settings, [own.index(name) for name in names]


def find_audio(paths: str | Path | Iterable[str | Path]) -> tuple[list[Path], dict[Path, str]]:
    """Files, folders and shell patterns as files.

    Of a folder all files are taken, those of its folders too, but hidden ones and those that are known not to be audio
    by their endings (``.txt``, ``.csv``, ``.jpg``, …).

    Args:
        paths: One of them, or several.

    Returns:
        The files, each once, in the order given, those of a folder or a pattern sorted; and the reason why something
        named, which is among them too, holds no file.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "b.mp3").touch(), (folder / "a.wav").touch(), (folder / "notes.txt").touch()
        >>> [path.name for path in find_audio(folder)[0]], [path.name for path in find_audio(folder / "*.txt")[0]]
        (['a.wav', 'b.mp3'], ['notes.txt'])
    """
    files: dict[Path, None] = {}
    reasons: dict[Path, str] = {}
    for given in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        pattern = not os.path.lexists(given) and glob.has_magic(str(given))
        named = [Path(match) for match in sorted(glob.glob(str(given), recursive=True))] if pattern else [given]
        found: list[Path] = []
        for path in named:
            try:
                inside = walk_files(path) if path.is_dir() else []
                found += [file for file in inside if file.suffix.lower() not in NOT_AUDIO] if path.is_dir() else [path]
            except DataError as error:
                reasons[path] = str(DataError(error.what, where=error.where, remedy=error.remedy))
                found.append(path)
        if not found:
            reasons[given] = "no audio file in it" if given.is_dir() else "no file matches"
            found.append(given)
        files.update(dict.fromkeys(found))
    return list(files), reasons


def _predict_files(
    paths: str | Path | Iterable[str | Path],
    settings: FeatureSettings,
    genres: tuple[str, ...],
    answer: Callable[[Features], Prediction],
    *,
    cache: str | Path | None,
    workers: int | None,
    strict: bool,
    on_start: Callable[[int], None] | None,
    on_file: Callable[[Path, str | None], None] | None,
) -> list[Prediction]:
    """The answer to each file, or why there is none."""
    files, reasons = find_audio(paths)
    extracted = extract_files(
        [path for path in files if path not in reasons],
        settings, cache=cache, workers=workers, strict=strict, on_start=on_start, on_file=on_file,
    )  # fmt: skip
    reasons = {**reasons, **extracted.rejected}
    predictions = []
    for path in files:
        try:
            if path in reasons:
                raise DataError(reasons[path], path=path)
            found = answer(extracted.features(path))
        except DataError as error:
            if strict:
                raise DataError(error.what, path=path, where=error.where, remedy=error.remedy) from error
            reason = str(DataError(error.what, where=error.where, remedy=error.remedy))
            predictions.append(Prediction.refused(path, genres, reason))
            continue
        warnings = (*extracted.warnings.get(path, ()), *found.warnings)
        predictions.append(dataclasses.replace(found, path=path, warnings=warnings))
    return predictions


def _tag_logits(network: Any, x: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Logits of windows of a recording, ``(n_windows, n_labels)``, in batches that were compiled for few sizes."""
    parts = []
    for first in range(0, len(starts), TAGGER_BATCH):
        begin = starts[first : first + TAGGER_BATCH]
        full = 1 << (len(begin) - 1).bit_length()
        padded = np.append(begin, np.repeat(begin[:1], full - len(begin)))
        parts.append(np.asarray(network.predict_on_batch(x[padded[:, None] + np.arange(length)]))[: len(begin)])
    return np.concatenate(parts)


def _check_seconds(window: float | None, hop: float | None) -> None:
    for name, seconds in (("window", window), ("hop", hop)):
        if seconds is not None and not 1e-3 <= seconds <= 1e6:
            raise SettingsError(f"{name} must be from 0.001 to 1,000,000 seconds, got {seconds}")
    if window is not None and hop is not None and hop > window:
        raise SettingsError(f"hop must be at most the window, got {hop} and {window} s: the rest would not be read")


def _check_times(run: Run, window: float | None, hop: float | None) -> None:
    _check_seconds(window, hop)
    recipe = run.card.recipe
    if window is not None and (recipe.chunks is not None or not _any_length(run)):
        length = "images" if _reads_images(run) else f"{run.card.input_shape[0]} segments at a time"
        raise SettingsError(f"window cannot be chosen: {recipe.name} was trained on {length}")
    if hop is not None and _reads_images(run):
        raise SettingsError(f"hop cannot be chosen: {recipe.name} was trained on images, which follow each other")


def _window(run: Run, features: Features, window: float | None, hop: float | None) -> tuple[int, int]:
    """Segments of a window, and from one to the next."""
    recipe, n_segments = run.card.recipe, len(features.x)
    if _reads_images(run):
        return 1, 1
    per_second = n_segments / (features.edges[-1] - features.edges[0])
    if recipe.chunks:
        length, step = recipe.chunks.segments, recipe.chunks.hop
    else:
        length = run.card.input_shape[0]
        if _any_length(run):
            wanted = max(1, round((window or WINDOW) * per_second))
            length = min(wanted if window else min(wanted, length), n_segments)
        step = max(1, round(length / 4))
    if hop is not None:
        step = max(1, round(hop * per_second))
        if step > length and n_segments > length:
            what = f"hop of {hop} s is {step} segments of this recording, more than the {length} of a window"
            raise DataError(f"{what}: the rest would not be read", remedy="use a smaller hop")
    return length, step


def _any_length(run: Run) -> bool:
    return not _reads_images(run) and handles(run.card.recipe)[1]


def _reads_images(run: Run) -> bool:
    return len(run.card.input_shape) == 3


def _logits(run: Run, x: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Logits of windows of a recording, ``(n_windows, n_genres)``, so many at a time that memory stays small."""
    images = _reads_images(run)
    size = max(1, _BLOCK_BYTES // (4 * length * math.prod(x.shape[1:])))
    parts = []
    for first in range(0, len(starts), size):
        begin = starts[first : first + size]
        if images:
            block, lengths = x[begin], np.full(len(begin), x.shape[1])
        else:
            block = x[np.minimum(begin[:, None] + np.arange(length), len(x) - 1)]  # (windows, segments, features)
            lengths = np.minimum(len(x) - begin, length)
        songs = SongSet(
            x=block, y=np.zeros(len(begin), np.int64), genres=run.genres, lengths=lengths, name="recording",
            kind="image" if images else "segments",
        )  # fmt: skip
        parts.append(run.logits(songs))
    return np.concatenate(parts)
