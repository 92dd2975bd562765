"""The audio files that are named, the features that a model needs of them, and the answer to each file."""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Callable, Iterable
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
        what = f"it is not known how the features of {reading.trained_on!r} were computed from audio"
        what = f"{reading.name} was trained on songs without feature settings: {what}"
        raise DataError(what, path=model.where, remedy=remedy)
    settings = feature_settings(reading.features)
    if reading.kind == "image":  # an image has no columns
        return settings, None
    own = list(settings.names)
    names = list(reading.feature_names or own)
    if len(names) != reading.n_features or not set(names) <= set(own):
        unknown = sorted(set(names) - set(own))[:3] or "as many"
        what = f"{reading.name} was trained on {reading.n_features} features, of which {settings.kind} does not make"
        raise DataError(f"{what} {unknown}: it makes {len(own)}", path=model.where, remedy=remedy)
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


def predict_files(
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
    """The answer to each file, or why there is none.

    Args:
        paths: As in `predict_audio`, as all that follows.
        settings: What features to compute.
        genres: Names of the answers.
        answer: Makes a prediction of the features of a recording.
        cache: Folder where features are kept.
        workers: Processes that compute features.
        strict: Stop at the first file that cannot be predicted.
        on_start: Called with the number of files.
        on_file: Called with each file.

    Raises:
        DataError: With ``strict``, the first file that cannot be predicted.
    """
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
