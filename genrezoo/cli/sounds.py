"""What ``genrezoo data inspect`` says of sound files: what each one is, or why it cannot be used."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from genrezoo.cli.options import progress_bar, results_console
from genrezoo.errors import DataError


def inspect_file(path: Path, *, as_json: bool) -> None:
    """Decodes one sound file and prints what it is.

    Raises:
        DataError: It cannot be used.
    """
    facts = _decode(path)
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    console = results_console()
    console.print(f"[bold]{escape(facts['path'])}[/]: {escape(_in_words(facts))}", soft_wrap=True)
    for warning in facts["warnings"]:
        console.print(f"[bold red]warning:[/] {escape(warning)}", soft_wrap=True)


def inspect_folder(folder: Path, *, as_json: bool) -> None:
    """Decodes the sound files below a folder and prints a row for each; exit code 2 if none can be used.

    Raises:
        DataError: There are none.
    """
    from genrezoo.datasets._sound import NO_SOUND, walk_files

    paths = [path for path in walk_files(folder) if path.suffix.lower() not in NO_SOUND]
    if not paths:
        raise DataError("holds no sound files", path=folder, remedy="name a folder of music")
    files = []
    with progress_bar() as progress:
        for path in progress.track(paths, description="decoding"):
            try:
                files.append(_decode(path))
            except DataError as error:
                place = f"{error.where}: " if error.where else ""
                files.append({"path": _name(path), "outcome": "refused", "reason": f"{place}{error.what}"})
    number = Counter(file["outcome"] for file in files)
    if as_json:
        counts = {outcome: number[outcome] for outcome in ("good", "flagged", "refused")}
        typer.echo(json.dumps({"folder": _name(folder), **counts, "files": files}, indent=2, ensure_ascii=False))
    else:
        table = Table("file", "what it is", "outcome")
        table.columns[0].overflow = "fold"  # a name cut short names nothing
        for path, facts in zip(paths, files, strict=True):
            bad = facts["outcome"] == "refused"
            outcome = facts["reason"] if bad else "; ".join(facts["warnings"]) or "good"
            what = "refused" if bad else _in_words(facts)
            table.add_row(escape(_name(path.relative_to(folder))), what, escape(outcome))
        console = results_console()
        console.print(table)
        console.print(f"{number['good']:,} good, {number['flagged']:,} with warnings, {number['refused']:,} refused")
    if number["refused"] == len(files):
        raise typer.Exit(2)


def _decode(path: Path) -> dict[str, Any]:
    """Everything about one file, which is decoded to its end in constant memory."""
    from genrezoo.audio.decode import SoundReader

    with SoundReader(path, rate=None) as sound:
        seconds = sum(len(block) for block in sound.blocks()) / sound.rate
        return {
            **sound.info.describe(),
            "path": _name(path),
            "decoded_seconds": round(seconds, 6),
            "outcome": "flagged" if sound.warnings else "good",
            "warnings": list(sound.warnings),
        }


def _in_words(facts: dict[str, Any]) -> str:
    channels = "mono" if facts["channels"] == 1 else f"{facts['channels']} channels"
    coding = f"{facts['format']} ({facts['subtype']})"
    return f"{coding}, {facts['rate']:,} Hz, {channels}, {facts['decoded_seconds']:,.2f} s"


def _name(path: Path) -> str:
    return os.fsencode(path).decode(errors="replace")  # a name need not be UTF-8
