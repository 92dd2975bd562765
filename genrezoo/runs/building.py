"""A recipe's model, and what it answers to songs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.models import create_model
from genrezoo.recipes import Recipe
from genrezoo.registry import COMPOSITIONS, PROCEDURES, find_builder
from genrezoo.rules import aggregate_logits
from genrezoo.seeds import child_seed, keras_seed
from genrezoo.songs import SongSet, Standardiser
from genrezoo.songs.pieces import cut_pieces
from genrezoo.training import forward


def is_composition(recipe: Recipe) -> bool:
    """Whether the recipe's model is made of its members."""
    return recipe.model in COMPOSITIONS.names()


def input_shape(recipe: Recipe, songs: SongSet) -> tuple[int, ...]:
    """Shape of what the recipe's model is given of a song: segments and features, or height, width and channels."""
    return (recipe.pieces.segments, songs.n_features) if recipe.pieces else songs.song_shape


def seen_songs(recipe: Recipe, songs: SongSet, groups: Mapping[str, Sequence[int]] | None = None) -> SongSet:
    """The songs with the features that the recipe's model sees.

    Args:
        recipe: The recipe.
        songs: Songs as they were loaded.
        groups: Groups of features of the songs; what the songs say of them if left out.

    Raises:
        DataError: The model reads songs of another kind, or the songs do not say which features a group holds.
    """
    expects = find_builder(recipe.model).expects
    if songs.kind != expects:
        told = {"segments": "songs of segments", "image": "pictures"}
        raise DataError(
            f"{recipe.name} reads {told[expects]}, these are {told[songs.kind]} of shape {songs.song_shape}",
            where=songs.name,
            remedy="choose a model for them (`genrezoo list`), or other features (`genrezoo data build --features`)",
        )
    if recipe.pieces and songs.kind == "image":
        raise DataError("pictures cannot be cut into pieces", where=songs.name, remedy="leave the recipe's pieces out")
    if recipe.features is None:
        return songs
    groups = songs.feature_groups() if groups is None else groups
    if missing := [name for name in recipe.features if name not in groups]:
        raise DataError(
            f"no group of features is called {missing[0]!r}; there are {', '.join(groups) or 'none'}",
            where=songs.name,
            remedy="name the groups when the songs are made: about['feature_groups'] = {name: [columns]}",
        )
    return songs.select(sorted({column for name in recipe.features for column in groups[name]}))


def build_model(
    recipe: Recipe,
    shape: tuple[int, ...],
    num_classes: int,
    *,
    members: Mapping[str, keras.Model] | None = None,
    seed: int | None = None,
    again: bool = False,
) -> keras.Model:
    """Builds a recipe's model.

    Args:
        recipe: The recipe; for a composition each member with its own recipe, unless ``members`` are given.
        shape: Shape of one song as the model sees it.
        num_classes: Number of genres.
        members: Models that a composition is made of; built anew from the members' recipes if left out.
        seed: Seed of the initial weights; None for a fresh draw.
        again: Its weights are there already: pretrained ones need not be fetched to begin with.

    Raises:
        SettingsError: The arguments do not fit.
    """
    if not is_composition(recipe):
        begins_with = find_builder(recipe.model).begins_with if again else ()
        arguments = {name: value for name, value in recipe.arguments.items() if name not in begins_with}
        return create_model(recipe.model, shape, num_classes, seed=seed, **arguments)
    entry = COMPOSITIONS.get(recipe.model)
    if members is None:
        members = {name: _fresh(member.recipe, name, shape, num_classes) for name, member in recipe.members.items()}
    with keras_seed(child_seed(0, "unseeded") if seed is None else seed):
        try:
            return entry.build(members, shape, num_classes, **recipe.arguments)
        except TypeError as error:
            raise SettingsError(f"composition {recipe.model!r} refuses its arguments: {error}") from error


