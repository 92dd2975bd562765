"""Recipes of our own: what is known to work on small tables and short sequences today.

Their settings were chosen on validation songs; a comment on each says on which.
"""

from genrezoo.recipes.pooling_and_ensembles import GENTLE
from genrezoo.recipes.recipe import RECIPES, Recipe

ATTENTION_POOL = Recipe(
    name="attention_pool",
    summary="Gated attention over the segments, each read by a hidden layer of 128 units",
    reference="own; Ilse, Tomczak and Welling 2018",
    model="attention_pool",
    settings={**GENTLE, "epochs": 60, "patience": 20, "monitor": "loss"},
)

RECIPES.add(ATTENTION_POOL)
