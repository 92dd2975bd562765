"""A network of radial basis functions: a song's genres follow from its similarity to songs of the training set.

Choose it for tables and for statistics of songs, where a support vector machine with an RBF kernel does well: with the
procedure `kernel_ridge` it is a kernel machine of the same kind that learns how much each feature matters. It is fitted
in closed form, in seconds to hundreds of songs and in a minute to thousands, has calibrated posteriors, and is a member
of ensembles that differs from the other networks. It ignores the order of segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_count, check_weights
from genrezoo.models._frame import RICH, STATISTICS_SPACE, classify, table_input
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice


@MODELS.register(
    "rbf_network",
    summary="similarities to songs of the training set by Gaussians of several widths, and a linear output layer",
    reference="T. Poggio, F. Girosi, Networks for approximation and learning, Proceedings of the IEEE 78 (1990)",
    space={**STATISTICS_SPACE, "centres": Choice((500, 1000, 2000, 5000))},
    masks_padding=True,
    counts_songs=("centres",),
)
def build_rbf_network(
    input_shape: InputShape,
    num_classes: int,
    *,
    statistics: Sequence[str] = RICH,
    centres: int = 1000,
    classifier_activation: str | None = None,
) -> Any:
    """Radial basis functions on a table, or on statistics of a song, and an affine map of the similarities.

    The procedure `kernel_ridge` places the centres on training songs. Others train only the output layer, on random
    centres.

    Args:
        statistics: Statistics of each feature over the song's real segments, see `PooledStatistics`; not used for songs
            of one segment.
        centres: Number of centres; if there are fewer training songs, their number.

    Returns:
        An uncompiled model; its last layer is called ``logits``, the one before it ``similarities``.

    Example:
        >>> model = build_rbf_network((1, 57), num_classes=10, centres=200)
        >>> model.get_layer("similarities").output.shape
        (None, 200)

    Reference:
        T. Poggio, F. Girosi, Networks for approximation and learning, Proceedings of the IEEE 78 (1990), section III.
    """
    songs, x = table_input(input_shape, statistics)
    check_weights("centres", check_count("centres", centres), x.shape[-1])
    x = layers.RadialBasis(centres, name="similarities")(x)
    return keras.Model(songs, classify(x, num_classes, classifier_activation=classifier_activation), name="rbf_network")
