"""``genrezoo report``: tables and pages from rows and journals, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genrezoo.cli.options import results_console
from genrezoo.errors import SettingsError
from genrezoo.trials import FILE


def report(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders written by `genrezoo benchmark`, `genrezoo tune` or `genrezoo train`.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write the report to (default: report/ in the first folder).")
    ] = None,
) -> None:
    """Render reports from stored results, without training: HTML, Markdown, CSV and figures.

    All benchmark folders are combined in one leaderboard. Each search folder gets its own page. Each run folder gets
    its own page with learning curves, the confusion matrix, scores per genre and the most confident mistakes.

    Example: genrezoo report benchmark-quick searches/a runs/lstm-1
    """
    searches = [folder for folder in folders if (folder / FILE).exists()]
    runs = [folder for folder in folders if (folder / "card.json").exists()]
    results = [folder for folder in folders if folder not in (*searches, *runs)]
    if out is not None and len(searches) + len(runs) + bool(results) > 1:
        raise SettingsError(
            "--out takes a single page, but these folders give several; leave --out out, or pass the folders one by one"
        )
    from genrezoo import report  # here, so that --help does not wait for matplotlib
    from genrezoo.runs import load_run

    pages = []
    if results:
        pages.append(report.render(results, out))
        report.print_leaderboard(results, results_console())
    for folder in searches:
        pages.append(report.render_search(folder, out))
        report.print_search(folder, results_console())
    for folder in runs:
        pages.append(report.render_run(load_run(folder), out))
    for page in pages:
        typer.echo(f"report: {page}")
