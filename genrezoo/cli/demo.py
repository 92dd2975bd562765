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
            help="Run folders, exported models (.onnx) or names of weights (default: the weights in the cache).",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines reach the page.")
    ] = LOCAL[0],
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port to listen on (default: the first free port from 7860).")
    ] = None,
    max_mb: Annotated[float, typer.Option("--max-mb", help="Largest accepted file, in megabytes.")] = 50.0,
    max_seconds: Annotated[
        float, typer.Option("--max-seconds", help="Longest accepted recording, in seconds.")
    ] = 900.0,
) -> None:
    """Serve a web page to try models: drop a recording and see its genre, as a whole and over time.

    The page takes every audio format that `genrezoo predict` reads and recordings from the microphone, compares two
    models side by side, and offers the predictions as JSON. Uploads are validated like all audio files, stay on this
    machine, and are deleted when the page is closed. The page loads nothing from the network. It has no passwords, so
    only this machine can reach it unless --host allows others. Press Ctrl-C to stop. Needs the extra `demo`.

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
        what = f"everyone who can reach {host} can use the page; it has no passwords and no encryption"
        console.print(f"[yellow]warning:[/] {escape(what)}", highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, interrupt)  # what was uploaded is removed
    serve(
        open_models(names), host=host, port=port, limits=limits,
        on_model=lambda name: console.print(f"loading {escape(name)}", highlight=False),
        on_start=lambda address: typer.echo(f"{address} (press Ctrl-C to stop)"),
    )  # fmt: skip
