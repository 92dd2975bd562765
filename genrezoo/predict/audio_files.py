"""The audio files that are named, the features that a model needs of them, and the answer to each file."""

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
    """How the features that a model reads are computed from audio.

    Returns:
        The settings, and which of their columns it reads; None for all of them in their order.

    Raises:
        DataError: It was trained on songs that were not made from audio, or whose features are not those that the
            settings give.
    """
    reading = model.reading
    remedy = "make features with `genrezoo data build` and train on them"
    if reading.features is None:
        what = f"{reading.name} was trained on songs without feature settings ({reading.trained_on})"
        raise DataError(f"{what}, so its features cannot be computed from audio", path=model.where, remedy=remedy)
    settings = feature_settings(reading.features)
    if reading.kind == "image":  # an image has no columns
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
    found = dict(iterate_audio(paths))
    return list(found), {path: reason for path, reason in found.items() if reason is not None}


def iterate_audio(paths: str | Path | Iterable[str | Path]) -> Iterator[tuple[Path, str | None]]:
    """Yields what `find_audio` returns, so that the files of one folder need no memory.

    Args:
        paths: As in `find_audio`.

    Yields:
        Each file once, with None, and what is named but holds no file, with the reason.
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
    """A file, or those below a folder; folders in it that cannot be read, with the reason."""
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
    cache: str | Path | None,
    workers: int | None,
    scheduler: str | None,
    strict: bool,
    on_start: Callable[[int], None] | None,
    on_file: Callable[[Path, str | None], None] | None,
) -> list[Prediction]:
    """The answer to each file, or why there is none.

    Args:
        paths: As in `predict_audio`, as all that follows.
        settings: What features to compute.
        genres: Names of the answers.
        answer: Makes a prediction of the features of a recording.
        cache: Folder where features are kept.
        workers: Processes that compute features.
        scheduler: Address of a Dask scheduler whose workers compute them.
        strict: Stop at the first file that cannot be predicted.
        on_start: Called with the number of files.
        on_file: Called with each file.

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
