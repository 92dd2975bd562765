"""Each check of each contract fails for a member that breaks it, and passes for one that does not."""

from __future__ import annotations

import broken_models as broken
import keras
import numpy as np
import pytest
from keras import ops
from layer_contract import LayerCase, layer_checks
from model_contract import Case, model_checks
from rule_contract import rule_checks
from settings import Row

from genrezoo.layers import EndMask, MaskPadding
from genrezoo.registry import Entry
from genrezoo.rules import product_rule
from genrezoo.spaces import Int

ROW = Row({"units": 6})
MODEL_CHECKS, LAYER_CHECKS, RULE_CHECKS = dict(model_checks()), dict(layer_checks()), dict(rule_checks())


def numbered(rows):
    return [f"{row[0]}_{number}" for number, row in enumerate(rows)]


def entry(call, **changes):
    facts = {"summary": "a mean", "reference": "none but itself", "masks_padding": True, "any_length": True}
    return Entry(name="member", call=call, **{**facts, **changes})


def undocumented(input_shape, num_classes, *, units=8):
    """Builds.

    Args:
        input_shape: Shape.
        num_classes: Number.

    Returns:
        A model.

    Example:
        >>> 1 + 1
        2
    """


def with_docstring(text):
    def build(input_shape, num_classes):
        return None

    build.__doc__ = (
        f"Builds.\n\nArgs:\n    input_shape: Shape.\n    num_classes: Number.\n\nReturns:\n    None.\n\n{text}"
    )
    return build


BROKEN_MODELS = [
    ("builds", entry(broken.build_good, space={"unit": Int(1, 4)}), "does not take"),
    ("builds", entry(broken.build_good, space={"units": Int(9, 12)}), "is not in 9 to 12"),
    ("builds", entry(broken.build_without_logits), "not the output"),
    ("output", entry(broken.build_one_class_too_many), "shape"),
    ("heads", entry(broken.build_with_an_unmarked_output), "other is not a head"),
    ("heads", entry(broken.build_with_half_a_song), r"song has shape \(3,\), its target \(12, 3\)"),
    ("seed", entry(broken.build_unseeded), "other weights"),
    ("batch_mates", entry(broken.build_looking_at_batch_mates), "batch mates"),
    ("gradients", entry(broken.build_with_a_useless_bias), "is zero"),
    ("layer_arguments", entry(broken.build_with_a_forgetful_layer), "lacks"),
    ("learns", entry(broken.build_deaf), "were learnt"),
    ("padding", entry(broken.build_counting_padding), "measured False"),
    ("padding", entry(broken.build_without_mask, any_length=False), "measured False"),
    ("padding", entry(broken.build_good, masks_padding=False), "measured True"),
    ("padding", entry(broken.build_good, expects="image"), "pictures have no padding"),
    ("lengths", entry(broken.build_without_mask, masks_padding=False), "measured False"),
    ("lengths", entry(broken.build_good, any_length=False), "measured True"),
    ("wrong_rank", entry(broken.build_taking_any_rank), "are taken"),
    ("onnx", entry(broken.build_unlike_its_export), "ONNX differs"),
    ("documented", entry(undocumented), "documented"),
    ("example", entry(with_docstring("")), "no example"),
    ("example", entry(with_docstring("Example:\n    >>> 1 + 1\n    3")), "Expected"),
    ("documented", entry(broken.build_good, reference=" "), "no reference"),
]


@pytest.mark.parametrize(("check", "member", "reason"), BROKEN_MODELS, ids=numbered(BROKEN_MODELS))
def test_broken_model_is_caught(check, member, reason):
    with pytest.raises(AssertionError, match=reason):
        MODEL_CHECKS[check](Case(member, ROW))


GOOD = Case(entry(broken.build_good), ROW)


@pytest.mark.parametrize("check", [name for name in MODEL_CHECKS if name != "reload"])
def test_good_model_passes(check):
    MODEL_CHECKS[check](GOOD)


