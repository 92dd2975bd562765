"""Exports of trained models. Each is compared with its model before it is written."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genrezoo import files
from genrezoo.errors import GenrezooError, ResourceError, SettingsError, check_known, check_type, is_scarce
from genrezoo.lazy import load_keras
from genrezoo.songs import SongSet

if TYPE_CHECKING:
    from genrezoo.exported import Metadata
    from genrezoo.exporting.formats import Format
    from genrezoo.exporting.parity import Answers
    from genrezoo.exporting.source import Source
    from genrezoo.runs import Run

__all__ = ["converted", "export"]


def export(
    source: Run | str | Path,
    format: str,
    path: str | Path,
    *,
    songs: SongSet | None = None,
    embedding: bool = False,
    layer: str | None = None,
    overwrite: bool = False,
) -> Metadata:
    """Exports a trained model as one file from raw features to logits.

    The file is compared with the model on random songs, and on ``songs`` if they are passed, before it is written.

    Args:
        source: A run, its folder, or the name of published weights.
        format: ``"onnx"``; or ``"keras"``, ``"saved_model"`` (a folder), ``"litert"`` or ``"openvino"`` (a file .xml
            and one .bin beside it).
        path: The file to write.
        songs: Songs to compare on besides random ones, with the same features as the run's training songs.
        embedding: Export the model without its output layer.
        layer: The layer whose output is the embedding; what the output layer reads if left out.
        overwrite: Replace existing files of these names, or the folder of an earlier export. Other folders stay.

    Returns:
        The metadata of the file, with the largest difference between its answers and the model's.

    Raises:
        UnknownNameError: There is no such format, there are no such weights, or no such layer.
        SettingsError: A package is missing, or the model cannot be expressed in the format.
        DataError: The run folder is damaged, the target exists, or the answers of the export differ from the model's.
        ResourceError: The disk is full.

    Example:
        >>> import tempfile, genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_train=60, n_valid=20, n_test=20, n_segments=8, seed=1)
        >>> recipe = gz.get_recipe("fully_connected").changed({"epochs": 1})
        >>> folder = Path(tempfile.mkdtemp())
        >>> run = gz.train(recipe, songs, seed=1, out=folder / "run")
        >>> export(run, "onnx", folder / "run.onnx", songs=songs.split("test")).parity.real_songs
        20
    """
    load_keras()
    from genrezoo.exporting.formats import FORMATS, check_format, check_target
    from genrezoo.exporting.parity import compare
    from genrezoo.exporting.source import open_source

    check_known("format", [format], FORMATS)
    path = files.checked_path(path)
    kind = check_format(format, path)
    check_target(kind, path, overwrite=overwrite)
    if songs is not None:
        check_type("songs", songs, SongSet, "a SongSet (see genrezoo.load_songs)")
    opened = open_source(source, embedding=embedding, layer=layer)
    if songs is not None and (opened.run is None or embedding):
        raise SettingsError("songs are compared by the logits of a run; leave `songs` out for weights and embeddings")
    if songs is not None and opened.run is not None:
        opened.run.check(songs)
    with tempfile.TemporaryDirectory() as folder:
        made, answers = converted(opened, format, kind, Path(folder))
        parity = compare(opened, answers, songs=songs)
        metadata = opened.metadata(parity)
        for ending, content in kind.finish(made, metadata).items():
            target = path.with_suffix(ending) if ending else path
            if isinstance(content, bytes):
                files.write_atomic(target, content)
            else:
                files.copy_folder(content, target)
    return metadata


def converted(source: Source, name: str, format: Format, folder: Path) -> tuple[Any, Answers]:
    """Converts a model to a format.

    Args:
        source: The model.
        name: Name of the format.
        format: The format.
        folder: An empty folder.

    Returns:
        The result of `Format.write`, and a function that computes its answers.

    Raises:
        SettingsError: The model cannot be expressed in the format.
        ResourceError: The disk is full.
    """
    from genrezoo.exporting.parity import random_songs, sizes

    try:
        made = format.write(source, folder)
        answers = format.answers(made)
        size, length = next(sizes(source))
        answers(random_songs(source, size, length, np.random.default_rng(0)))  # some converters fail only here
    except GenrezooError:
        raise
    except Exception as error:  # converters of other packages share no class of errors
        reason = " ".join(str(error).split()) or type(error).__name__
        if is_scarce(error):
            raise ResourceError(f"the export cannot be written: {reason}. Remedy: free some space.") from error
        shown = f"{reason[:300]}{'…' * (len(reason) > 300)}"
        raise SettingsError(f"{source.reading.name} cannot be expressed in format {name!r}: {shown}") from error
    return made, answers
