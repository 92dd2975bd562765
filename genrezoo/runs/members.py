"""The members of a recipe: trained first, or opened, checked, and handed to the composition or the procedure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from genrezoo import files
from genrezoo.errors import DataError
from genrezoo.recipes import Recipe
from genrezoo.recipes.recipe import Member
from genrezoo.runs.building import build_model, input_shape, is_composition, seen_songs
from genrezoo.runs.folds import out_of_fold
from genrezoo.runs.run import Run, load_run
from genrezoo.seeds import child_seed
from genrezoo.songs import SongSet, Standardiser


@dataclass
class Obtained:
    """Members that are ready.

    Attributes:
        members: The members as the card records them: each with its recipe, seed and digests of its weights.
        models: For a composition: the built models by name.
        logits: For a procedure: logits of all songs by name, ``(n_songs, n_genres)``, NaN for test songs.
        seconds: What training them took.
    """

    members: dict[str, Member] = field(default_factory=dict)
    models: dict[str, keras.Model] = field(default_factory=dict)
    logits: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: float = 0.0


def open_runs(recipe: Recipe) -> Recipe:
    """The recipe with the recipe and the digest of each member that is given as a run or as stored logits.

    Raises:
        DataError: A run or file is missing or damaged, or is not the one whose digest the recipe names.
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
                raise DataError("no such file", path=path, remedy="name an npz with ids and logits")
            digest = (files.sha256_of(path),)
        if member.weights_sha256 and tuple(digest) != tuple(member.weights_sha256):
            raise DataError(
                f"member {name!r} has sha256 {digest[0][:12]}…, expected {member.weights_sha256[0][:12]}…",
                path=member.run or member.logits,
                remedy="name the run that the recipe means",
            )
        members[name] = member.model_copy(update={"recipe": inside, "weights_sha256": tuple(digest)})
    return recipe.model_copy(update={"members": members})


def obtain_members(
    recipe: Recipe,
    songs: SongSet,
    standardiser: Standardiser,
    *,
    seed: int,
    store: Path,
    train: Callable[..., Run],
    workers: int,
    on_member: Callable[[str, dict[str, float]], None] | None,
) -> Obtained:
    """Trains or opens every member of a recipe.

    A member has the seed of the recipe that it belongs to, so that it is the same training as that recipe's own; of
    several members with one recipe the second and later ones have child seeds.

    Args:
        recipe: Recipe whose given runs are opened (`open_runs`).
        songs: The songs, split.
        standardiser: What the recipe's own model will see the songs through.
        seed: Seed of the recipe's training.
        store: Folder for the members' run folders, perhaps shared with other trainings.
        train: The function that trains a recipe into a folder.
        workers: Folds trained at a time.
        on_member: Called with a member's name and each epoch's record.

    Raises:
        DataError: A member sees songs otherwise than this recipe, knows other genres, or lacks songs.
    """
    found, seen = Obtained(), Counter[str]()
    for name, member in recipe.members.items():
        inside = None if member.run else member.recipe
        times = seen[inside.model_dump_json()] if inside else 0
        if inside:
            seen[inside.model_dump_json()] += 1
        own = member.seed if member.seed is not None else seed if not times else child_seed(seed, "member", times)
        if member.logits is not None:
            found.logits[name] = _stored(Path(member.logits), songs)
            found.members[name] = member
            continue
        if inside is not None and member.fresh:
            shape = input_shape(recipe, seen_songs(recipe, songs))
            weights = child_seed(own, "fresh", name)
            found.models[name] = build_model(inside, shape, songs.num_classes, seed=weights)
            found.members[name] = member.model_copy(update={"seed": own})
            continue
        if inside is not None and member.folds:
            folder = store / f"{inside.run_name(songs.name, own, songs.checksum())}-{member.folds}-folds"
            # of training songs alone: a teacher that knows the validation songs would tell its student of them
            result = out_of_fold(
                inside, songs, n_folds=member.folds, seed=own, out=folder, splits=("train",), workers=workers
            )
            found.logits[name] = result.for_songs(songs)
            found.seconds += result.seconds
            found.members[name] = member.model_copy(update={"seed": own, "weights_sha256": result.weights_sha256})
            continue
        if inside is not None:
            folder = store / inside.run_name(songs.name, own, songs.checksum())
            told: Any = None if on_member is None else lambda record, name=name: on_member(name, record)
            run = train(inside, songs, seed=own, out=folder, on_epoch=told, store=store, workers=workers, wait=True)
        else:
            run = load_run(str(member.run))
        _check(name, run, recipe, songs, standardiser)
        found.seconds += run.card.train_seconds + run.card.members_seconds
        if is_composition(recipe):
            found.models[name] = run.model
        else:
            found.logits[name] = _logits(run, songs)
        digest = (run.card.weights_sha256,)
        found.members[name] = Member(recipe=run.card.recipe, seed=run.card.seed, weights_sha256=digest)
    return found


def _check(name: str, run: Run, recipe: Recipe, songs: SongSet, standardiser: Standardiser) -> None:
    if run.genres != songs.genres:
        raise DataError(
            f"member {name!r} knows the genres {list(run.genres)}, the songs have {list(songs.genres)}",
            path=run.folder,
            remedy="train the member on these songs",
        )
    if not is_composition(recipe):
        return
    own = (run.standardiser.mean, run.standardiser.scale)
    same = all(np.array_equal(*pair) for pair in zip(own, (standardiser.mean, standardiser.scale), strict=True))
    shape = input_shape(recipe, seen_songs(recipe, songs))
    if not same or run.standardiser.clip != standardiser.clip or run.card.input_shape != shape:
        raise DataError(
            f"member {name!r} was trained on songs of another shape or standardisation than this composition's",
            path=run.folder,
            remedy="train the member on the same songs, with the same standardise, clip and pieces",
        )


def _logits(run: Run, songs: SongSet) -> np.ndarray:
    found = np.full((songs.n_songs, songs.num_classes), np.nan, np.float32)
    for split in ("train", "valid"):
        found[songs.splits[split]] = run.logits(songs.split(split))
    return found


def _stored(path: Path, songs: SongSet) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as archive:
            ids, logits = archive["ids"], archive["logits"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"unreadable logits ({error})", path=path, remedy="give an npz with ids and logits") from error
    if logits.shape != (len(ids), songs.num_classes) or not np.isfinite(logits).all():
        raise DataError(
            f"logits have shape {logits.shape} for {len(ids)} ids, or are not finite",
            path=path,
            remedy=f"give finite logits of shape ({len(ids)}, {songs.num_classes})",
        )
    place = {str(name): number for number, name in enumerate(ids)}
    wanted = np.concatenate([songs.splits[split] for split in ("train", "valid")])
    if missing := [str(songs.ids[song]) for song in wanted if str(songs.ids[song]) not in place]:
        raise DataError(f"no logits of song {missing[0]!r} and {len(missing) - 1} more", path=path, remedy="add them")
    found = np.full((songs.n_songs, songs.num_classes), np.nan, np.float32)
    found[wanted] = logits[[place[str(songs.ids[song])] for song in wanted]]
    return found
