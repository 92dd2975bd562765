"""``genrezoo report``: tables and page from rows, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genrezoo.cli.options import results_console


def report(
    folders: Annotated[list[Path], typer.Argument(help="Folders made by `genrezoo benchmark`.")],
    out: Annotated[Path | None, typer.Option(help="Where to write; report/ in the first folder if left out.")] = None,
) -> None:
    """Render the leaderboard again from rows and predictions: HTML, Markdown, CSV and figures.

    Example: genrezoo report benchmark-quick
    """
    from genrezoo import report  # here, so that --help does not wait for matplotlib

    page = report.render(folders, out)
    report.print_leaderboard(folders, results_console())
    typer.echo(f"report: {page}")
