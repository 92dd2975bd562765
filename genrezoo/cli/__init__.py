"""The command line: one file per command, each a thin layer over one function of the package.

Exit codes: 0 done, 1 failed, 2 bad usage or bad input. What a user can cause ends in one line, never in a traceback.
"""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
import warnings
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

import genrezoo
from genrezoo.cli.options import interrupt, shown_text
from genrezoo.errors import GenrezooError, GenrezooWarning, ResourceError, is_scarce

INTERRUPTED = 130
"""What Typer exits with on Ctrl-C, before anybody else sees the interrupt."""

COMMANDS = {
    "list": "listing.list_members",
    "show": "show.show",
    "weights": "weights.app",
    "data": "data.app",
    "train": "train.train",
    "evaluate": "evaluate.evaluate",
    "predict": "predict.predict",
    "demo": "demo.demo",
    "export": "export.export",
    "plot": "plot.app",
    "card": "card.card",
    "tune": "tune.tune",
    "benchmark": "benchmark.benchmark",
    "report": "report.report",
    "ensemble": "ensemble.ensemble",
}
"""Where each command is: a function, or a group of commands. A command's file is imported when it is called."""


def application(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with all commands, or with some."""
    made = typer.Typer(
        name="genrezoo",
        help="Classify music by genre: look up, train, tune, compare and export models.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_options)
    for name in names:
        module, member = COMMANDS[name].split(".")
        command = getattr(importlib.import_module(f"genrezoo.cli.{module}"), member)
        if isinstance(command, typer.Typer):
            made.add_typer(command, name=name)
        else:
            made.command(name)(command)
    return made


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["app"] = application()
    return globals()["app"]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"genrezoo {genrezoo.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Classify music by genre: look up, train, tune, compare and export models."""


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):  # a name need not be UTF-8
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _show_warning
    _shown.clear()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # to look for some takes as long as to predict
    # A shell script starts its background jobs with SIGINT ignored; `kill -INT` should end those as cleanly as Ctrl-C.
    signal.signal(signal.SIGINT, interrupt)
    try:
        application([word for word in sys.argv[1:2] if word in COMMANDS] or COMMANDS)()
    except GenrezooError as error:
        _tell("[bold red]error:[/]", str(error))
        sys.exit(1 if isinstance(error, ResourceError) else 2)
    except MemoryError as error:
        _tell("[bold red]error:[/]", f"not enough memory ({error}). Remedy: use fewer songs or a smaller model.")
        sys.exit(1)
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        if error.filename is None and not is_scarce(error):
            raise
        place = "" if error.filename is None else f"{error.filename}: "
        _tell("[bold red]error:[/]", f"{place}{error.strerror}. Remedy: use another path, or free some space.")
        sys.exit(1 if is_scarce(error) else 2)
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        _tell("", "interrupted; run the same command to continue")
        sys.exit(1)


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    """Ours in a line, once, though each fold may repeat it; of others' warnings, which are about code, none."""
    if issubclass(category, GenrezooWarning) and str(message) not in _shown:
        _shown.add(str(message))
        _tell("[yellow]warning:[/]", str(message))


_shown: set[str] = set()


def _tell(mark: str, text: str) -> None:
    text = text if len(text) <= 4000 else f"{text[:2000]} … {text[-1000:]}"
    Console(stderr=True).print(f"{mark} {escape(shown_text(text))}".strip(), highlight=False, soft_wrap=True)
