"""A model of your own in one file: name it, train it, and see it beside one from the zoo.

Run it with ``python own_model.py``; it takes seconds. What is registered here can be trained like any other model, in
this process. To have it in every process, the benchmark's among them, put it into a package with an entry point: see
docs/extending.md.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras

import genrezoo as gz
from genrezoo.spaces import Int


@gz.register_model(
    "gated_mean",
    summary="Mean of the segments, each weighed by a gate that looks at it alone",
    reference="this example",
    space={"units": Int(16, 128, step=16)},  # what a search may choose
    masks_padding=False,
    any_length=True,
)
def build_gated_mean(input_shape: tuple[int | None, int], num_classes: int, *, units: int = 32) -> keras.Model:
    """Builds the model.

    Args:
        input_shape: Segments (None for any number) and features.
        num_classes: Genres.
        units: Size of the description of a segment, at least 1.

    Returns:
        An uncompiled model whose last layer is named ``logits``.
    """
    inputs = keras.Input(input_shape)  # (songs, segments, features)
    x = keras.layers.Dense(units, activation="relu")(inputs)  # (songs, segments, units)
    gate = keras.layers.Dense(units, activation="sigmoid")(inputs)
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Multiply()([x, gate]))  # (songs, units)
    return keras.Model(inputs, keras.layers.Dense(num_classes, name="logits")(x), name="gated_mean")


def main() -> None:
    """Trains the model above and one from the zoo on the same songs, and prints both accuracies."""
    songs = gz.load_songs("synthetic", n_train=300, n_valid=60, n_test=200, n_segments=20, seed=1)
    own = gz.Recipe(name="gated_mean", summary="This example", reference="this example", model="gated_mean")
    with tempfile.TemporaryDirectory() as folder:
        for recipe in (own, gz.get_recipe("conv_in_time")):
            run = gz.train(recipe.changed({"epochs": 5}), songs, seed=1, out=Path(folder) / recipe.name)
            print(f"{recipe.name}: accuracy {run.evaluate('test')['accuracy']:.3f}")


if __name__ == "__main__":
    main()
