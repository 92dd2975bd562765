"""What transformer and conformer have in common, and where they differ."""

from __future__ import annotations

import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.models import create_model

SMALL = {"units": 8, "heads": 2, "blocks": 1, "dropout": 0, "input_dropout": 0}


@pytest.mark.parametrize("name", ["transformer", "conformer"])
def test_order_counts(name):
    """A song backwards is another song: the first layers see no order, so that attention or convolution must."""
    model = create_model(name, (None, 3), 2, seed=1, **SMALL)
    songs = np.random.default_rng(0).standard_normal((2, 7, 3)).astype("float32")
    assert np.abs(np.asarray(model(songs)) - np.asarray(model(songs[:, ::-1]))).max() > 1e-3


def test_perceptrons_of_a_conformer_count_half():
    model = create_model("conformer", (None, 3), 2, **SMALL)
    assert [model.get_layer(f"block_1_{part}_scale").scale for part in ("first", "second")] == [0.5, 0.5]


@pytest.mark.parametrize("name", ["transformer", "conformer"])
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"heads": 8}, "units must be a multiple of 2 \\* heads, got units=8 and heads=8"),
        ({"heads": 0}, "heads must be a whole number from 1, got 0"),
        ({"blocks": 0}, "blocks must be a whole number from 1, got 0"),
        ({"expansion": 0}, "expansion must be a whole number from 1, got 0"),
        ({"pooling": "last"}, "pooling must be one of 'attention', 'mean', got 'last'"),
    ],
)
def test_options_out_of_range_are_refused(name, arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        create_model(name, (5, 3), 3, **{**SMALL, **arguments})
