"""``genrezoo export``: a trained model as a file that needs no TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from genrezoo.cli.options import results_console, shown_path
from genrezoo.cli.weights import fetch_shown
from genrezoo.lazy import load_keras
from genrezoo.weights import WEIGHTS


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or the name of published weights.")],
    format: Annotated[
        str, typer.Argument(metavar="FORMAT", help="Format of the file: onnx, keras, saved_model, litert or openvino.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; saved_model writes a folder.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Compare file and model on these songs too: a path or a data set's name (default: only random songs)."
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Split of --data to compare on; all songs are used if they have no split.")
    ] = "test",
    embedding: Annotated[
        bool, typer.Option("--embedding", help="Export the embedding: the model without its output layer.")
    ] = False,
    layer: Annotated[
        str | None, typer.Option(help="Layer whose output is the embedding (default: the input of the output layer).")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metadata of the file as JSON.")] = False,
) -> None:
    """Export a trained model as one file from raw features to logits.

    The exported model is compared with the original before the file is written: on random songs, of several lengths and
    with padding if the model allows it, and on the songs of --data. If any logit differs by more than 1e-4 of the
    largest, nothing is written and the command reports the difference.

    Example: genrezoo export runs/lstm-1 onnx lstm.onnx --data songs.npz
    """
    published = not run.exists() and str(run) in WEIGHTS.names()
    if published:
        fetch_shown(str(run))
    load_keras()
    import genrezoo as gz

    songs = None if data is None else gz.load_songs(data)
    if songs is not None and songs.splits:
        songs = songs.split(split)
    source = str(run) if published else run
    found = gz.export(source, format, file, songs=songs, embedding=embedding, layer=layer, overwrite=overwrite)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    parity = found.parity
    real = f" and {parity.real_songs} of {data}" if parity.real_songs else ""
    results_console().print(
        f"[bold]{escape(shown_path(file))}[/] ({bytes_of(file) / 1e6:.1f} MB): {escape(found.name)}, differs by "
        f"at most {parity.largest_difference:.1e} of the largest answer ({parity.tolerance:.0e} is allowed) on "
        f"{parity.songs - parity.real_songs} random songs{escape(real)}",
        highlight=False,
        soft_wrap=True,
    )


def bytes_of(exported: Path) -> int:
    """Size of an exported model: of all files of a folder, and of the weights that OpenVINO keeps in a second file."""
    parts = list(exported.rglob("*")) if exported.is_dir() else [exported]
    if exported.suffix == ".xml":
        parts.append(exported.with_suffix(".bin"))
    return sum(part.stat().st_size for part in parts if part.is_file())
