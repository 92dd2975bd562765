import hashlib
import random

import keras
import numpy as np
import pytest

from genrezoo import seeds
from genrezoo.errors import SettingsError


def test_children_depend_on_every_part_of_their_path_and_nothing_else():
    found = {seeds.child_seed(s, *path) for s in (0, 1) for path in ((), ("a",), ("a", 1), ("a", 2), ("b", 1))}
    assert len(found) == 10
    # pinned, because runs of earlier versions must stay repeatable: the first four bytes of sha256("7/order/3")
    assert seeds.child_seed(7, "order", 3) == int.from_bytes(hashlib.sha256(b"7/order/3").digest()[:4], "little")


def test_generators_repeat():
    assert np.array_equal(seeds.generator(1, "x").random(4), seeds.generator(1, "x").random(4))


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1", True, None])
def test_what_is_not_a_seed_is_refused(seed):
    with pytest.raises(SettingsError, match="seed must be an integer"):
        seeds.child_seed(seed)


def test_zero_is_a_seed_like_any_other():
    assert seeds.check_seed(0) == 0
    assert seeds.child_seed(0, "a") == seeds.child_seed(0, "a") != seeds.child_seed(1, "a")


def test_keras_layers_follow_the_seed_and_the_callers_randomness_is_left_alone():
    def weights(seed):
        with seeds.keras_seed(seed):
            layer = keras.layers.Dense(3)
            layer.build((None, 2))
        return np.asarray(layer.kernel.value)

    random.seed(5)
    expected = random.random()
    random.seed(5)
    first = weights(1)
    assert random.random() == expected
    assert np.array_equal(first, weights(1))
    assert not np.array_equal(first, weights(2))
