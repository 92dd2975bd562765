"""The command line: one file per command, each a thin layer over one function of the package.

Exit codes: 0 done, 1 failed, 2 bad usage or bad input. What a user can cause ends in one line, never in a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console

import genrezoo
from genrezoo.cli import benchmark, data, evaluate, listing, plot, predict, report, show, train, tune
from genrezoo.errors import GenrezooError, ResourceError, is_scarce

INTERRUPTED = 130
"""What Typer exits with on Ctrl-C, before anybody else sees the interrupt."""

app = typer.Typer(
    name="genrezoo",
    help="Tell a song's genre from its sound: look up, train, tune and compare models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(listing.list_members)
app.command("show")(show.show)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.add_typer(plot.app, name="plot")
app.command("tune")(tune.tune)
app.command("benchmark")(benchmark.benchmark)
app.command("report")(report.report)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"genrezoo {genrezoo.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Tell a song's genre from its sound: look up, train, tune and compare models."""


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    console = Console(stderr=True)
    # A shell script starts its background jobs with SIGINT ignored; `kill -INT` should end those as cleanly as Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    except GenrezooError as error:
        console.print(f"[bold red]error:[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1 if isinstance(error, ResourceError) else 2)
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        elif is_scarce(error):
            console.print(f"[bold red]error:[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
        else:
            raise
        sys.exit(1)
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        console.print("interrupted; the same command continues from here")
        sys.exit(1)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
