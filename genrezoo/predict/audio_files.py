"""Finding audio files, computing the features that a model reads, and the prediction for each file."""

from __future__ import annotations

import dataclasses
import glob
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from genrezoo.audio.extract import extract_files
from genrezoo.audio.settings import Features, FeatureSettings, feature_settings
from genrezoo.datasets._audio import NOT_AUDIO, walk_files
from genrezoo.errors import DataError
from genrezoo.predict.prediction import Prediction
from genrezoo.reading import Answering


def audio_settings(model: Answering) -> tuple[FeatureSettings, list[int] | None]:
    """Returns the settings of the features that a model reads.

    Returns:
        The settings, and the columns that the model reads; None for all of them in their order.

    Raises:
        DataError: The model was trained on songs without feature settings, or on features that the settings do not
            compute.
    """
    reading = model.reading
    remedy = "make features with `genrezoo data build` and train on them"
    if reading.features is None:
        what = f"{reading.name} was trained on songs without feature settings ({reading.trained_on})"
        raise DataError(f"{what}, so its features cannot be computed from audio", path=model.where, remedy=remedy)
    settings = feature_settings(reading.features)
    if reading.kind == "image":  # images have no columns
        return settings, None
    own = list(settings.names)
    names = list(reading.feature_names or own)
    if len(names) != reading.n_features or not set(names) <= set(own):
        unknown = sorted(set(names) - set(own))[:3]
        others = f", without {', '.join(map(repr, unknown))}" if unknown else ""
        what = f"{reading.name} was trained on {reading.n_features} features, {settings.kind} computes {len(own)}"
        raise DataError(f"{what}{others}", path=model.where, remedy=remedy)
    return settings, None if names == own else [own.index(name) for name in names]


def find_audio(paths: str | Path | Iterable[str | Path]) -> tuple[list[Path], dict[Path, str]]:
    """Finds the audio files of paths, folders and shell patterns.

    A folder stands for all files in it and in its subfolders, without hidden files and files whose ending is known not
    to be audio (``.txt``, ``.csv``, ``.jpg``, …).

    Args:
        paths: One or several files, folders or patterns.

    Returns:
        The files, each once, in the order of ``paths``, those of a folder or a pattern sorted; and by path, for those
        of them that are folders or patterns without files, the reason.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "b.mp3").touch(), (folder / "a.wav").touch(), (folder / "notes.txt").touch()
        >>> [path.name for path in find_audio(folder)[0]], [path.name for path in find_audio(folder / "*.txt")[0]]
        (['a.wav', 'b.mp3'], ['notes.txt'])
    """
    found = dict(iterate_audio(paths))
    return list(found), {path: reason for path, reason in found.items() if reason is not None}


def iterate_audio(paths: str | Path | Iterable[str | Path]) -> Iterator[tuple[Path, str | None]]:
    """Yields what `find_audio` returns, so that the files of a large folder need no memory.

    Args:
        paths: As in `find_audio`.

    Yields:
        Each file once with None, and each path without files with the reason.
    """
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    seen: set[Path] = set()
    for one in given:
        pattern = not os.path.lexists(one) and glob.has_magic(str(one))
        named = [Path(match) for match in sorted(glob.glob(str(one), recursive=True))] if pattern else [one]
        several, nothing = len(given) > 1 or len(named) > 1, True
        for path, reason in itertools.chain.from_iterable(map(_files_of, named)):
            nothing = False
            if path not in seen:
                yield path, reason
            if several:
                seen.add(path)
        if nothing and one not in seen:
            yield one, "no audio file in it" if one.is_dir() else "no file matches"


def _files_of(path: Path) -> Iterator[tuple[Path, str | None]]:
    """Yields a file, or the files below a folder, and the subfolders that cannot be read with the reason."""
    if not os.path.isdir(path):  # unlike `Path.is_dir` it refuses no path
        yield path, None
        return
    problems: list[DataError] = []
    for file in walk_files(path, problems.append):
        if file.suffix.lower() not in NOT_AUDIO:
            yield file, None
    for problem in problems:
        yield Path(str(problem.path)), problem.reason


def predict_files(
    paths: str | Path | Iterable[str | Path],
    settings: FeatureSettings,
    genres: tuple[str, ...],
    answer: Callable[[Features], Prediction],
    *,
    cache: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    strict: bool = False,
    on_start: Callable[[int], None] | None = None,
    on_file: Callable[[Path, str | None], None] | None = None,
) -> list[Prediction]:
    """Predicts the genre of files.

    Args:
        paths: As in `predict_audio`.
        settings: Settings of the features.
        genres: Names of the model's answers.
        answer: Makes a prediction from the features of a recording.
        cache: As in `predict_audio`, like the arguments below.
        workers: Processes that compute features.
        scheduler: Address of a Dask scheduler whose workers compute them.
        strict: Raise an error for the first file that cannot be predicted.
        on_start: Called with the number of files.
        on_file: Called with each file.

    Returns:
        One prediction per file.

    Raises:
        DataError: With ``strict``, the first file that cannot be predicted.
    """
    files, reasons = find_audio(paths)
    extracted = extract_files(
        [path for path in files if path not in reasons],
        settings, cache=cache, workers=workers, scheduler=scheduler, strict=strict, on_start=on_start, on_file=on_file,
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
            predictions.append(Prediction.refused(path, genres, error.reason))
            continue
        warnings = (*extracted.warnings.get(path, ()), *found.warnings)
        predictions.append(dataclasses.replace(found, path=path, warnings=warnings))
    return predictions
