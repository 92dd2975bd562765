"""``genrezoo data``: make songs of audio files, look at songs, convert them, split them."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from genrezoo.cli.audio import (
    BuildProgress,
    Music,
    features,
    inspect_file,
    inspect_folder,
    show_files,
    spectrograms,
)
from genrezoo.cli.options import Cache, Scheduler, Strict, Workers, parse_changes
from genrezoo.errors import DataError, SettingsError
from genrezoo.files import read_json

if TYPE_CHECKING:
    from genrezoo.songs import SongSet

app = typer.Typer(help="Build songs from audio files, and describe, convert and split songs.", no_args_is_help=True)
app.command()(features)
app.command()(spectrograms)


class By(StrEnum):
    """How songs are split."""

    random = "random"
    group = "group"
    ids = "ids"


Source = Annotated[
    str,
    typer.Argument(
        metavar="PATH", help="Songs: an .npz file, a folder of them, a songs folder, or the name of a data set."
    ),
]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="Songs folder to write.")]
Segments = Annotated[
    int | None, typer.Option("--n-segments", help="Segments per song; needed if an .npz file stores the features flat.")
]
Provenance = Annotated[
    str | None,
    typer.Option("--provenance", help="Provenance of the split: official, artist-filtered, fault-filtered or random."),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change an option of the loader, see `genrezoo show NAME`; may be repeated."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the songs in OUT if there are any.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def describe(
    path: Source,
    n_segments: Segments = None,
    provenance: Provenance = None,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Describe songs: sizes, genres, the split, and whether the split leaks songs or groups.

    --set passes options to the loader. Pass the folder of a named data set as --set path=FOLDER.

    Example: genrezoo data describe songs.npz
    """
    _show(_load(path, changes, n_segments=n_segments, provenance=provenance), as_json=as_json)


@app.command()
def inspect(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="An audio file, a folder of them, an .npz file, or a songs folder.")
    ],
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Check files: decode audio to its end or load songs, and report the format or the reason for rejection.

    For a folder of audio files, one row per file is printed. The exit code is 2 if nothing can be used.

    Example: genrezoo data inspect music/song.mp3
    """
    from genrezoo.datasets import find_dataset, takes_audio

    found = find_dataset(path)
    if found and not takes_audio(found):
        _show(_load(str(path)), as_json=as_json)
    elif path.is_dir():
        inspect_folder(path, workers=workers, as_json=as_json)
    else:
        inspect_file(path, as_json=as_json)


@app.command()
def convert(
    path: Source,
    out: Target,
    n_segments: Segments = None,
    provenance: Provenance = None,
    changes: Changes = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Convert songs to a songs folder, which loads fast and may be larger than memory.

    --set passes options to the loader. Pass the folder of a named data set as --set path=FOLDER.

    Example: genrezoo data convert msd-10-genre songs --n-segments 120
    """
    songs = _load(path, changes, n_segments=n_segments, provenance=provenance)
    _save(songs, out, overwrite=overwrite, as_json=as_json)


