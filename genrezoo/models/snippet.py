"""An ensemble of LSTMs, each of which hears one part of the song.

Choose it where genres differ by what happens when in a song, and where training time counts: its LSTMs read their
snippets side by side. It cannot learn what reaches over the border of two snippets. The snippets are parts of the
*input*, padding included, so it suits songs of about one length best; a snippet that holds padding alone is left out of
the vote.
"""

from __future__ import annotations

from typing import Any

import keras

from genrezoo.errors import SettingsError
from genrezoo.layers import RULES, Aggregate, CutSnippets, Head
from genrezoo.models._checks import InputShape, check_choice, check_count, check_input_shape
from genrezoo.models._frame import check_classifier, song_input
from genrezoo.models._lstm import read_sequence
from genrezoo.registry import MODELS


def snippet_lstm_space(hp: Any) -> dict[str, Any]:
    """Search space of `build_snippet_lstm`: the source's numbers of snippets and both rules, size and beta."""
    return {
        "snippets": hp.Choice("snippets", [2, 4], default=4),
        "rule": hp.Choice("rule", ["mean", "product"], default="product"),
        "units": hp.Int("units", 25, 200, step=25, default=100),
        "beta": hp.Float("beta", 1.0, 1000.0, sampling="log", default=100.0),
        "dropout": hp.Float("dropout", 0.0, 0.5, default=0.0),
    }


@MODELS.register(
    "snippet_lstm",
    summary="an LSTM for each part of the song, their posteriors combined by a rule",
    reference="J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017): sections 2.2 and 4",
    reported={
        "MSD-10 validation accuracy": "66 % (4 snippets, product)",
        "MSD-10 test accuracy": "65 % (4 snippets, product)",
        "MSD-25 validation accuracy": "30 % (4 snippets, product)",
    },
    space=snippet_lstm_space,
    masks_padding=True,
    exports=("onnx",),
)
def build_snippet_lstm(
    input_shape: InputShape,
    num_classes: int,
    *,
    snippets: int = 4,
    rule: str = "product",
    units: int = 100,
    beta: float = 100.0,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """Independent experts, one for each snippet, trained side by side and combined without any weight of their own.

    Each expert is the source's best single network, an LSTM with activation stabilisation, and is trained on the genre
    by itself; nothing is trained through the rule. The rule can be changed after training (see `aggregate_logits`).

    Args:
        input_shape: ``(n_segments, n_features)`` of a song.
        num_classes: Number of genres, at least 2.
        snippets: Number of parts and experts, from 1; where segments do not come out even, the first parts are one
            longer.
        rule: How posteriors are combined: ``"product"`` or ``"mean"``.
        units: Size of each expert's state.
        beta: Weight of the activation stabilisation (see `ActivityStabiliser`), from 0; 0 turns it off.
        dropout: Share of a snippet's features to drop, the same in all its segments, in [0, 1).
        recurrent_dropout: Share of the state to drop, the same in all segments, in [0, 1).
        classifier_activation: None for normalised log posteriors in ``logits``, ``"softmax"`` for posteriors.

    Returns:
        An uncompiled model with outputs ``logits``, which is not trained, and ``expert_1``, ``expert_2``, …: the logits
        of the experts, each trained on the genre.

    Raises:
        SettingsError: An option is out of range, the length is unknown or smaller than the number of snippets.

    Example:
        >>> model = build_snippet_lstm((120, 25), num_classes=10, units=20)
        >>> model.output["logits"].shape, sorted(model.output)
        ((None, 10), ['expert_1', 'expert_2', 'expert_3', 'expert_4', 'logits'])

    Reference:
        J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017), sections 2.2 and 4.1; the
        rules: C. N. Silla Jr, C. A. A. Kaestner, A. L. Koerich, IEEE SMC 2007.
    """
    num_classes = check_classifier(num_classes, classifier_activation)
    check_choice("rule", rule, tuple(RULES))
    n_segments, _ = check_input_shape(input_shape, any_length=False)
    snippets = check_count("snippets", snippets)
    if (n_segments or 0) < snippets:
        raise SettingsError(f"songs of {n_segments} segments cannot be cut into {snippets} snippets; cut into fewer")

    songs, x = song_input(input_shape, any_length=False)
    *parts, real = CutSnippets(snippets, name="cut")(x)
    experts = []
    for number, part in enumerate(parts, start=1):
        state = read_sequence(
            part, units=units, beta=beta, dropout=dropout, recurrent_dropout=recurrent_dropout, name=f"lstm_{number}"
        )
        experts.append(keras.layers.Dense(num_classes, name=f"readout_{number}")(state))
    combined = Aggregate(rule, name="rule")(experts, real=real)  # normalised log posteriors
    if classifier_activation is not None:
        combined = keras.layers.Activation(classifier_activation, name="posteriors")(combined)
    outputs = {"logits": Head(target="genre", weight=0.0, name="logits")(combined)}
    for number, logits in enumerate(experts, start=1):
        outputs[f"expert_{number}"] = Head(target="genre", weight=1.0, name=f"expert_{number}")(logits)
    return keras.Model(songs, outputs, name="snippet_lstm")
