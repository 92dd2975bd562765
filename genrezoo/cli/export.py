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
    format: Annotated[str, typer.Argument(metavar="FORMAT", help="onnx, keras, saved_model, litert or openvino.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; of saved_model a folder.")],
    data: Annotated[
        str | None, typer.Option(help="Songs to compare the file on, besides random ones: a path or a data set's name.")
    ] = None,
    split: Annotated[str, typer.Option(help="Which of them; of songs without a split all are taken.")] = "test",
    embedding: Annotated[bool, typer.Option("--embedding", help="Leave the output layer out.")] = False,
    layer: Annotated[
        str | None, typer.Option(help="Layer that ends the embedding; what the output layer reads if left out.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the file knows of itself as JSON.")] = False,
) -> None:
    """Export a trained model as one file from raw features to logits.

    The file is compared with the model before it is kept: on random songs, of several lengths and with padding where
    the model allows them, and on the songs of --data. If an answer differs by more than a ten-thousandth of the largest
    one, nothing is written and the command says where.

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
        f"[bold]{escape(shown_path(file))}[/] ({file.stat().st_size / 1e6:.1f} MB): {escape(found.name)}, differs by "
        f"at most {parity.largest_difference:.1e} of the largest answer ({parity.tolerance:.0e} is allowed) on "
        f"{parity.songs - parity.real_songs} random songs{escape(real)}",
        highlight=False,
        soft_wrap=True,
    )