def test_no_check_of_models_is_without_a_broken_one():
    reload = "reload"  # has its broken model beside the others of the one fresh process, in test_model_contract.py
    assert {check for check, _, _ in BROKEN_MODELS} | {reload} == set(MODEL_CHECKS)


@keras.saving.register_keras_serializable("genrezoo")
class ForgetsFactor(keras.layers.Layer):
    """Its configuration lacks an argument."""

    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return super().get_config()


@keras.saving.register_keras_serializable("genrezoo")
class WrongShape(keras.layers.Layer):
    """It promises the input's shape and gives another."""

    def call(self, inputs):
        return inputs[:, 1:]

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable("genrezoo")
class SeesPadding(EndMask):
    """The mean counts masked segments."""

    def call(self, inputs, mask=None):
        return ops.mean(inputs, axis=1)

    def compute_output_shape(self, input_shape):
        return input_shape[0], input_shape[2]


class Unregistered(MaskPadding):
    """Keras cannot find it by the package's name."""


@keras.saving.register_keras_serializable("genrezoo")
class TooFar(keras.layers.Layer):
    """It subtracts, from nothing, a number that is infinite in float16."""

    def call(self, inputs):
        return inputs - ops.zeros_like(inputs) * ops.cast(1e30, inputs.dtype)


SONGS = np.random.default_rng(0).standard_normal((2, 7, 3)).astype("float32")

BROKEN_LAYERS = [
    ("configuration", LayerCase(ForgetsFactor, {"factor": 3.0}, SONGS), "lacks 'factor'"),
    ("configuration", LayerCase(ForgetsFactor, {"factor": 1.0}, SONGS), "its default"),
    ("configuration", LayerCase(ForgetsFactor, {}, SONGS), "no value"),
    ("round_trip", LayerCase(ForgetsFactor, {"factor": 3.0}, SONGS), "not equal"),
    ("round_trip", LayerCase(Unregistered, {}, SONGS), "registered as"),
    ("shapes", LayerCase(WrongShape, {}, SONGS), "promised"),
    ("mask", LayerCase(SeesPadding, {}, SONGS, masked=True), "an influence"),
    ("half_precision", LayerCase(TooFar, {}, SONGS), "mixed_float16"),
    ("documented", LayerCase(ForgetsFactor, {"factor": 3.0}, SONGS), "undocumented"),
]


@pytest.mark.parametrize(("check", "case", "reason"), BROKEN_LAYERS, ids=numbered(BROKEN_LAYERS))
def test_broken_layer_is_caught(check, case, reason):
    with pytest.raises(AssertionError, match=reason):
        LAYER_CHECKS[check](case)


def test_no_check_of_layers_is_without_a_broken_one():
    assert {check for check, _, _ in BROKEN_LAYERS} == set(LAYER_CHECKS)


def unnormalised(members, mask=None):
    return ops.sum(members, axis=1)


def favours_the_first(members, mask=None):
    return product_rule(members * np.array([2.0, 1.0, 0.5], "float32")[None, : members.shape[1], None], mask)


def sharpens(members, mask=None):
    return product_rule(members * 2, mask)


def contrary(members, mask=None):
    return product_rule(-members, mask)


def deaf_to_the_mask(members, mask=None):
    return product_rule(members)


def silent_without_members(members, mask=None):
    return product_rule(members, mask) * (1 if mask is None or mask.any() else np.nan)


def spoils_its_inputs(members, mask=None):
    found = product_rule(members, mask)
    members += 1
    return found


BROKEN_RULES = [
    ("simplex", unnormalised),
    ("order", favours_the_first),
    ("identity", sharpens),
    ("agreement", contrary),
    ("mask", deaf_to_the_mask),
    ("nobody", silent_without_members),
    ("inputs", spoils_its_inputs),
]


@pytest.mark.parametrize(("check", "rule"), BROKEN_RULES, ids=numbered(BROKEN_RULES))
def test_broken_rule_is_caught(check, rule):
    with pytest.raises(AssertionError):
        RULE_CHECKS[check](rule)


def test_no_check_of_rules_is_without_a_broken_one():
    assert {check for check, _ in BROKEN_RULES} == set(RULE_CHECKS)
