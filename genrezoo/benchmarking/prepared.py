"""The songs of a benchmark: loaded, split, checked and stored once for all cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.datasets import load_songs
from genrezoo.datasets.arrays import keep_songs
from genrezoo.datasets.synthetic import ceilings
from genrezoo.recipes.recipe import safe_name
from genrezoo.rows import DataFacts
from genrezoo.songs import SongSet, check_genres, check_split, default_split, repeated_split


@dataclass(frozen=True)
class Prepared:
    """Songs that child processes can memory-map: their folder, their fields in rows, and any known feature settings.

    ``repeated`` is their number among repeated splits and the checksum of the songs without a split.
    """

    folder: Path
    facts: DataFacts
    features: Mapping[str, Any]
    repeated: tuple[int, str] | None = None

    def seeds(self, number: int) -> range:
        """Returns the seeds of a number of trainings; on a repeated split, the split's number comes first."""
        first = self.repeated[0] if self.repeated else 1
        return range(first, first + number)


def prepare(source: dict[str, Any], folder: Path, repeats: int | None) -> list[Prepared]:
    """Loads, splits and checks songs, and stores them for the child processes; once for all repeated splits."""
    options = {key: value for key, value in source.items() if key not in ("source", "name")}
    songs = load_songs(source["source"], **options)
    songs = songs.named(str(source.get("name", songs.name)))
    if repeats is None:
        songs = default_split(songs)
        facts = _facts(songs, songs.provenance or "")
        check_genres(songs)
        return [Prepared(_store(songs, folder), facts, _features(songs))]
    stored, pooled = _store(songs, folder), ""
    found = []
    for number in range(1, repeats + 1):
        split = repeated_split(songs, number)
        pooled = pooled or split.take(np.arange(len(split))).checksum()
        provenance = "repeated, stratified" if split.groups is None else "repeated, by group"
        found.append(Prepared(stored, _facts(split, provenance), _features(split), (number, pooled)))
    return found


def _store(songs: SongSet, folder: Path) -> Path:
    stored = folder / "songs" / f"{safe_name(songs.name)}-{songs.checksum()[:12]}"
    return keep_songs(songs, stored).resolve()


def _features(songs: SongSet) -> Mapping[str, Any]:
    features = songs.about.get("features")
    return features if isinstance(features, dict) else {}


def _facts(songs: SongSet, provenance: str) -> DataFacts:
    known = songs.about.get("synthetic") and not provenance.startswith("repeated")
    return DataFacts(
        data=songs.name,
        checksum=songs.checksum(),
        provenance=provenance,
        sizes={name: len(index) for name, index in songs.splits.items()},
        duplicates=len(check_split(songs).duplicates),
        segments=songs.n_segments,
        features=songs.n_features,
        shape=songs.song_shape if songs.kind == "image" else None,
        genres=songs.genres,
        synthetic=bool(songs.about.get("synthetic") or songs.about.get("synthetic_audio")),
        ceilings=ceilings(songs) if known else None,
    )
