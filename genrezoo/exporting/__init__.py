"""Exports of trained models, each compared with the model that it was made from before it is kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genrezoo import files
from genrezoo.errors import DataError, GenrezooError, SettingsError, check_known, check_type
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
        songs: Songs to compare on besides random ones: with the features of those that the run was trained on.
        embedding: Export the model without its output layer.
        layer: The layer whose output is the embedding; what the output layer reads if left out.
        overwrite: Replace a file that is there.

    Returns:
        What the file knows of itself, with how near its answers are to the model's.

    Raises:
        UnknownNameError: There is no such format, there are no such weights, or no such layer.
        SettingsError: A package is missing, or the model cannot be expressed in the format.
        DataError: The run folder is damaged, the file exists, or its answers differ from the model's.

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
    from genrezoo.exporting.formats import FORMATS, check_format
    from genrezoo.exporting.parity import compare
    from genrezoo.exporting.source import open_source

    check_known("format", [format], FORMATS)
    path = files.checked_path(path)
    kind = check_format(format, path)
    if path.exists() and not overwrite:
        raise DataError("already exists", path=path, remedy="use another file, or overwrite it (overwrite=True)")
    if songs is not None:
        check_type("songs", songs, SongSet, "a SongSet (see genrezoo.load_songs)")
    opened = open_source(source, embedding=embedding, layer=layer)
    if songs is not None and (opened.run is None or embedding):
        raise SettingsError("songs to compare on are of a run's logits; leave them out")
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
    """What a format makes of a source, and what computes with it.

    Args:
        source: The model.
        name: Name of the format.
        format: The format.
        folder: An empty folder.

    Raises:
        SettingsError: The model cannot be expressed in the format.
    """
    from genrezoo.exporting.parity import random_songs, sizes

    try:
        made = format.write(source, folder)
        answers = format.answers(made)
        size, length = next(sizes(source))
        answers(random_songs(source, size, length, np.random.default_rng(0)))  # some fail no earlier
    except GenrezooError:
        raise
    except Exception as error:  # of converters that are not ours, which raise what they like
        reason = " ".join(str(error).split()) or type(error).__name__
        shown = f"{reason[:300]}{'…' * (len(reason) > 300)}"
        raise SettingsError(f"{source.reading.name} cannot be expressed in format {name!r}: {shown}") from error
    return made, answers