def check_members(recipe: Recipe) -> None:
    """Refuses a recipe that lacks a member, or has one that nothing asks for.

    Raises:
        SettingsError: A member is missing or too many, or of a kind that cannot be used there.
        UnknownNameError: A member has a name that nothing asks for.
    """
    of_model = find_builder(recipe.model).members
    of_procedure = PROCEDURES.get(recipe.procedure).members
    if "*" in of_model:
        if len(recipe.members) < 2:
            raise SettingsError(f"{recipe.model!r} is made of two or more members, got {len(recipe.members)}")
    else:
        wanted = {*of_model, *of_procedure}
        if missing := sorted(wanted - set(recipe.members)):
            raise SettingsError(f"recipe {recipe.name!r} needs a member {missing[0]!r}; give it a recipe or a run")
        for name in recipe.members:
            if name not in wanted:
                raise UnknownNameError(f"member of {recipe.model!r}", name, wanted)
    for name, member in recipe.members.items():
        if is_composition(recipe) and (member.logits or member.folds):
            raise SettingsError(f"member {name!r} of {recipe.model!r} must be a recipe or a run: it becomes a part")
        if member.fresh and not is_composition(recipe):
            raise SettingsError(f"member {name!r} must be trained: {recipe.procedure!r} learns from it")
        if is_composition(recipe) and member.recipe and member.recipe.features != recipe.features:
            raise SettingsError(f"member {name!r} of {recipe.model!r} must see the same features as the whole")


def handles(recipe: Recipe) -> tuple[bool, bool]:
    """Whether the recipe's model masks padding, and whether it takes any length; a composition as its members do."""
    entry = find_builder(recipe.model)
    parts = [handles(member.recipe) for member in recipe.members.values() if member.recipe and is_composition(recipe)]
    masks = entry.masks_padding and all(part[0] for part in parts)
    return masks, recipe.pieces is not None or (entry.any_length and all(part[1] for part in parts))


def check_padding(recipe: Recipe, songs: SongSet) -> None:
    """Refuses songs with padding for a model that does not mask it.

    Raises:
        DataError: Songs are shorter than the array, or than a piece.
    """
    segments = input_shape(recipe, songs)[0]
    short = int((songs.lengths < segments).sum())
    if short and not handles(recipe)[0]:
        raise DataError(
            f"{short} songs are shorter than {segments} segments and {recipe.name} does not mask padding",
            where=songs.name,
            remedy="choose a model that does (`genrezoo list`), or cut the songs to one length",
        )


def answers(model: keras.Model, recipe: Recipe, standardiser: Standardiser, songs: SongSet) -> dict[str, np.ndarray]:
    """What a trained model says of songs: ``logits`` and all other outputs of that shape, ``(n_songs, n_genres)``.

    A song in pieces gets the pieces' answers combined by the recipe's rule.
    """
    x, owner = _seen(recipe, standardiser, songs)
    outputs = forward(model, x)
    shape = outputs["logits"].shape
    return {name: _by_song(value, owner, recipe) for name, value in outputs.items() if value.shape == shape}


def logits_of(model: keras.Model, recipe: Recipe, standardiser: Standardiser, songs: SongSet) -> np.ndarray:
    """The logits of `answers` alone, by the fastest way that the model has."""
    x, owner = _seen(recipe, standardiser, songs)
    quick = find_builder(recipe.model).forward
    return _by_song(quick(model, x) if quick else forward(model, x)["logits"], owner, recipe)


def _seen(recipe: Recipe, standardiser: Standardiser, songs: SongSet) -> tuple[np.ndarray, np.ndarray | None]:
    """What the model is given, and whose piece each row is."""
    if recipe.pieces is None:
        return standardiser.apply(songs), None
    pieces, owner = cut_pieces(songs, segments=recipe.pieces.segments, hop=recipe.pieces.hop)
    return standardiser.apply(pieces), owner


def _by_song(logits: np.ndarray, owner: np.ndarray | None, recipe: Recipe) -> np.ndarray:
    if owner is None or recipe.pieces is None:
        return logits
    count = np.bincount(owner)
    real = np.arange(count.max()) < count[:, None]  # (songs, pieces)
    padded = np.zeros((*real.shape, logits.shape[1]), np.float32)
    padded[real] = logits
    return aggregate_logits(list(padded.transpose(1, 0, 2)), rule=recipe.pieces.rule, mask=real)


def _fresh(recipe: Recipe | None, name: str, shape: tuple[int, ...], num_classes: int) -> keras.Model:
    if recipe is None:
        raise SettingsError(f"member {name!r} has no recipe to be built from; open its run first")
    return build_model(recipe, shape, num_classes, again=True)
