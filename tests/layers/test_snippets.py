from __future__ import annotations

import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.layers import CutSnippets

SONGS = np.arange(2 * 11 * 3, dtype="float32").reshape(2, 11, 3)


@pytest.mark.parametrize("snippets", [1, 2, 3, 4, 10, 11])
def test_parts_are_those_of_array_split(snippets):
    *parts, real = CutSnippets(snippets)(SONGS)
    for part, expected in zip(parts, np.array_split(SONGS, snippets, axis=1), strict=True):
        np.testing.assert_array_equal(np.asarray(part), expected)
    assert np.asarray(real).tolist() == [[True] * snippets] * 2


def test_parts_of_padding_are_not_real_and_padding_stays():
    padded = SONGS.copy()
    padded[1, 5:], padded[1, 4, 0] = np.nan, np.nan  # one missing number makes a segment padding
    *parts, real = CutSnippets(3)(padded)  # 4, 4, 3
    assert np.asarray(real).tolist() == [[True, True, True], [True, False, False]]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), padded)


@pytest.mark.parametrize(
    ("snippets", "shape", "reason"),
    [
        (0, (2, 11, 3), "snippets must be at least 1, got 0"),
        (12, (2, 11, 3), "11 segments cannot be cut into 12 snippets"),
        (2, (None, None, 3), "unknown length"),
    ],
)
def test_what_cannot_be_cut_is_refused(snippets, shape, reason):
    with pytest.raises(SettingsError, match=reason):
        CutSnippets(snippets).build(shape)
