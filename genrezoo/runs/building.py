"""A recipe's model, and what it answers to songs."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.layers import aggregate_logits
from genrezoo.models import create_model
from genrezoo.recipes import Recipe
from genrezoo.registry import COMPOSITIONS, PROCEDURES, find_builder
from genrezoo.seeds import child_seed, keras_seed
from genrezoo.songs import SongSet, Standardiser
from genrezoo.songs.pieces import cut_pieces
from genrezoo.training import forward


def is_composition(recipe: Recipe) -> bool:
    """Whether the recipe's model is made of its members."""
    return recipe.model in COMPOSITIONS.names()


def input_shape(recipe: Recipe, songs: SongSet) -> tuple[int, int]:
    """Segments and features of what the recipe's model sees of these songs."""
    return (recipe.pieces.segments if recipe.pieces else songs.n_segments, songs.n_features)


def build_model(
    recipe: Recipe,
    shape: tuple[int, int],
    num_classes: int,
    *,
    members: Mapping[str, keras.Model] | None = None,
    seed: int | None = None,
) -> keras.Model:
    """Builds a recipe's model.

    Args:
        recipe: The recipe; for a composition each member with its own recipe, unless ``members`` are given.
        shape: Segments and features.
        num_classes: Number of genres.
        members: Models that a composition is made of; built anew from the members' recipes if left out.
        seed: Seed of the initial weights; None for a fresh draw.

    Raises:
        SettingsError: The arguments do not fit.
    """
    if not is_composition(recipe):
        return create_model(recipe.model, shape, num_classes, seed=seed, **recipe.arguments)
    entry = COMPOSITIONS.get(recipe.model)
    if members is None:
        members = {name: _fresh(member.recipe, name, shape, num_classes) for name, member in recipe.members.items()}
    with keras_seed(child_seed(0, "unseeded") if seed is None else seed):
        try:
            return entry.call(members, shape, num_classes, **recipe.arguments)
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


def _fresh(recipe: Recipe | None, name: str, shape: tuple[int, int], num_classes: int) -> keras.Model:
    if recipe is None:
        raise SettingsError(f"member {name!r} has no recipe to be built from; open its run first")
    return build_model(recipe, shape, num_classes)
