"""The combined vote of several models, without trainable weights.

Choose it for several runs of one recipe with different seeds (a deep ensemble): it is more accurate and better
calibrated than each of them, at the cost of running them all. For models of different accuracy, `build_combiner` learns
which to trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genrezoo.composition._members import ANY, check_members, listen
from genrezoo.errors import SettingsError, check_known
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape
from genrezoo.registry import COMPOSITIONS
from genrezoo.rules import RULES
from genrezoo.spaces import Choice


@COMPOSITIONS.register(
    "ensemble",
    summary="the mean or the product of the posteriors of several trained models",
    reference="B. Lakshminarayanan, A. Pritzel, C. Blundell, Deep Ensembles, NeurIPS 2017",
    space={"rule": Choice(tuple(RULES))},
    masks_padding=True,
    any_length=True,
    members=ANY,
    by_gradient=False,
)
def build_ensemble(
    members: Mapping[str, Any],
    input_shape: InputShape,
    num_classes: int,
    *,
    rule: str = "mean",
    weights: Mapping[str, float] | None = None,
) -> Any:
    """Combines the posteriors of frozen members by a rule; there is nothing to train.

    Args:
        members: Two or more trained models by name; they are copied and not changed.
        rule: How posteriors are combined: ``"mean"``, as in the paper, or ``"product"``.
        weights: Weight of each member by name, at least 0; only their ratios matter. They weight the mean of the
            posteriors or, for ``"product"``, the sum of the log posteriors (a geometric mean). None for equal weights.

    Returns:
        An uncompiled model without trainable weights; ``logits`` are normalised log posteriors.

    Raises:
        SettingsError: A member does not fit, or has no weight where others have one; or a weight is out of range.
        UnknownNameError: There is no such rule, or a weight names no member.

    Example:
        >>> from genrezoo.models import create_model
        >>> members = {f"seed_{seed}": create_model("lstm", (None, 25), 10, seed=seed, units=8) for seed in (1, 2, 3)}
        >>> model = build_ensemble(members, (None, 25), 10)
        >>> model.output_shape, model.trainable_weights
        ((None, 10), [])
        >>> weighted = build_ensemble(members, (None, 25), 10, weights={"seed_1": 2, "seed_2": 1, "seed_3": 1})

    Reference:
        B. Lakshminarayanan, A. Pritzel, C. Blundell, Simple and scalable predictive uncertainty estimation using deep
        ensembles, NeurIPS 2017, section 2.4.
    """
    members = check_members(members, ANY, input_shape=input_shape, num_classes=num_classes)
    if weights is not None:
        if not isinstance(weights, Mapping):
            raise SettingsError(f"weights must be a dict of numbers by member, e.g. {{'lstm': 2}}, got {weights!r}")
        check_known("member", weights, members)
        if missing := [name for name in members if name not in weights]:
            raise SettingsError(f"member {missing[0]!r} has no weight; pass one, or 0 to leave it out")
    counts = None if weights is None else [weights[name] for name in members]
    songs = keras.Input(tuple(input_shape), name="songs")
    opinions = [listen(name, member, songs, frozen=True) for name, member in members.items()]
    combined = layers.Aggregate(rule, counts, name="rule")(opinions)
    return keras.Model(songs, layers.Head(target="genre", weight=0.0, name="logits")(combined), name="ensemble")
