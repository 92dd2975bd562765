"""A recipe's network: checks of its input, building it, and predicting with it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from genrezoo.errors import SettingsError, check_known
from genrezoo.models import create_model, settled
from genrezoo.reading import check_readable
from genrezoo.recipes import Recipe
from genrezoo.registry import COMPOSITIONS, PROCEDURES, find_builder
from genrezoo.runs.calibration import at_temperature
from genrezoo.runs.preprocessing import Preprocessing, columns_within, standardise_layer
from genrezoo.seeds import child_seed, keras_seed
from genrezoo.songs import SongSet, Standardiser
from genrezoo.training import forward


def is_composition(recipe: Recipe) -> bool:
    """Whether the recipe's model is a composition of its members."""
    return recipe.model in COMPOSITIONS.names()


def build_model(
    recipe: Recipe,
    shape: tuple[int | None, ...],
    num_classes: int,
    *,
    members: Mapping[str, keras.Model] | None = None,
    seed: int | None = None,
    again: bool = False,
    groups: Mapping[str, Sequence[int]] | None = None,
) -> keras.Model:
    """Builds a recipe's model.

    Args:
        recipe: The recipe; for a composition, each member has its recipe, unless ``members`` are passed.
        shape: Shape of one song as the network reads it; None segments for any number.
        num_classes: Number of genres.
        members: Members of a composition; by default they are built from their recipes.
        seed: Seed of the initial weights; None for a new draw.
        again: The weights exist already, so pretrained ones need not be downloaded.
        groups: Feature groups of the songs, for members that read only some of them.

    Raises:
        SettingsError: The arguments do not fit.
        DataError: There is no such group.
    """
    if not is_composition(recipe):
        begins_with = find_builder(recipe.model).begins_with if again else ()
        arguments = settled(recipe.model, recipe.arguments)
        arguments = {name: value for name, value in arguments.items() if name not in begins_with}
        if taken := arguments.keys() & inspect.signature(create_model).parameters.keys():
            raise SettingsError(f"{min(taken)!r} cannot be set: it depends on the songs and the seed")
        return create_model(recipe.model, shape, num_classes, seed=seed, **arguments)
    entry = COMPOSITIONS.get(recipe.model)
    if members is None:
        members = {name: build_member(recipe, name, shape, num_classes, groups=groups) for name in recipe.members}
    with keras_seed(child_seed(0, "unseeded") if seed is None else seed):
        try:
            return entry.build(members, shape, num_classes, **recipe.arguments)
        except TypeError as error:
            raise SettingsError(f"composition {recipe.model!r} rejects its arguments: {error}") from error


def at_most_songs(recipe: Recipe, n_songs: int) -> Recipe:
    """Returns the recipe with the model's arguments that count training songs at their number, if they are larger.

    Args:
        recipe: The recipe.
        n_songs: Number of training songs.
    """
    entry = find_builder(recipe.model)
    defaults = {name: inspect.signature(entry.call).parameters[name].default for name in entry.counts_songs}
    asked = {name: recipe.arguments.get(name, default) for name, default in defaults.items()}
    # of chunks there are more than songs; what is not a number is refused by the builder
    lower = {name: n_songs for name, value in asked.items() if isinstance(value, int) and value > n_songs}
    if recipe.chunks is not None or not lower:
        return recipe
    return recipe.model_copy(update={"arguments": {**recipe.arguments, **lower}})


def check_members(recipe: Recipe) -> None:
    """Rejects a recipe with missing or superfluous members.

    Raises:
        SettingsError: A member is missing or superfluous, or of a kind that cannot be used there.
        UnknownNameError: A member has an unknown name.
    """
    of_model = find_builder(recipe.model).members
    of_procedure = PROCEDURES.get(recipe.procedure).members
    if "*" in of_model:
        if len(recipe.members) < 2:
            raise SettingsError(f"{recipe.model!r} needs at least two members, got {len(recipe.members)}")
    else:
        wanted = {*of_model, *of_procedure}
        if missing := sorted(wanted - set(recipe.members)):
            raise SettingsError(f"recipe {recipe.name!r} needs a member {missing[0]!r}; pass a recipe or a run")
        check_known(f"member of {recipe.model!r}", recipe.members, wanted)
    for name, member in recipe.members.items():
        if member.held is not None:
            _check_held(recipe, name)
        if is_composition(recipe) and (member.logits or (member.folds and not member.held)):
            raise SettingsError(
                f"member {name!r} of {recipe.model!r} must be a recipe or a run, because it becomes a part of the model"
            )
        if member.fresh and not is_composition(recipe):
            raise SettingsError(f"member {name!r} must be trained: {recipe.procedure!r} learns from it")
        if member.recipe is not None and member.recipe.cross_validated and recipe.procedure != "stagewise":
            what = f"member {name!r} was trained on validation songs, by which {recipe.procedure!r} would judge it"
            raise SettingsError(f"{what}; use a member that is not bagged, or the procedure 'stagewise'")
        mixes = is_composition(recipe) and not recipe.standardise
        if mixes and member.recipe is not None and member.recipe.chunks != recipe.chunks:
            what = f"member {name!r} of {recipe.model!r} reads other chunks of songs than the whole"
            raise SettingsError(f"{what}; use members that read whole songs, or the same chunks for all")
        reads_all = member.recipe is not None and member.recipe.features is None
        more = set((member.recipe and member.recipe.features) or ()) - set(recipe.features or ())
        if is_composition(recipe) and recipe.features and (reads_all or more):
            what = f"member {name!r} of {recipe.model!r} reads other groups of features than the whole"
            raise SettingsError(f"{what}, {', '.join(recipe.features)}")


