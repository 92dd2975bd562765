"""What every command of the command line must do, as named checks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import typer
from click.testing import CliRunner

Command = tuple[typer.Typer, list[str]]


def command_checks() -> Iterator[tuple[str, Callable[[Command], None]]]:
    """The checks, by name. Each takes the application and the command's words."""
    yield "help", check_help
    yield "example", check_example
    yield "options", check_options
    yield "usage", check_usage


def commands_of(app: typer.Typer) -> list[list[str]]:
    """The words of every command that does something, groups walked through."""

    def walk(command: Any, words: list[str]) -> Iterator[list[str]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield words
            return
        for name in sorted(inner):
            yield from walk(inner[name], [*words, name])

    return list(walk(_built(app), []))


def check_help(command: Command) -> None:
    """``--help`` works and begins with what the command does."""
    answer = _run(command, "--help")
    assert answer.exit_code == 0, answer.output
    assert _of(command).help, "does not say what it does"


def check_example(command: Command) -> None:
    """The help shows an example that calls this very command."""
    app, words = command
    wanted = " ".join(["Example: genrezoo", *words])
    assert wanted in " ".join((_of(command).help or "").split()), f"no line '{wanted} …'"


def check_options(command: Command) -> None:
    """Every argument and option says what it is for."""
    for parameter in _of(command).params:
        assert getattr(parameter, "help", None), f"{parameter.name} says nothing"


def check_usage(command: Command) -> None:
    """An option that does not exist ends with exit code 2."""
    answer = _run(command, "--no-such-option")
    assert answer.exit_code == 2, f"exit code {answer.exit_code}"


@functools.cache
def _built(app: typer.Typer) -> Any:
    return typer.main.get_command(app)


def _run(command: Command, *words: str) -> Any:
    return CliRunner().invoke(_built(command[0]), [*command[1], *words])


def _of(command: Command) -> Any:
    found = _built(command[0])
    for word in command[1]:
        found = found.commands[word]
    return found
