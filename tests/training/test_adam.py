import keras
import numpy as np
import pytest
import tensorflow as tf

from genrezoo.training.optimisation import build_optimizer
from genrezoo.training.settings import TrainingSettings

KINDS = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}


@pytest.fixture(params=KINDS)
def name(request):
    return request.param


@pytest.mark.parametrize(
    "arguments", [{}, {"clipnorm": 0.1}, {"use_ema": True}, {"amsgrad": True}, {"gradient_accumulation_steps": 2}]
)
def test_step_equals_keras(name, arguments):
    settings = TrainingSettings(
        optimizer=name, learning_rate=0.01, optimizer_arguments={"beta_1": 0.8, "epsilon": 1e-5, **arguments}
    )
    ours = build_optimizer(settings, 1)
    theirs = KINDS[name](learning_rate=0.01, beta_1=0.8, epsilon=1e-5, **arguments)
    assert ("update_step" in vars(ours)) is ("amsgrad" not in arguments)
    found = [trained(optimizer) for optimizer in (ours, theirs)]
    assert [value.shape for value in found[0]] == [value.shape for value in found[1]]  # a checkpoint fits either
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


def trained(optimizer):
    """A weight and the optimiser's variables after twenty steps that pull it to and fro."""
    weight = keras.Variable(np.linspace(-1, 1, 7, dtype="float32"))
    optimizer.build([weight])

    @tf.function
    def step(number):
        optimizer.apply([tf.sin(weight.value * 3) + 0.1 * number], [weight])

    for number in range(20):
        step(tf.constant(number, tf.float32))
    return [np.asarray(keras.ops.convert_to_tensor(value)) for value in (weight, *optimizer.variables)]


def test_a_compiled_model_is_copied_and_saved_as_with_keras(name, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(build_optimizer(TrainingSettings(optimizer=name), 1), loss="mse")
    model.optimizer.build(model.trainable_variables)
    assert keras.models.clone_model(model).input_shape == (None, 3)
    model.save(tmp_path / "model.keras")
    assert type(keras.saving.load_model(tmp_path / "model.keras").optimizer) is KINDS[name]