def _check_held(recipe: Recipe, name: str) -> None:
    """Refuses a member that is trained without a fold, where no other stands in for the songs that it knows."""
    member = recipe.members[name]
    if recipe.model != "ensemble" or recipe.procedure != "stagewise" or recipe.standardise:
        what = f"member {name!r} is trained without a fold of the songs, which is for the model 'ensemble'"
        raise SettingsError(f"{what}, the procedure 'stagewise' and standardise=False; see genrezoo.bagged")
    if sorted(one.held or 0 for one in recipe.members.values() if one.kin == member.kin) != list(
        range(1, member.folds + 1)
    ):
        what = f"member {name!r} is trained without fold {member.held} of {member.folds}"
        raise SettingsError(f"{what}; each of the folds has to be held out by one member of the same recipe")


def handles(recipe: Recipe) -> tuple[bool, bool]:
    """Whether the recipe's model masks padding, and whether it takes any length; a composition as its members do."""
    entry = find_builder(recipe.model)
    parts = [handles(member.recipe) for member in recipe.members.values() if member.recipe and is_composition(recipe)]
    masks = entry.masks_padding and all(part[0] for part in parts)
    return masks, recipe.chunks is not None or (entry.any_length and all(part[1] for part in parts))


def check_songs(recipe: Recipe, songs: SongSet) -> None:
    """Rejects songs that a recipe's model cannot read.

    Raises:
        DataError: They are images and the model reads segments or vice versa, or they are shorter than the array (or
            than a chunk) and the model does not mask padding.
    """
    kind, masks = find_builder(recipe.model).expects, handles(recipe)[0]
    check_readable(songs, name=recipe.name, kind=kind, chunks=recipe.chunks, masks_padding=masks)


def answers(model: keras.Model, preprocessing: Preprocessing, songs: SongSet) -> dict[str, np.ndarray]:
    """Returns a network's predictions: ``logits`` and all other outputs of that shape, ``(n_songs, n_genres)``."""
    x, owner = preprocessing.apply(songs)
    outputs = forward(model, x)
    shape = outputs["logits"].shape
    return {name: preprocessing.combine(value, owner) for name, value in outputs.items() if value.shape == shape}


def logits_of(model: keras.Model, recipe: Recipe, preprocessing: Preprocessing, songs: SongSet) -> np.ndarray:
    """Returns only the logits of `answers`, in the fastest way that the model offers."""
    x, owner = preprocessing.apply(songs)
    quick = find_builder(recipe.model).forward
    return preprocessing.combine(quick(model, x) if quick else forward(model, x)["logits"], owner)


def build_member(
    recipe: Recipe,
    name: str,
    shape: tuple[int | None, ...],
    num_classes: int,
    *,
    groups: Mapping[str, Sequence[int]] | None,
    seed: int | None = None,
    standardiser: Standardiser | None = None,
) -> keras.Model:
    """Builds a member of a composition, on the composition's input.

    Args:
        recipe: The composition's recipe.
        name: Name of the member.
        shape: As for `build_model`.
        num_classes: As for `build_model`.
        groups: As for `build_model`.
        seed: As for `build_model`.
        standardiser: Standardiser of the member's features, if the member standardises them itself (see
            `standardises_itself`); without it, its weights must be loaded.
    """
    member = recipe.members[name].recipe
    if member is None:
        raise SettingsError(f"member {name!r} has no recipe to be built from; open its run first")
    columns = columns_within(recipe, member, groups or {})
    part = shape if columns is None else (*shape[:-1], len(columns))
    built = build_model(member, part, num_classes, seed=seed, again=seed is None, groups=groups)
    if standardiser is None and standardises_itself(recipe, member):
        standardiser = Standardiser.none(int(part[-1] or 0), clip=member.clip, transform=member.transform)
    return reading(at_temperature(built, recipe.members[name].temperature), columns, shape, standardiser)


def standardises_itself(recipe: Recipe, member: Recipe) -> bool:
    """Whether a member of a composition keeps its standardisation, because the composition has none."""
    return member.standardise and not recipe.standardise


def reading(
    model: keras.Model,
    columns: Sequence[int] | None,
    shape: tuple[int | None, ...],
    standardiser: Standardiser | None = None,
) -> keras.Model:
    """Wraps a model of some standardised features as a model of all features that returns logits.

    Args:
        model: The model.
        columns: Features that it reads; None for all.
        shape: Shape of one song with all features.
        standardiser: Standardiser of these features, which becomes weights of the result; None for none. The model is
            returned unchanged if there is nothing to select or standardise.
    """
    if columns is None and standardiser is None:
        return model
    songs = keras.Input(shape, name="songs")
    own = standardiser or Standardiser.none(int(shape[-1] or 0) if columns is None else len(columns))
    select = standardise_layer(own, columns, name="features", as_weights=standardiser is not None)
    output = model(select(songs))
    return keras.Model(songs, output["logits"] if isinstance(output, dict) else output, name=model.name)
