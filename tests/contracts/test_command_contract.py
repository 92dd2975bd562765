"""Every command keeps the contract; each check fails for a command that breaks it."""

from typing import Annotated

import pytest
import typer
from command_contract import command_checks, commands_of

from genrezoo.cli import app

CHECKS = dict(command_checks())


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("words", commands_of(app), ids=" ".join)
def test_command(words, check):
    CHECKS[check]((app, words))


def test_the_commands_are_found():
    assert {" ".join(words) for words in commands_of(app)} >= {"list", "train", "data describe", "benchmark"}


def no_help():
    pass


def no_example(path: Annotated[str, typer.Argument(help="A file.")]):
    """Does something."""


def mute_option(path: str):
    """Does something.

    Example: genrezoo broken a.npz
    """


def takes_anything(context: typer.Context):
    """Does something.

    Example: genrezoo broken
    """


@pytest.mark.parametrize(
    ("check", "broken", "message"),
    [
        ("help", no_help, "does not say"),
        ("example", no_example, "no line 'Example: genrezoo broken"),
        ("options", mute_option, "path says nothing"),
        ("usage", takes_anything, "exit code 0"),
    ],
)
def test_a_broken_command_is_caught(check, broken, message):
    application = typer.Typer()
    application.callback()(lambda: None)
    application.command("broken", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(broken)
    with pytest.raises(AssertionError, match=message):
        CHECKS[check]((application, ["broken"]))


def test_every_check_has_a_broken_member():
    rows = test_a_broken_command_is_caught.pytestmark[0].args[1]
    assert {row[0] for row in rows} == set(CHECKS)
