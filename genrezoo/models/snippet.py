"""Ensembles of experts, each for one part of the song.

Choose one where genres differ in what happens when in a song, and where training time counts: recurrent experts process
their snippets in parallel. It cannot learn patterns across the border of two snippets. The snippets are parts of the
*input*, including padding, so it works best for songs of about the same length; a snippet that holds only padding
neither votes nor trains its expert.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_choice, check_count
from genrezoo.models._frame import check_classifier
from genrezoo.models._member import build_member
from genrezoo.models._sequence import read_sequence
from genrezoo.registry import MODELS
from genrezoo.rules import RULES
from genrezoo.spaces import Choice, Float, Int

_RULES = (*RULES, "weighted")
RULE_SPACE = {
    "rule": Choice(_RULES),
    "rule_l2": Float(1e-5, 1e-1, sampling="log", when={"rule": ("weighted",)}),  # no other rule has weights
}


@MODELS.register(
    "snippet_lstm",
    summary="an LSTM for each part of the song, with their posteriors combined by a rule",
    reference="J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017): sections 2.2 and 4",
    reported={
        "MSD-10 validation accuracy": "66 % (4 snippets, product)",
        "MSD-10 test accuracy": "65 % (4 snippets, product)",
        "MSD-25 validation accuracy": "30 % (4 snippets, product), 29 % (weighted)",
    },
    space={
        "snippets": Choice((2, 4)),
        **RULE_SPACE,
        "units": Int(25, 200, step=25),
        "beta": Float(1.0, 1000.0, sampling="log"),
        "dropout": Float(0.0, 0.5),
    },
    masks_padding=True,
)
def build_snippet_lstm(
    input_shape: InputShape,
    num_classes: int,
    *,
    snippets: int = 4,
    rule: str = "product",
    rule_l2: float = 1e-3,
    units: int = 100,
    beta: float = 100.0,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """Independent experts, one for each snippet, trained side by side.

    Each expert is the source's best single network, an LSTM with activation stabilisation, and is trained separately on
    the genre; no gradient passes through the rule. A rule without weights can be changed after training (see
    `aggregate_logits`).

    Args:
        snippets: Number of parts and experts, at least 1; if the segments do not divide evenly, the first parts are one
            segment longer.
        rule: How posteriors are combined: ``"product"``, ``"mean"``, or ``"weighted"`` for a mean whose weights are
            trained with the experts (see `WeightedAggregate`).
        rule_l2: L2 factor on the weights of the weighted rule, at least 0; no other rule has any.
        units: Size of each expert's state.
        beta: Weight of the activation stabilisation (see `ActivityStabiliser`), from 0; 0 turns it off. The shorter the
            snippets, the stronger its effect (see `build_stabilised_lstm`).
        dropout: Fraction of a snippet's features to drop, the same ones in all its segments, in [0, 1).
        recurrent_dropout: Fraction of the state to drop, the same units in all segments, in [0, 1).

    Returns:
        An uncompiled model with outputs ``logits``, which are trained only under the weighted rule, and ``expert_1``,
        ``expert_2``, …: the logits of the experts, each trained on the genre, and zeros for a snippet that holds only
        padding.

    Raises:
        SettingsError: An option is out of range, or the length is unknown or smaller than the number of snippets.

    Example:
        >>> model = build_snippet_lstm((120, 25), num_classes=10, units=20)
        >>> model.output["logits"].shape, sorted(model.output)
        ((None, 10), ['expert_1', 'expert_2', 'expert_3', 'expert_4', 'logits'])

    Reference:
        J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017), sections 2.2, 4.1 and 4.2;
        the rules: C. N. Silla Jr, C. A. A. Kaestner, A. L. Koerich, IEEE SMC 2007.
    """

    def expert(number: int, part: Any) -> Any:
        masked = layers.MaskPadding(name=f"mask_padding_{number}")(part)
        state = read_sequence(
            masked, units=units, beta=beta, dropout=dropout, recurrent_dropout=recurrent_dropout, name=f"lstm_{number}"
        )
        return keras.layers.Dense(num_classes, name=f"readout_{number}")(state)

    return _ensemble(
        "snippet_lstm",
        input_shape,
        num_classes,
        expert,
        snippets=snippets,
        rule=rule,
        rule_l2=rule_l2,
        classifier_activation=classifier_activation,
    )


@MODELS.register(
    "snippet_ensemble",
    summary="a model of any kind for each part of the song, with their posteriors combined by a rule",
    reference="C. N. Silla Jr, C. A. A. Kaestner, A. L. Koerich, Automatic music genre classification using ensemble "
    "of classifiers, IEEE SMC 2007",
    space={"snippets": Int(2, 8), **RULE_SPACE},
    masks_padding=True,
)
def build_snippet_ensemble(
    input_shape: InputShape,
    num_classes: int,
    *,
    member: str = "lstm",
    member_arguments: Mapping[str, Any] = {},
    snippets: int = 4,
    rule: str = "product",
    rule_l2: float = 1e-3,
    classifier_activation: str | None = None,
) -> Any:
    """Independent experts of any one kind, one for each snippet, trained side by side.

    As `build_snippet_lstm`, with experts of your choice: convolutional ones are faster, and the method was proposed
    with perceptrons. The member determines how padding is handled.

    Args:
        member: Name of a segment model with one output; each snippet gets a separate instance.
        member_arguments: Keywords of its builder; options left out keep their defaults.
        snippets: Number of parts and experts, at least 1; if the segments do not divide evenly, the first parts are one
            segment longer.
        rule: How posteriors are combined: ``"product"``, ``"mean"``, or ``"weighted"`` for a mean whose weights are
            trained with the experts (see `WeightedAggregate`).
        rule_l2: L2 factor on the weights of the weighted rule, at least 0; no other rule has any.

    Returns:
        An uncompiled model with the outputs of `build_snippet_lstm`; the experts are its layers ``member_1``,
        ``member_2``, …

    Raises:
        UnknownNameError: There is no such member.
        SettingsError: An option is out of range, the member has several outputs, or the snippets are too short for it.

    Example:
        >>> arguments = {"filters": 8, "units": 16}
        >>> model = build_snippet_ensemble((120, 25), 10, member="conv_in_time", member_arguments=arguments, snippets=3)
        >>> model.get_layer("member_3").input_shape, sorted(model.output)
        ((None, 40, 25), ['expert_1', 'expert_2', 'expert_3', 'logits'])

    Reference:
        C. N. Silla Jr, C. A. A. Kaestner, A. L. Koerich, IEEE SMC 2007; J. Wilsenach, RNNs on The Million Song Dataset:
        Training with Multiple Tasks (2017), section 2.2.
    """

    def expert(number: int, part: Any) -> Any:
        with keras.name_scope(f"member_{number}"):  # in the names of the weights
            model = build_member("member", member, part.shape[1:], num_classes, member_arguments)
        model.name = f"member_{number}"
        return model(part)

    return _ensemble(
        "snippet_ensemble",
        input_shape,
        num_classes,
        expert,
        snippets=snippets,
        rule=rule,
        rule_l2=rule_l2,
        classifier_activation=classifier_activation,
    )


def _ensemble(
    name: str,
    input_shape: InputShape,
    num_classes: int,
    make_expert: Callable[[int, Any], Any],
    *,
    snippets: int,
    rule: str,
    rule_l2: float,
    classifier_activation: str | None,
) -> Any:
    """Builds either model; ``make_expert`` maps a snippet's number and its segments (padding as NaN) to logits."""
    check_classifier(classifier_activation)
    check_choice("rule", rule, _RULES)
    n_segments, n_features = input_shape
    snippets = check_count("snippets", snippets)
    if (n_segments or 0) < snippets:
        raise SettingsError(f"songs of {n_segments} segments cannot be cut into {snippets} snippets; cut into fewer")

    songs = keras.Input((n_segments, n_features), name="songs")
    *parts, real = layers.CutSnippets(snippets, name="cut")(songs)
    experts = [make_expert(number, part) for number, part in enumerate(parts, start=1)]
    experts = layers.RealMembers(name="real_members")(experts, real=real)
    weighted = rule == "weighted"
    layer = layers.WeightedAggregate(rule_l2, name="rule") if weighted else layers.Aggregate(rule, name="rule")
    combined = layer(experts, real=real)  # normalised log posteriors
    if classifier_activation is not None:
        combined = keras.layers.Activation(classifier_activation, name="posteriors")(combined)
    outputs = {"logits": layers.Head(target="genre", weight=1.0 if weighted else 0.0, name="logits")(combined)}
    for number, logits in enumerate(experts, start=1):
        outputs[f"expert_{number}"] = layers.Head(target="genre", weight=1.0, name=f"expert_{number}")(logits)
    return keras.Model(songs, outputs, name=name)