@app.command()
def split(
    path: Source,
    out: Target,
    by: Annotated[
        By, typer.Option(help="Split at random (stratified), by whole groups (artists), or by lists of ids.")
    ] = By.random,
    valid: Annotated[float, typer.Option(help="Fraction of validation songs.")] = 0.15,
    test: Annotated[float, typer.Option(help="Fraction of test songs.")] = 0.15,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    ids: Annotated[
        Path | None, typer.Option(help="With --by ids: JSON file with one list of ids each for train, valid and test.")
    ] = None,
    n_segments: Segments = None,
    provenance: Provenance = None,
    changes: Changes = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Split songs into train, valid and test, and write them as a songs folder.

    --by ids needs --ids and --provenance. --set passes options to the loader. Pass the folder of a named data set as
    --set path=FOLDER.

    Example: genrezoo data split songs.npz songs --by group --seed 1
    """
    from genrezoo.songs import split_by_group, split_by_ids, split_stratified

    load = functools.partial(_load, path, changes, n_segments=n_segments)
    if by == By.ids:
        if ids is None or provenance is None:
            raise SettingsError("--by ids needs --ids (the lists) and --provenance (where they come from)")
        songs = split_by_ids(load(), _read_lists(ids), provenance=provenance)
    elif ids is not None or provenance is not None:
        raise SettingsError(f"--ids and --provenance can only be used with --by ids, not with --by {by.value}")
    elif by == By.group:
        songs = split_by_group(load(), valid=valid, test=test, seed=seed)
    else:
        songs = split_stratified(load(), valid=valid, test=test, seed=seed)
    _save(songs, out, overwrite=overwrite, as_json=as_json)


@app.command()
def build(
    folder: Music,
    out: Target,
    features: Annotated[
        str,
        typer.Option(
            help="Kind: log_mel, mfcc_statistics, segments, feature_table, spectrogram_image, tagger_mel, embedding."
        ),
    ] = "log_mel",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the features; may be repeated."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="Read the folder as this data set: folder, gtzan or fma (default: detected).",
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="Read genres from this CSV file (path, genre; optional id, artist, split) instead of sub-folders."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split of gtzan: fault_filtered (default), stratified or random.")
    ] = None,
    subset: Annotated[str | None, typer.Option(help="Subset of fma: small (default), medium or large.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Download missing archives of fma.")] = False,
    provenance: Provenance = None,
    cache: Cache = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    strict: Strict = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Build songs from audio files: compute features and write a songs folder.

    Files that cannot be used are listed with the reason; the others are still processed. Features are cached, so an
    interrupted command continues when it is run again.

    Example: genrezoo data build music songs --features log_mel --set n_mels=64
    """
    from genrezoo.audio.settings import feature_settings
    from genrezoo.datasets import find_dataset, load_songs
    from genrezoo.registry import DATASETS
    from genrezoo.songs.storage import MANIFEST

    if (out / MANIFEST).exists() and not overwrite:
        remedy = "use another folder, or pass --overwrite"
        raise DataError("already contains songs", path=out, remedy=remedy)  # now, not after hours
    options = parse_changes(changes or [])
    if "kind" in options:
        raise SettingsError(f"--set kind={options['kind']}: specify the feature kind with --features")
    settings = feature_settings(features, **options)
    given: dict[str, Any] = {"manifest": manifest, "split": split, "subset": subset, "provenance": provenance}
    given |= {"cache": cache, "workers": workers, "scheduler": scheduler}
    options = {key: value for key, value in given.items() if value is not None}
    if name is None:  # the split of the collection that it is goes with the folder, in every command
        found = None if manifest else find_dataset(folder)
        name = found.name if found else "folder"
    DATASETS.get(name)  # an unknown name is no path
    with BuildProgress(f"{features} of {folder.name}") as progress:
        if download:
            options |= {"download": True, "on_progress": progress.fetch}
        songs = load_songs(
            name,
            path=folder,
            features=settings,
            strict=strict,
            on_file=progress.advance,
            on_start=progress.start,
            **options,
        )
    _save(songs, out, overwrite=overwrite, as_json=as_json)
    if not as_json:
        rest = f"all are in {out}/manifest.json, under about"
        show_files(songs.about["files"], songs.about["rejected"], songs.about["warnings"], rest=rest)


def _load(path: str, changes: list[str] | None = None, **given: Any) -> SongSet:
    """Loads songs with what the command's own options say, where they say it, and what --set adds."""
    from genrezoo.datasets import list_datasets, load_songs  # here, so that --help does not wait for scikit-learn

    options = {name: value for name, value in given.items() if value is not None}
    more = parse_changes(changes or [])
    if twice := sorted(options.keys() & more.keys()):
        raise SettingsError(
            f"--set {twice[0]}=… and --{twice[0].replace('_', '-')} are the same option; pass one of them"
        )
    if "path" in more and path not in list_datasets():
        raise SettingsError(
            f"--set path=… needs the name of a data set, but {path!r} is a path itself; leave --set path out"
        )
    if not isinstance(place := more.get("path", ""), str):
        raise SettingsError(f"--set path={place} is not text; write path=./{place} for a path of that name")
    with Console(stderr=True).status(f"reading {escape(path)}"):
        return load_songs(path, **options, **more)


def _save(songs: SongSet, out: Path, *, overwrite: bool, as_json: bool) -> None:
    from genrezoo.songs.storage import save_songs

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
    size = f"songs x {lengths} segments x {songs.n_features:,} features"
    if songs.kind == "image":
        size = "images of {} x {} pixels x {} channels".format(*songs.song_shape)
    console.print(
        f"[bold]{escape(songs.name)}[/]: {songs.n_songs:,} {size}, "
        f"{songs.num_classes} genres{'' if facts['groups'] is None else ', {:,} groups'.format(facts['groups'])}",
        soft_wrap=True,
    )
    table = Table("genre", *map(escape, songs.splits), "in all")
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
    console.print(f"{what} in two splits: {len(names):,}{first}", style="bold red" if names else None)
