"""Commands of ``genrezoo data`` on audio files: what each one is, their features as a table, their spectrograms."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

from genrezoo.cli.options import (
    Cache,
    FileProgress,
    Scheduler,
    Strict,
    Workers,
    download_bar,
    file_progress,
    progress_bar,
    results_console,
    shown_path,
)
from genrezoo.environment import cores
from genrezoo.errors import DataError
from genrezoo.parallel import ChildError, in_chunks, make_executor

if TYPE_CHECKING:
    from genrezoo.datasets.folder import Tree

Music = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of audio files, with one sub-folder per genre.")]


CHUNK = 16
"""Files that one child process decodes, at most: few enough for a bar that moves."""


class Scale(StrEnum):
    """Kinds of spectrogram."""

    log_db = "log_db"
    linear = "linear"
    log = "log"


def inspect_file(path: Path, *, as_json: bool) -> None:
    """Decodes one audio file and prints what it is.

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


def inspect_folder(folder: Path, *, workers: int | None, as_json: bool) -> None:
    """Decodes the audio files below a folder and prints a row for each; exit code 2 if none can be used.

    They are decoded in child processes: a file that kills a decoder is refused and ends nothing else.

    Raises:
        DataError: There are none.
        SettingsError: The libraries that decode audio are missing.
    """
    from genrezoo.datasets._audio import NOT_AUDIO, walk_files

    paths = [path for path in walk_files(folder) if path.suffix.lower() not in NOT_AUDIO]
    if not paths:
        raise DataError("contains no audio files", path=folder, remedy="pass a folder of audio files")
    with progress_bar() as progress:
        task = progress.add_task("decoding", total=len(paths))
        files = _decode_all(paths, workers or cores(), lambda number: progress.advance(task, number))
    number = Counter(file["outcome"] for file in files)
    if as_json:
        counts = {outcome: number[outcome] for outcome in ("good", "flagged", "refused")}
        typer.echo(json.dumps({"folder": shown_path(folder), **counts, "files": files}, indent=2, ensure_ascii=False))
    else:
        table = Table("file", "what it is", "outcome")
        table.columns[0].overflow = "fold"  # a name cut short names nothing
        for path, facts in zip(paths, files, strict=True):
            bad = facts["outcome"] == "refused"
            outcome = facts["reason"] if bad else "; ".join(facts["warnings"]) or "good"
            what = "refused" if bad else _in_words(facts)
            table.add_row(escape(shown_path(path.relative_to(folder))), what, escape(outcome))
        console = results_console()
        console.print(table)
        console.print(f"{number['good']:,} good, {number['flagged']:,} with warnings, {number['refused']:,} refused")
    if number["refused"] == len(files):
        raise typer.Exit(2)


def features(
    folder: Music,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="CSV file to write.")],
    window: Annotated[
        float,
        typer.Option(help="Length of audio per row in seconds, 1 to 3600; a longer recording gives several rows."),
    ] = 30.0,
    cache: Cache = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    strict: Strict = False,
) -> None:
    """Compute 57 features of audio files and write them as a CSV table with the columns of the GTZAN feature table.

    The label of a file is the name of its sub-folder of FOLDER. Files of the same name are written with their paths.

    Example: genrezoo data features music features_30_sec.csv
    """
    from genrezoo.audio.feature_csv import write_feature_table
    from genrezoo.audio.settings import feature_settings
    from genrezoo.audio.table import FeatureTable

    settings = feature_settings("feature_table", window_seconds=window)
    assert isinstance(settings, FeatureTable)  # for the type checker
    tree = _read_tree(folder, strict=strict)
    with file_progress(f"features of {folder.name}") as progress:
        done = write_feature_table(
            _by_genre(tree), out, settings=settings, workers=workers, scheduler=scheduler, cache=cache, strict=strict,
            on_file=progress.advance, on_start=progress.start,
        )  # fmt: skip
    _show_done(folder, tree, done.rejected, done.warnings, done.rows, out)


def spectrograms(
    folder: Music,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder to write to; images become OUT/SCALE/GENRE/FILE.png.")
    ],
    scale: Annotated[Scale, typer.Option(help="Scale of the frequency axis and of the brightness.")] = Scale.log_db,
    cache: Cache = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    strict: Strict = False,
) -> None:
    """Write spectrograms of audio files as image files, one folder per genre.

    Images that exist already are kept.

    Example: genrezoo data spectrograms music spectrograms --scale linear
    """
    from genrezoo.audio.images import write_image_tree

    tree = _read_tree(folder, strict=strict)
    with file_progress(f"spectrograms of {folder.name}") as progress:
        done = write_image_tree(
            _by_genre(tree), out, scale=scale.value, workers=workers, scheduler=scheduler, cache=cache, strict=strict,
            on_file=progress.advance, on_start=progress.start,
        )  # fmt: skip
    number = sum(map(len, done.images.values()))
    _show_done(folder, tree, done.rejected, done.warnings, number, out)


