from __future__ import annotations

import pytest

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.layers import Head
from genrezoo.layers.heads import TARGETS


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_weight_out_of_range_is_refused(weight):
    with pytest.raises(SettingsError, match=f"weight of a head must be a finite number of at least 0, got {weight}"):
        Head(target="genre", weight=weight)


def test_unknown_target_is_refused():
    with pytest.raises(UnknownNameError, match="unknown target of a head 'genres'. Did you mean 'genre'"):
        Head(target="genres", weight=1.0)


@pytest.mark.parametrize("target", ["genre", "binary", "song"])
def test_every_target_is_described_and_kept(target):
    assert "error" in TARGETS[target] or "cross-entrop" in TARGETS[target]
    assert Head.from_config(Head(target=target, weight=2).get_config()).target == target
