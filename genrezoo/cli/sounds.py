"""Commands of ``genrezoo data`` on sound files: what each one is, their table of features, their pictures."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from genrezoo.cli.options import file_progress, progress_bar, results_console
from genrezoo.errors import DataError

Music = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of sound files, a sub-folder a genre.")]
Cache = Annotated[
    Path | None, typer.Option(help="Folder of the feature cache; $GENREZOO_CACHE or ~/.cache/genrezoo if left out.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Files at a time; all cores if left out.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first file that cannot be used.")]


class Scale(StrEnum):
    """Kinds of picture."""

    log_db = "log_db"
    linear = "linear"
    log = "log"


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
    from genrezoo.datasets.sound import NO_SOUND, walk_files

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


def table(
    folder: Music,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="CSV file to write.")],
    window: Annotated[float, typer.Option(min=1, help="Seconds of a row; a longer recording has several.")] = 30.0,
    cache: Cache = None,
    workers: Workers = None,
    strict: Strict = False,
) -> None:
    """Write the table of 57 features of sound files as CSV, in the form of the well-known GTZAN table.

    Example: genrezoo data table music features_30_sec.csv
    """
    from genrezoo.audio.feature_csv import write_feature_table
    from genrezoo.audio.table import FeatureTable

    settings = FeatureTable(window_seconds=window)
    with file_progress(f"features of {folder.name}") as progress:
        done = write_feature_table(
            _by_genre(folder), out, settings=settings, workers=workers, cache=cache, strict=strict,
            on_file=progress.advance, on_start=progress.start,
        )  # fmt: skip
    _show_done(folder, done.rejected, done.warnings, done.rows, out)


def pictures(
    folder: Music,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write to: OUT/SCALE/GENRE/FILE.png.")],
    scale: Annotated[Scale, typer.Option(help="Axis of frequencies and brightness.")] = Scale.log_db,
    cache: Cache = None,
    workers: Workers = None,
    strict: Strict = False,
) -> None:
    """Draw the spectrograms of sound files as a tree of pictures; those that are there already are kept.

    Example: genrezoo data pictures music spectrograms --scale linear
    """
    from genrezoo.audio.images import write_image_tree

    with file_progress(f"pictures of {folder.name}") as progress:
        tree = write_image_tree(
            _by_genre(folder), out, scale=scale.value, workers=workers, cache=cache, strict=strict,
            on_file=progress.advance, on_start=progress.start,
        )  # fmt: skip
    number = sum(map(len, tree.pictures.values()))
    _show_done(folder, tree.rejected, tree.warnings, number, out)


def show_files(good: int, rejected: Mapping[str, str], odd: Mapping[str, Sequence[str]], *, rest: str = "") -> None:
    """Prints what became of sound files.

    Args:
        good: How many could be used.
        rejected: Names and reasons of the others.
        odd: Names and warnings of files that were used all the same.
        rest: Where those are that find no place here.
    """
    console, most = results_console(), 20
    console.print(f"files: {good:,} good, {len(rejected):,} rejected, {len(odd):,} with warnings")
    warned = {name: "; ".join(texts) for name, texts in odd.items()}
    for title, reasons in (("rejected", rejected), ("warning", warned)):
        if not reasons:
            continue
        shown = Table("file", title)
        for name, reason in list(reasons.items())[:most]:
            shown.add_row(escape(name), escape(reason))
        console.print(shown)
        if len(reasons) > most:
            console.print(escape(f"and {len(reasons) - most:,} more{f': {rest}' if rest else ''}"))


def _by_genre(folder: Path) -> dict[Path, str]:
    """The sound files below a folder, with the names of the folders that they lie in."""
    from genrezoo.datasets.sound import NO_SOUND, walk_files

    found = {path: path.parent.name for path in walk_files(folder) if path.suffix.lower() not in NO_SOUND}
    if not found:
        raise DataError("holds no sound files", path=folder, remedy="name a folder with a sub-folder for each genre")
    return found


def _show_done(
    folder: Path, rejected: Mapping[Path, str], odd: Mapping[Path, Sequence[str]], number: int, out: Path
) -> None:
    bad = {_name(path.relative_to(folder)): reason for path, reason in rejected.items()}
    warned = {_name(path.relative_to(folder)): texts for path, texts in odd.items()}
    show_files(number, bad, warned)
    if not number:
        raise DataError("none of the files can be used", path=folder, remedy="see the reasons above")
    typer.echo(f"written to {out}")


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