class BuildProgress(contextlib.ExitStack):
    """The bars of a build, one at a time: of what is fetched, then of the files."""

    def __init__(self, title: str):
        super().__init__()
        self._title = title
        self._fetched: tuple[Progress, TaskID] | None = None
        self._files: FileProgress | None = None

    def fetch(self, there: int, expected: int | None) -> None:
        """Says how many bytes of an archive are there."""
        if self._fetched is None:
            progress = self.enter_context(download_bar())
            self._fetched = progress, progress.add_task("download")
        progress, task = self._fetched
        progress.update(task, completed=there, total=expected)

    def start(self, number: int) -> None:
        """Says how many files there are; what was to be fetched is there."""
        self.close()
        self._files = self.enter_context(file_progress(self._title))
        self._files.start(number)

    def advance(self, path: Path, reason: str | None) -> None:
        """One more file is finished, or was rejected for a reason."""
        assert self._files is not None  # for the type checker: start comes first
        self._files.advance(path, reason)


def show_files(good: int, rejected: Mapping[str, str], odd: Mapping[str, Sequence[str]], *, rest: str = "") -> None:
    """Prints what became of audio files.

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


def _read_tree(folder: Path, *, strict: bool) -> Tree:
    """The audio files of a folder and their genres, as `genrezoo data build` reads them."""
    from genrezoo.datasets.folder import read_tree

    tree = read_tree(folder)
    if strict and tree.rejected:
        first, reason = next(iter(tree.rejected.items()))
        raise DataError(reason, path=folder, where=first)
    return tree


def _by_genre(tree: Tree) -> dict[Path, str]:
    return {file.path: file.genre for file in tree.files}


def _show_done(
    folder: Path, tree: Tree, rejected: Mapping[Path, str], odd: Mapping[Path, Sequence[str]], number: int, out: Path
) -> None:
    bad = tree.rejected | {shown_path(path.relative_to(folder)): reason for path, reason in rejected.items()}
    warned = {shown_path(path.relative_to(folder)): texts for path, texts in odd.items()}
    show_files(len(tree.files) - len(rejected), bad, warned)
    if tree.passed_over:
        told = ", ".join(f"{count:,} x {kind}" for kind, count in tree.passed_over.items())
        results_console().print(f"ignored: {escape(told)}")
    if not number:
        raise DataError("none of the files can be used", path=folder, remedy="fix the problems listed above")
    typer.echo(f"written to {out}")


def _decode_all(paths: Sequence[Path], workers: int, advance: Callable[[int], None]) -> list[dict[str, Any]]:
    """Decodes files in processes of their own, so that one that kills its decoder is refused alone."""
    facts: dict[str, dict[str, Any]] = {}
    names, size = list(map(str, paths)), min(CHUNK, -(-len(paths) // workers))
    chunks = [names[first : first + size] for first in range(0, len(names), size)]
    with make_executor(workers) as executor:
        for chunk, told in in_chunks(executor, _decode_files, chunks):
            if isinstance(told, ChildError):
                told = [_refused(Path(chunk[0]), f"killed its decoder: {told}")]
            facts |= zip(chunk, told, strict=True)
            advance(len(chunk))
    return [facts[name] for name in names]


def _decode_files(paths: Sequence[str]) -> list[dict[str, Any]]:
    """The child's side: what each file is, or why it cannot be used."""
    files = []
    for path in map(Path, paths):
        try:
            files.append(_decode(path))
        except DataError as error:
            place = f"{error.where}: " if error.where else ""
            files.append(_refused(path, f"{place}{error.what}"))
    return files


def _refused(path: Path, reason: str) -> dict[str, Any]:
    return {"path": shown_path(path), "outcome": "refused", "reason": reason}


def _decode(path: Path) -> dict[str, Any]:
    """Everything about one file, which is decoded to its end in constant memory."""
    from genrezoo.audio.decode import AudioReader

    with AudioReader(path, rate=None) as sound:
        seconds = sum(len(block) for block in sound.blocks()) / sound.rate
        return {
            **sound.info.describe(),
            "path": shown_path(path),
            "decoded_seconds": round(seconds, 6),
            "outcome": "flagged" if sound.warnings else "good",
            "warnings": list(sound.warnings),
        }


def _in_words(facts: dict[str, Any]) -> str:
    channels = "mono" if facts["channels"] == 1 else f"{facts['channels']} channels"
    coding = f"{facts['format']} ({facts['subtype']})"
    return f"{coding}, {facts['rate']:,} Hz, {channels}, {facts['decoded_seconds']:,.2f} s"
