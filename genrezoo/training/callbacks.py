"""Support for Keras callbacks, which may observe a training but not change it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras
from genrezoo.training.checkpoint import weights_of


class Callbacks:
    """Calls callbacks during a training; procedures take it as their ``on_epoch``.

    They get the same epoch-level calls as from ``keras.Model.fit``: ``set_params``, ``set_model`` and
    ``on_train_begin`` before the first trained epoch, ``on_epoch_end`` after each (counted from 0; a resumed training
    continues the count), ``on_train_end`` with the selected weights. There are no calls for batches.

    The weights of a run depend only on its recipe, songs and seed, so a callback that stops the training, or changes
    weights or learning rate, raises an error at once.

    Args:
        callbacks: Callbacks of any kind that only observe.
        model: The model that will be trained.
        epochs: Largest number of epochs.
        on_epoch: Called with each epoch's record after the callbacks.

    Raises:
        SettingsError: One of them is not a Keras callback.
    """

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        model: keras.Model,
        epochs: int,
        on_epoch: Callable[[dict[str, float]], None] | None = None,
    ):
        for callback in callbacks:
            if not isinstance(callback, keras.callbacks.Callback):
                raise SettingsError(f"callbacks must be Keras callbacks, got {type(callback).__name__}")
        self._callbacks, self._model, self._epochs, self._then = callbacks, model, epochs, on_epoch
        self._begun = False

    def begin(self, model: keras.Model) -> None:
        """Called before the first epoch with the compiled model; later calls have no effect."""
        if self._begun:
            return
        self._begun, self._model = True, model
        if not model.compiled:
            model.compile(optimizer=None)  # it is not trained by gradient; callbacks look for an optimiser all the same
        for callback in self._callbacks:
            callback.set_params({"epochs": self._epochs, "steps": None, "verbose": 0})
            callback.set_model(model)
        self._tell(lambda callback: callback.on_train_begin({}))

    def __call__(self, record: dict[str, float]) -> None:
        """Called with each finished epoch's record."""
        self.begin(self._model)
        self._tell(lambda callback: callback.on_epoch_end(int(record["epoch"]) - 1, _logs(record)))
        if self._then:
            self._then(record)

    def end(self, last: dict[str, float]) -> None:
        """Called with the last epoch's record when the model has the selected weights."""
        self.begin(self._model)
        self._tell(lambda callback: callback.on_train_end(_logs(last)))

    def _tell(self, call: Callable[[keras.callbacks.Callback], None]) -> None:
        before = self._state()
        for callback in self._callbacks:
            name = type(callback).__name__
            call(callback)
            if getattr(self._model, "stop_training", False):
                remedy = "callbacks may only observe: use the setting patience"
                raise SettingsError(f"callback {name} stops the training; {remedy}")
            if any(not np.array_equal(value, before[key]) for key, value in self._state().items()):
                remedy = "callbacks may only observe: use settings such as schedule"
                raise SettingsError(f"callback {name} changed weights or learning rate; {remedy}")

    def _state(self) -> dict[str, np.ndarray]:
        rate = {} if self._model.optimizer is None else {"rate": np.asarray(float(self._model.optimizer.learning_rate))}
        return weights_of(self._model) | rate


def _logs(record: dict[str, float]) -> dict[str, float]:
    """Returns a copy of a record under Keras's names, which callbacks may modify."""
    names = {name: name.replace("valid_", "val_") for name in record if name not in ("epoch", "seconds")}
    return {new: record[name] for name, new in names.items()}
