"""Trained members of a recipe: checking them, and passing them to the composition or the procedure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from genrezoo import files
from genrezoo.archive import read_npz
from genrezoo.errors import DataError
from genrezoo.recipes import Recipe
from genrezoo.recipes.recipe import Member
from genrezoo.runs.building import is_composition, reading, standardises_itself
from genrezoo.runs.calibration import at_temperature
from genrezoo.runs.predictions import OUT_OF_FOLD, stored_splits
from genrezoo.runs.preprocessing import Preprocessing, columns_within
from genrezoo.runs.run import Run, load_run
from genrezoo.songs import SongSet


@dataclass
class Obtained:
    """The trained members of a recipe.

    Attributes:
        members: The members as the card records them: each with its recipe, seed and digests of its weights.
        models: For a composition: the built models by name.
        logits: For a procedure: logits of all songs by name, ``(n_songs, n_genres)``, NaN for test songs. For a
            composition: logits of members that were trained on some validation songs, NaN where their own predictions
            are used.
        seconds: Training time of the members.
    """

    members: dict[str, Member] = field(default_factory=dict)
    models: dict[str, keras.Model] = field(default_factory=dict)
    logits: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: float = 0.0

    def trained_without(self, fold: Member, name: str, run: Run, songs: SongSet) -> None:
        """Completes a member of a composition that was trained without a fold of the songs, once `add` has added it.

        Args:
            fold: The member in the recipe.
            name: Name of the member.
            run: Run of the member.
            songs: The composition's songs.
        """
        nothing = np.full((songs.n_songs, songs.num_classes), np.nan, np.float32)
        kin = next((other for other, one in self.members.items() if one.held and one.kin == fold.kin), None)
        # All that one recipe trains share an array, to which each adds the answers to the songs that it never saw.
        self.logits[name] = _fill(nothing if kin is None else self.logits[kin], run.predictions("valid"), songs)
        self.members[name] = self.members[name].model_copy(update={"folds": fold.folds, "held": fold.held})

    def knows_none(self, songs: SongSet) -> bool:
        """Whether each member has out-of-fold logits for every training and validation song."""
        pool = np.concatenate([songs.splits[split] for split in ("train", "valid")])
        return all(name in self.logits and np.isfinite(self.logits[name][pool]).all() for name in self.models)

    def add(self, name: str, run: Run, recipe: Recipe, songs: SongSet, preprocessing: Preprocessing) -> None:
        """Adds a finished run as a member of a recipe.

        Args:
            name: The member's name.
            run: The member's run.
            recipe: The recipe that it is a member of.
            songs: The songs, split.
            preprocessing: The preprocessing of the recipe's network.

        Raises:
            DataError: The member was trained on other genres, or a composition's on other features.
        """
        if run.genres != songs.genres:
            what = f"member {name!r} was trained on the genres {list(run.genres)}, the songs have {list(songs.genres)}"
            raise DataError(what, path=run.folder, remedy="train the member on these songs")
        self.seconds += run.card.train_seconds + run.card.members_seconds
        digest = (run.card.weights_sha256,)
        # What a composition hears of a member with chunks are the logits of chunks, and its temperature is of songs'.
        temperature = run.card.temperature if is_composition(recipe) and not recipe.chunks else None
        self.members[name] = Member(
            recipe=run.card.recipe, seed=run.card.seed, weights_sha256=digest, temperature=temperature
        )
        if not is_composition(recipe):
            logits = self.logits[name] = np.full((songs.n_songs, songs.num_classes), np.nan, np.float32)
            for split in ("train", "valid"):
                logits[songs.splits[split]] = run.logits(songs.split(split))
            return
        network = at_temperature(run.network, temperature)
        whole, own = preprocessing.shape(songs), run.preprocessing.standardiser
        columns = columns_within(recipe, run.card.recipe, songs.feature_groups())
        expected = preprocessing.standardiser if columns is None else preprocessing.standardiser.of(columns)
        fits = run.card.input_shape == (whole if columns is None else (*whole[:-1], len(columns)))
        if not recipe.standardise:
            if not fits or run.card.songs.get("checksum") != songs.checksum():
                what = f"member {name!r} was trained on other songs or another split than this composition is made for"
                raise DataError(what, path=run.folder, remedy="train the member on the same songs with the same split")
            if run.card.recipe.cross_validated:
                self.logits[name] = np.full((songs.n_songs, songs.num_classes), np.nan, np.float32)
                for split in set(stored_splits(run.folder)) & {"valid", OUT_OF_FOLD}:
                    _fill(self.logits[name], run.predictions(split), songs)
            own_part = own if standardises_itself(recipe, run.card.recipe) else None
            self.models[name] = reading(network, columns, whole, own_part)
            return
        if not fits or not own.equals(expected):
            what = f"member {name!r} was trained on songs of another shape or standardisation than this composition's"
            remedy = "train the member on the same songs, with the same standardise, clip and chunks"
            raise DataError(what, path=run.folder, remedy=f"{remedy}, or pass standardise=False to the composition")
        self.models[name] = reading(network, columns, whole)


def _fill(logits: np.ndarray, stored: Mapping[str, np.ndarray], songs: SongSet) -> np.ndarray:
    """Returns logits in the order of songs, with those of some songs replaced by stored ones."""
    place = {name: number for number, name in enumerate(songs.ids.tolist())}
    logits[[place[name] for name in stored["ids"].tolist()]] = stored["logits"]
    return logits


def open_runs(recipe: Recipe) -> Recipe:
    """Completes a recipe with the recipe and the digest of each member that is a run or stored logits.

    Raises:
        DataError: A run or file is missing or damaged, or has another digest than the recipe specifies.
    """
    members = {}
    for name, member in recipe.members.items():
        digest, inside = member.weights_sha256, open_runs(member.recipe) if member.recipe else None
        if member.run is not None:
            card = load_run(member.run).card
            digest, inside = (card.weights_sha256,), card.recipe
        elif member.logits is not None:
            path = Path(member.logits)
            if not path.is_file():
                raise DataError("no such file", path=path, remedy="use an npz file with ids and logits")
            digest = (files.sha256_of(path),)
        if member.weights_sha256 and tuple(digest) != tuple(member.weights_sha256):
            what = f"member {name!r} has sha256 {digest[0][:12]}…, expected {member.weights_sha256[0][:12]}…"
            raise DataError(what, path=member.run or member.logits, remedy="use the run that the recipe was made with")
        members[name] = member.model_copy(update={"recipe": inside, "weights_sha256": tuple(digest)})
    return recipe.model_copy(update={"members": members})


def stored_logits(path: Path, songs: SongSet) -> np.ndarray:
    """Reads logits from a file in the order of the songs, ``(n_songs, n_genres)``, NaN for songs that are not needed.

    Raises:
        DataError: The file is damaged, or lacks a training or validation song.
    """
    stored = read_npz(path)
    ids, logits = (stored.get(name, np.zeros(0)) for name in ("ids", "logits"))
    finite = logits.dtype.kind == "f" and np.isfinite(logits).all()
    if ids.ndim != 1 or not len(ids) or logits.shape != (len(ids), songs.num_classes) or not finite:
        what = f"logits have shape {logits.shape} for ids of shape {ids.shape}, or are not finite"
        raise DataError(
            what, path=path, remedy=f"pass an npz file with ids and with logits of shape (ids, {songs.num_classes})"
        )
    place = {str(name): number for number, name in enumerate(ids)}
    wanted = np.concatenate([songs.splits[split] for split in ("train", "valid")])
    if missing := [str(songs.ids[song]) for song in wanted if str(songs.ids[song]) not in place]:
        raise DataError(f"no logits of song {missing[0]!r} and {len(missing) - 1} more", path=path, remedy="add them")
    found = np.full((songs.n_songs, songs.num_classes), np.nan, np.float32)
    found[wanted] = logits[[place[str(songs.ids[song])] for song in wanted]]
    return found
