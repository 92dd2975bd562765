"""A recipe's model and training as a ``keras_tuner.HyperModel``, for whoever drives KerasTuner's tuners."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import keras_tuner
import numpy as np

from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.models import create_model
from genrezoo.models._checks import InputShape, check_image_shape, check_input_shape, check_num_classes
from genrezoo.recipes import RECIPES, Recipe
from genrezoo.registry import COMPOSITIONS, MODELS
from genrezoo.songs import SongSet
from genrezoo.training.batches import Batches
from genrezoo.training.objectives import Objective, compile_model, objectives, song_weights
from genrezoo.training.optimisation import build_optimizer
from genrezoo.training.settings import TrainingSettings
from genrezoo.training.supervised import shuffled
from genrezoo.tuning.search_space import search_space
from genrezoo.tuning.space import Space

PREPARATION = {"standardise", "transform", "clip", "chunks", "features"}
"""What a recipe does to songs before a model sees them."""


def hypermodel(
    name: str | Recipe,
    input_shape: InputShape,
    num_classes: int,
    *,
    space: Mapping[str, Any] | None = None,
    only: Sequence[str] | None = None,
    **fixed: Any,
) -> keras_tuner.HyperModel:
    """A recipe as a hypermodel for KerasTuner's own tuners, with the objective ``"val_accuracy"``.

    Choose `tune` instead where a search must survive a kill, use all cores, or repeat no point. With KerasTuner's
    tuners as they are, ``seed=0`` is a random seed, the Bayesian one may try a point twice, a loss that is not finite
    attracts it, Hyperband begins anew with the optimiser where it goes on with a model, and without the package
    ``tensorboard`` every trial fails.

    The songs are the model's input as it is: standardised, padding as NaN, cut into chunks where the recipe cuts them.
    ``search`` takes them as ``x``, their labels as ``y`` (whole numbers from 0), and ``validation_data``; targets of
    further outputs are made from them. Epochs and batch size are the recipe's or the space's, unless ``search`` is
    given others::

        tuner = keras_tuner.RandomSearch(gz.hypermodel("lstm", (120, 25), 10), "val_accuracy", max_trials=20, seed=1)
        tuner.search(x, y, validation_data=(x_valid, y_valid))

    Args:
        name: Name of a recipe, or else of a model, which is trained by the procedure ``supervised``; or a recipe.
        input_shape: Shape of one song as the model sees it, as for `create_model`.
        num_classes: Number of genres, at least 2.
        space: Hyperparameters to add or restrict, as for `tune`.
        only: Names to search; all others keep the recipe's values.
        **fixed: Options of the model or the training, by name, that are not searched but have these values.

    Returns:
        A hypermodel whose ``build`` gives compiled models and whose ``fit`` returns Keras's history. It knows its
        search space as ``space``.

    Raises:
        UnknownNameError: No recipe, model or hyperparameter of that name.
        SettingsError: A shape or number does not fit, the space is impossible, or the recipe is of a kind that
            KerasTuner cannot drive: made of trained members, or trained by another procedure than ``supervised``.

    Example:
        >>> import numpy as np
        >>> found = hypermodel("fully_connected", (6, 4), 3, units=[8], epochs=2, batch_size=16)
        >>> hp = keras_tuner.HyperParameters()
        >>> model = found.build(hp)
        >>> x, y = np.zeros((30, 6, 4), "float32"), np.arange(30) % 3
        >>> history = found.fit(hp, model, x, y, validation_data=(x, y), verbose=0)
        >>> len(history.history["val_accuracy"]), hp.get("learning_rate")
        (2, 0.001)
    """
    if not isinstance(name, str | Recipe):
        raise SettingsError(f"the name of a recipe or model is expected, or a recipe, got {name!r}")
    recipe = name if isinstance(name, Recipe) else _recipe(name)
    if recipe.model in COMPOSITIONS.names() or recipe.procedure != "supervised":
        made = "made of trained members" if recipe.model in COMPOSITIONS.names() else f"trained by {recipe.procedure!r}"
        raise SettingsError(f"{recipe.name!r} is {made}, which KerasTuner's tuners cannot drive; use gz.tune")
    entry = MODELS.get(recipe.model)
    if entry.expects == "image":
        check_image_shape(input_shape)
    else:
        check_input_shape(input_shape, any_length=entry.any_length)
    found = search_space(recipe, space=space, only=only, fixed=fixed)
    for key in [*(one.name for one in found.hyperparameters), *found.fixed]:
        if key.rpartition(".")[2] in PREPARATION:
            raise SettingsError(f"{key!r} changes the songs, which KerasTuner's tuners are given ready; use gz.tune")
    return RecipeHyperModel(found, tuple(input_shape), check_num_classes(num_classes))


class RecipeHyperModel(keras_tuner.HyperModel):
    """What `hypermodel` returns.

    Args:
        space: What is searched.
        input_shape: Shape of one song.
        num_classes: Number of genres.
    """

    def __init__(self, space: Space, input_shape: tuple[int | None, ...], num_classes: int):
        super().__init__(name=space.start.name)
        self.space, self.input_shape, self.num_classes = space, input_shape, num_classes

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """A new compiled model.

        Args:
            hp: The point; what it lacks is added, with the recipe's own values.

        Raises:
            SettingsError: The point is one that cannot be built.
        """
        recipe, settings = self._at(hp)
        model = create_model(recipe.model, self.input_shape, self.num_classes, **recipe.arguments)
        none = self._songs(np.zeros((0, *(size or 1 for size in self.input_shape)), np.float32), np.zeros(0, np.int64))
        compile_model(model, build_optimizer(settings, 1), objectives(model, none, settings))
        return model

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        x: np.ndarray,
        y: np.ndarray,
        validation_data: tuple[np.ndarray, np.ndarray] | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains a model from `build`.

        Args:
            hp: The point.
            model: The model.
            x: Songs, as for `hypermodel`.
            y: Labels, ``(n_songs,)`` whole numbers.
            validation_data: Songs and labels.
            **kwargs: Further arguments of ``keras.Model.fit``; ``epochs`` and ``batch_size`` come before the point's.

        Returns:
            The history; its ``accuracy`` and ``val_accuracy`` are those of the logits.

        Raises:
            DataError: Songs or labels of another form.
            SettingsError: The point's training needs what ``keras.Model.fit`` does not measure.
        """
        given = {key: kwargs.pop(key) for key in ("epochs", "batch_size") if kwargs.get(key) is not None}
        for key, value in given.items():
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise SettingsError(f"{key} must be a whole number from 1, got {value!r}")
        settings = self._at(hp)[1].model_copy(update=given)
        train = self._songs(x, y)
        if not len(train):
            raise DataError("there are no songs", where="x", remedy="pass at least one song")
        aims = objectives(model, train, settings)
        steps = -(-len(train) // settings.batch_size)
        if settings.schedule not in (None, "reduce_on_plateau"):  # which is made of steps, known only now
            compile_model(model, build_optimizer(settings, steps), aims)
        if validation_data is not None:
            if len(validation_data) != 2:
                raise DataError("validation_data must be songs and labels", remedy="pass (x_valid, y_valid)")
            valid = self._songs(*validation_data)
            kwargs["validation_data"] = (valid.x, _targets(model, objectives(model, valid, settings)))
        callbacks = [_Accuracy(), *_callbacks(settings), *(kwargs.pop("callbacks", None) or [])]
        return model.fit(
            self._batches(model, train, aims, settings, first=kwargs.get("initial_epoch", 0)),
            epochs=settings.epochs,
            steps_per_epoch=steps,
            callbacks=callbacks,
            shuffle=False,  # the order is drawn here
            **{"validation_batch_size": 256, **kwargs},
        )

    def _at(self, hp: keras_tuner.HyperParameters) -> tuple[Recipe, TrainingSettings]:
        """The recipe of a point, and its settings."""
        hp.merge(self.space.template, overwrite=False)
        recipe = self.space.recipe(hp.values)
        return recipe, recipe.procedure_settings()

    def _songs(self, x: np.ndarray, y: np.ndarray) -> SongSet:
        kind = "image" if len(self.input_shape) == 3 else "segments"
        shape = np.shape(x)[1:]
        if len(shape) != len(self.input_shape) or any(
            size not in (None, given) for size, given in zip(self.input_shape, shape, strict=True)
        ):
            raise DataError(
                f"songs have shape {shape}", where="x", remedy=f"the model was asked for with {self.input_shape}"
            )
        songs = SongSet(x=x, y=y, genres=tuple(f"genre {n}" for n in range(self.num_classes)), kind=kind)
        if len(songs) and (songs.y.min() < 0 or songs.y.max() >= self.num_classes):
            raise DataError(
                f"labels are from {songs.y.min()} to {songs.y.max()}",
                where="y",
                remedy=f"use 0 to {self.num_classes - 1}",
            )
        return songs

    @staticmethod
    def _batches(
        model: keras.Model, train: SongSet, aims: Mapping[str, Objective], settings: TrainingSettings, *, first: int
    ) -> Iterator[Any]:
        """The batches of one epoch after the other."""
        seed = random.getrandbits(32)  # as Keras draws the seeds of layers
        many = isinstance(model.output, dict)
        batches = Batches(train.x, aims, song_weights(train, settings), settings, seed=seed, many=many)
        order = shuffled(seed, len(train))
        for epoch in range(first, settings.epochs):
            yield from batches(order(epoch, []), epoch)


class _Accuracy(keras.callbacks.Callback):
    """Calls the accuracy of the logits ``accuracy``, also where the model has further outputs; must come first."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Adds the names."""
        for side in ("", "val_"):
            if logs is not None and f"{side}logits_accuracy" in logs:
                logs[f"{side}accuracy"] = logs[f"{side}logits_accuracy"]


def _recipe(name: str) -> Recipe:
    if name in RECIPES.names():
        return RECIPES.get(name)
    if name not in MODELS.names():
        raise UnknownNameError("recipe or model", name, {*RECIPES.names(), *MODELS.names()})
    entry = MODELS.get(name)
    return Recipe(name=name, summary=entry.summary, reference=entry.reference, model=name)


def _targets(model: keras.Model, aims: Mapping[str, Objective]) -> Any:
    """Targets in the form of the model's output."""
    return {name: aim.target for name, aim in aims.items()} if isinstance(model.output, dict) else aims["logits"].target


def _callbacks(settings: TrainingSettings) -> list[keras.callbacks.Callback]:
    """What the settings ask for that goes with ``keras.Model.fit``."""
    found: list[keras.callbacks.Callback] = []
    if settings.average == "swa":
        raise SettingsError("a mean over epochs is not known to KerasTuner's tuners; set average to 'ema'")
    if settings.average == "ema":
        found.append(keras.callbacks.SwapEMAWeights())
    if settings.schedule == "reduce_on_plateau":
        options = {"factor": 0.5, "patience": 5, "minimum": 0.0, **settings.schedule_arguments}
        least = options.pop("minimum")
        found.append(keras.callbacks.ReduceLROnPlateau("val_loss", min_lr=least, min_delta=0.0, **options))
    if settings.patience is not None:
        if settings.monitor == "macro_f1":
            raise SettingsError("patience for macro F1 is not known to KerasTuner's tuners; set monitor to 'accuracy'")
        monitor, mode = f"val_{settings.monitor}", "min" if settings.monitor == "loss" else "max"
        found.append(keras.callbacks.EarlyStopping(monitor, patience=settings.patience, mode=mode))
    return found
