"""``genrezoo demo``: a page on this machine to try models on."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from genrezoo.cli.options import interrupt
from genrezoo.cli.weights import fetch_shown
from genrezoo.lazy import load_keras
from genrezoo.weights import WEIGHTS

LOCAL = ("127.0.0.1", "localhost", "::1")
"""Hosts that only this machine reaches."""


def demo(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Run folders, exported models (.onnx), names of weights; the weights in the cache if left out.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; with 0.0.0.0 other machines reach the page.")
    ] = LOCAL[0],
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port; the first free one from 7860 if left out.")
    ] = None,
    max_mb: Annotated[float, typer.Option("--max-mb", help="Megabytes that a file may have.")] = 50.0,
    max_seconds: Annotated[float, typer.Option("--max-seconds", help="Seconds that a recording may last.")] = 900.0,
) -> None:
    """Show a page in the browser to try models on: drop a recording, see its genre as a whole and over time.

    Files of any format that `genrezoo predict` reads, or a recording from the microphone; two models side by side; the
    answer as JSON. Uploads are checked as all audio files are, stay on this machine, and are removed when the page is
    closed. The page loads nothing from the network, and only this machine reaches it unless --host says otherwise: it
    has no passwords. Ctrl-C ends it. Needs the extra `demo`.

    Example: genrezoo demo vgg_tagger.msd runs/mel
    """
    from genrezoo.demo.models import cached_models, open_models  # here, so that --help does not wait for them
    from genrezoo.demo.page import check_address, check_gradio, serve
    from genrezoo.demo.upload import Limits

    limits = Limits(max_mb, max_seconds)
    check_gradio()
    check_address(host, port)
    names = models or cached_models()
    published = [name for name in names if not Path(name).exists() and name in WEIGHTS.names()]
    for name in published:
        fetch_shown(name)
    if published or any(Path(name).is_dir() for name in names):  # an exported model needs no Keras
        load_keras()
    console = Console(stderr=True)
    if host not in LOCAL:
        what = f"everybody who reaches {host} can use the page; it has no passwords and no encryption"
        console.print(f"[yellow]warning:[/] {escape(what)}", highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, interrupt)  # what was uploaded is removed
    serve(
        open_models(names), host=host, port=port, limits=limits,
        on_model=lambda name: console.print(f"loading {escape(name)}", highlight=False),
        on_start=lambda address: typer.echo(f"{address} (Ctrl-C ends it)"),
    )  # fmt: skip
