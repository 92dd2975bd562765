"""Bagged recipes: one recipe trained once per fold of the songs, and the vote of these models."""

from __future__ import annotations

from pathlib import Path

from genrezoo.errors import SettingsError, check_known, check_type
from genrezoo.recipes import get_recipe
from genrezoo.recipes.recipe import Member, Recipe
from genrezoo.rules import RULES

MOST_FOLDS = 100


def bagged(recipe: str | Path | Recipe, *, folds: int = 5, rule: str = "mean", name: str | None = None) -> Recipe:
    """Builds a recipe that trains another one once per fold of the songs, and combines the models.

    Choose it for small data sets. Each song outside the test split is used to train all models but one, and the
    combined model is more accurate than each of them. Each training and validation song also gets an out-of-fold
    prediction, from the one model that was not trained on it. Training and prediction take as many times longer as
    there are folds.

    The run's seed splits the songs of ``train`` and ``valid`` into stratified folds, of whole groups if the songs have
    groups. Each fold is the validation split of the model that is trained without it, and selects that model's epoch,
    so out-of-fold predictions are slightly better than predictions for new songs. If the recipe is calibrated, these
    songs also select its temperature, so their log loss and calibration error are slightly too low.

    Args:
        recipe: A recipe, its name or its file.
        folds: Number of folds and models, from 2 to 100.
        rule: How the posteriors of the models are combined, ``"mean"`` or ``"product"``.
        name: Name of the result; the default is ``bagged_`` and the recipe's name.

    Returns:
        A recipe of the model ``ensemble`` with the members ``fold_1``, ``fold_2``, …. Change its options with
        ``members.NAME``.

    Raises:
        UnknownNameError: There is no such recipe or rule.
        SettingsError: ``folds`` is out of range, or the recipe uses a finished run or stored logits, whose model may
            have been trained on held-out songs.

    Example:
        >>> recipe = bagged("attention_pool", folds=3)
        >>> recipe.name, list(recipe.members)
        ('bagged_attention_pool', ['fold_1', 'fold_2', 'fold_3'])

    Reference:
        L. Breiman, Bagging predictors, Machine Learning 24 (1996); with folds in place of bootstrap samples, as
        A. Krogh, J. Vedelsby, Neural network ensembles, cross validation, and active learning, NIPS 1994.
    """
    recipe = recipe if isinstance(recipe, Recipe) else get_recipe(recipe)
    check_type("folds", folds, int, "a whole number")
    if not 2 <= folds <= MOST_FOLDS:
        raise SettingsError(f"folds must be from 2 to {MOST_FOLDS}, got {folds}")
    check_known("rule", [rule], RULES)
    _check_alone(recipe)
    return Recipe(
        name=name or f"bagged_{recipe.name}",
        summary=f"{folds} models, each trained without one fold of the songs: {recipe.summary}",
        reference=recipe.reference,
        model="ensemble",
        arguments={"rule": rule},
        procedure="stagewise",
        standardise=False,  # each member standardises by its own training songs
        chunks=recipe.chunks,
        features=recipe.features,
        members={f"fold_{held}": Member(recipe=recipe, folds=folds, held=held) for held in range(1, folds + 1)},
    )


def _check_alone(recipe: Recipe) -> None:
    for name, member in recipe.members.items():
        if member.run or member.logits:
            what = f"member {name!r} of {recipe.name!r} is already trained, perhaps on songs that a fold holds out"
            raise SettingsError(f"{what}; use its recipe instead")
        if member.recipe is not None:
            _check_alone(member.recipe)
