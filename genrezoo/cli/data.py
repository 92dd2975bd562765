"""``genrezoo data``: look at songs, convert them, split them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from genrezoo.errors import DataError, SettingsError
from genrezoo.files import read_json

if TYPE_CHECKING:
    from genrezoo.songs import SongSet

app = typer.Typer(help="Look at songs, convert them, split them.", no_args_is_help=True)


class By(StrEnum):
    """How songs are split."""

    random = "random"
    group = "group"
    ids = "ids"


Source = Annotated[
    str, typer.Argument(metavar="PATH", help="An .npz file, a folder of them, a songs folder, or a data set's name.")
]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="Songs folder to write.")]
Segments = Annotated[
    int | None, typer.Option("--n-segments", help="Segments of a song, where an .npz file stores its features flat.")
]
Provenance = Annotated[
    str | None,
    typer.Option("--provenance", help="Where the split comes from: official, artist-filtered, fault-filtered, random."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace songs that are in OUT already.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command()
def describe(path: Source, n_segments: Segments = None, provenance: Provenance = None, as_json: AsJson = False) -> None:
    """Say what songs hold: sizes, genres, split, and whether the split leaks.

    Example: genrezoo data describe songs.npz
    """
    _show(_load(path, n_segments=n_segments, provenance=provenance), as_json=as_json)


@app.command()
def convert(
    path: Source,
    out: Target,
    n_segments: Segments = None,
    provenance: Provenance = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write songs as a songs folder, which loads at once and need not fit into memory.

    Example: genrezoo data convert msd-10-genre songs --n-segments 120
    """
    songs = _load(path, n_segments=n_segments, provenance=provenance)
    _save(songs, out, overwrite=overwrite, as_json=as_json)


@app.command()
def split(
    path: Source,
    out: Target,
    by: Annotated[By, typer.Option(help="At random, by whole groups (artists), or by lists of ids.")] = By.random,
    valid: Annotated[float, typer.Option(help="Share of validation songs.")] = 0.15,
    test: Annotated[float, typer.Option(help="Share of test songs.")] = 0.15,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    ids: Annotated[
        Path | None, typer.Option(help="With --by ids: JSON file of the ids of train, valid and test, a list each.")
    ] = None,
    n_segments: Segments = None,
    provenance: Provenance = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Split songs into train, valid and test, and write them as a songs folder.

    With --by ids, --provenance says where the lists come from.

    Example: genrezoo data split songs.npz songs --by group --seed 1
    """
    from genrezoo.songs import split_by_group, split_by_ids, split_stratified

    if by == By.ids:
        if ids is None or provenance is None:
            raise SettingsError("--by ids needs --ids and --provenance: the lists, and where they come from")
        songs = split_by_ids(_load(path, n_segments=n_segments), _read_lists(ids), provenance=provenance)
    elif ids is not None or provenance is not None:
        raise SettingsError(f"--ids and --provenance go with --by ids, not with --by {by.value}")
    elif by == By.group:
        songs = split_by_group(_load(path, n_segments=n_segments), valid=valid, test=test, seed=seed)
    else:
        songs = split_stratified(_load(path, n_segments=n_segments), valid=valid, test=test, seed=seed)
    _save(songs, out, overwrite=overwrite, as_json=as_json)


def _load(path: str, **options: Any) -> SongSet:
    from genrezoo.datasets import load_songs  # here, so that --help does not wait for scikit-learn

    with Console(stderr=True).status(f"reading {escape(path)}"):
        return load_songs(path, **{name: value for name, value in options.items() if value is not None})


def _save(songs: SongSet, out: Path, *, overwrite: bool, as_json: bool) -> None:
    from genrezoo.datasets.arrays import save_songs

    with Console(stderr=True).status(f"writing {escape(str(out))}"):
        save_songs(songs, out, overwrite=overwrite)
    _show(songs, as_json=as_json, out=str(out))


def _read_lists(path: Path) -> dict[str, list[str]]:
    lists = read_json(path)
    if not isinstance(lists, dict) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists.values()
    ):
        remedy = 'write {"train": ["id", …], "valid": [...], "test": [...]}'
        raise DataError("expected lists of ids as text, one for each split", path=path, remedy=remedy)
    return lists


def _show(songs: SongSet, *, as_json: bool, out: str | None = None) -> None:
    """Prints what songs hold, and where they were written."""
    from genrezoo.songs import find_leaks

    facts = songs.describe()
    leaks = find_leaks(songs)
    checksum = songs.checksum()
    if as_json:
        told = {"songs": leaks.songs, "groups": leaks.groups, "duplicates": leaks.duplicates}
        report = {**facts, "checksum": checksum, "leaks": told, "out": out}
        typer.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    console = Console()
    shortest, middle, longest = facts["lengths"]
    lengths = f"{longest:,}" if shortest == longest else f"{shortest:,} to {longest:,} (median {middle:,})"
    console.print(
        f"[bold]{escape(songs.name)}[/]: {songs.n_songs:,} songs x {lengths} segments x {songs.n_features:,} features, "
        f"{songs.num_classes} genres{'' if facts['groups'] is None else ', {:,} groups'.format(facts['groups'])}",
        soft_wrap=True,
    )
    table = Table("genre", *songs.splits, "in all")
    for label, (genre, number) in enumerate(facts["genres"].items()):
        sides = [f"{int((songs.y[index] == label).sum()):,}" for index in songs.splits.values()]
        table.add_row(escape(genre), *sides, f"{number:,}")
    table.add_section()
    table.add_row("in all", *(f"{number:,}" for number in facts["splits"].values()), f"{songs.n_songs:,}")
    for column in table.columns[1:]:
        column.justify = "right"
    console.print(table)
    if songs.splits:
        console.print(f"split: {songs.provenance}; songs in no side of it: {facts['in_no_split']:,}")
        _show_leak(console, "songs", leaks.songs)
        if songs.groups is not None:
            _show_leak(console, "groups", leaks.groups)
        _show_leak(console, "exact duplicates", [f"{one} = {other}" for one, other in leaks.duplicates])
    else:
        console.print("no split; make one with `genrezoo data split`")
    console.print(f"checksum {checksum}", soft_wrap=True)
    if out is not None:
        console.print(f"written to {escape(out)}", soft_wrap=True)


def _show_leak(console: Console, what: str, names: Sequence[str]) -> None:
    first = f": {escape(', '.join(names[:3]))}{', …' if len(names) > 3 else ''}" if names else ""
    console.print(f"{what} on two sides: {len(names):,}{first}", style="bold red" if names else None)
