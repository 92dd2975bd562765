"""``genrezoo card``: a model, published weights or a run described for people and for the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def card(
    run: Annotated[str, typer.Argument(help="Run folder, or name of a model or of published weights.")],
    out: Annotated[
        Path | None, typer.Option(help="Markdown file to write, as README.md; the terminal if left out.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Short name of the licence of a run's weights, as mit or cc-by-4.0.")
    ] = None,
) -> None:
    """Describe a model, published weights or a run as a model card in the form of the Hugging Face Hub.

    Example: genrezoo card runs/lstm-1 --licence mit --out runs/lstm-1/README.md
    """
    from genrezoo import cards, files  # here, so that --help does not wait for them

    text = cards.card(run, licence=licence)
    if out is None:
        typer.echo(text, nl=False)
        return
    files.write_text(out, text)
    typer.echo(f"card: {out}")
