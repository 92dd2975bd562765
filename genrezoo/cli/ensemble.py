"""``genrezoo ensemble``: an average of models that are trained already, selected by their stored predictions."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from genrezoo.cli.options import parse_changes, results_console, shown_path


class Members(StrEnum):
    """Which models may become members."""

    zoo = "zoo"
    baselines = "baselines"
    all = "all"


def ensemble(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS…", help="Benchmark folders or run folders; all of the same songs.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write the ensemble to.")],
    models: Annotated[
        list[str] | None,
        typer.Option(
            help="Consider only recipes and baselines of this name or pattern; may be repeated (default: all)."
        ),
    ] = None,
    family: Annotated[
        Members, typer.Option(help="Select from the zoo's models, from the scikit-learn baselines, or from all.")
    ] = Members.zoo,
    data: Annotated[
        str | None, typer.Option(help="Name or checksum of the songs; needed only if RESULTS hold several data sets.")
    ] = None,
    songs: Annotated[
        str | None, typer.Option(help="Songs that the models were trained on (default: the songs stored in RESULTS).")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the selection; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the selection.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the selected members as JSON.")] = False,
) -> None:
    """Select an ensemble greedily from trained models, by their stored predictions for held-out songs.

    If all members are models of the zoo, OUT is a run folder: the ensemble predicts and is exported like any other run.
    If a baseline is among them, OUT holds the ensemble's predictions and a row for `genrezoo report`. The test songs
    are used only once, to evaluate the finished ensemble.

    --set takes score (log_loss or accuracy), bags, fraction, start, steps, and most (the largest number of members).

    Example: genrezoo ensemble results --models 'lstm*' --models conv_in_time --set most=5 --out runs/greedy
    """
    import genrezoo as gz  # here, so that --help does not wait for it

    found = gz.greedy_ensemble(
        results,
        models=models,
        family=family.value,
        data=data,
        songs=None if songs is None else gz.load_songs(songs),
        settings=parse_changes(settings or []),
        seed=seed,
        out=out,
    )
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    console = results_console()
    table = Table("member", box=None, header_style="bold")
    for title in ("weight", "accuracy", "log loss"):
        table.add_column(title, justify="right")
    for name, weight in found.weights.items():
        own = found.members[name]
        table.add_row(escape(name), f"{weight:.3f}", f"{own.accuracy:.4f}", f"{own.log_loss:.4f}")
    for name, scores in (("ensemble", found.seen), ("ensemble, weights of other songs", found.unseen)):
        table.add_row(f"[bold]{name}[/]", "", f"{scores.accuracy:.4f}", f"{scores.log_loss:.4f}")
    where = {"valid": "validation songs", "out_of_fold": "training and validation songs, out of fold"}
    console.print(
        f"Selected from {len(found.candidates)} models by {found.n_songs:,} {where[found.selected_on]}:",
        highlight=False,
        soft_wrap=True,
    )
    console.print(table)
    console.print(
        f"on the test songs: accuracy {found.test.accuracy:.4f}, macro F1 {found.test.macro_f1:.4f}, "
        f"log loss {found.test.log_loss:.4f}",
        highlight=False,
        soft_wrap=True,
    )
    if found.not_exported_because:
        what = f"predictions and a row, and no model to export, because {found.not_exported_because}"
    else:
        what = "a run"
    console.print(f"{escape(shown_path(out))}: {escape(what)}", highlight=False, soft_wrap=True)
