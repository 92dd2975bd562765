"""Logging of a training to TensorBoard and MLflow, with existing callbacks.

Choose TensorBoard to view one or a few trainings on this machine, and MLflow if a team records its trainings on a
server. A run folder has the same metrics in ``history.csv`` without either.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from genrezoo import files
from genrezoo.errors import SettingsError

FILE = "sqlite:///"
"""Prefix of the address of an MLflow store in a local file."""


@contextlib.contextmanager
def loggers(
    *,
    name: str,
    values: Mapping[str, Any] | None = None,
    tensorboard: str | Path | None = None,
    mlflow: str | None = None,
    experiment: str = "genrezoo",
) -> Iterator[list[keras.callbacks.Callback]]:
    """Yields the callbacks that log a training, until the block ends.

    Args:
        name: Name of the training; the same name continues an interrupted training's logs.
        values: Hyperparameters by name.
        tensorboard: Folder for TensorBoard; the training gets the folder ``name`` in it. None disables it.
        mlflow: Address of an MLflow server or store, see `mlflow_logger`. None disables it.
        experiment: MLflow experiment.

    Yields:
        A list for the argument ``callbacks`` of `genrezoo.train`; empty if no logger is chosen.

    Raises:
        SettingsError: As for `mlflow_logger`.

    Example:
        >>> import tempfile, genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_train=60, n_valid=20, n_test=20, n_segments=8, seed=1)
        >>> recipe, folder = gz.get_recipe("fully_connected").changed({"epochs": 1}), tempfile.mkdtemp()
        >>> with loggers(name="a", values={"epochs": 1}, tensorboard=f"{folder}/logs") as callbacks:
        ...     run = gz.train(recipe, songs, seed=1, out=f"{folder}/a", callbacks=callbacks)
        >>> sorted(part.name for part in Path(folder, "logs", "a").iterdir() if part.is_dir())
        ['train', 'validation']
    """
    with contextlib.ExitStack() as stack:
        callbacks: list[keras.callbacks.Callback] = []
        if tensorboard is not None:
            callbacks += tensorboard_logger(Path(tensorboard) / name, values)
        if mlflow is not None:
            given = mlflow_logger(mlflow, run_name=name, values=values, experiment=experiment)
            callbacks += stack.enter_context(given)
        yield callbacks


def tensorboard_logger(folder: str | Path, values: Mapping[str, Any] | None = None) -> list[keras.callbacks.Callback]:
    """Returns callbacks that log each epoch's metrics and the hyperparameters for TensorBoard.

    Args:
        folder: One folder per training, with sub-folders ``train`` and ``validation``; pass it or a parent to
            ``tensorboard --logdir``.
        values: Hyperparameters by name; other values than text, numbers and booleans are shown as JSON.

    Returns:
        Callbacks for one training.

    Raises:
        DataError: The folder cannot be created.
    """
    with files.told(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
    callbacks: list[keras.callbacks.Callback] = [keras.callbacks.TensorBoard(str(folder))]
    if values:
        from tensorboard.plugins.hparams.api import KerasCallback  # it loads TensorFlow, whatever backend Keras has

        shown = {
            name: value if isinstance(value, bool | int | float | str) else json.dumps(value)
            for name, value in values.items()
        }
        callbacks.append(KerasCallback(str(folder), shown, trial_id=Path(folder).name))
    return callbacks


@contextlib.contextmanager
def mlflow_logger(
    uri: str, *, run_name: str, values: Mapping[str, Any] | None = None, experiment: str = "genrezoo"
) -> Iterator[list[keras.callbacks.Callback]]:
    """Logs each epoch's metrics and the hyperparameters to an MLflow run, which begins and ends with the training.

    An unfinished run of the same name is continued. A run ends as ``FAILED`` if its training raises an error, and as
    ``KILLED`` if the training is left early without one. MLflow keeps the address for the process afterwards. MLflow's
    telemetry is off unless ``MLFLOW_DISABLE_TELEMETRY`` is set to something else.

    Args:
        uri: ``http(s)://…`` of a server, or ``sqlite:///FILE`` for a local file; its artefacts go to the folder
            ``mlruns`` beside the file.
        run_name: The run's name.
        values: Hyperparameters by name.
        experiment: Experiment of the run; created if missing.

    Yields:
        Callbacks for one training.

    Raises:
        SettingsError: MLflow is not installed, or cannot use the address.
        DataError: The file's folder cannot be written.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow reads it when it is imported
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # of its own accord it tries for minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    try:
        import mlflow
        from mlflow.exceptions import MlflowException
        from mlflow.keras import MlflowCallback
    except ImportError as error:
        raise SettingsError(f"MLflow is not installed ({error}): pip install 'genrezoo[tracking]'") from error
    mlflow.set_tracking_uri(uri)
    beside = None  # for artefacts: MLflow would put those of a file where the process happens to stand
    with contextlib.ExitStack() as stack:
        if uri.startswith(FILE):
            beside = Path(uri.removeprefix(FILE)).resolve().parent / "mlruns"
            stack.enter_context(files.lock_folder(beside, wait=True))  # MLflow makes the tables of a new file unguarded
        stack.enter_context(_explained(uri))
        client = mlflow.MlflowClient()
        number = _experiment(client, experiment, beside)

    ours: list[str] = []

    def begin(logs: Any = None) -> None:
        with _explained(uri):
            unfinished = f"attributes.run_name = '{run_name}' and attributes.status != 'FINISHED'"
            found = client.search_runs([number], unfinished, max_results=1)
            which = {"run_id": found[0].info.run_id} if found else {"experiment_id": number, "run_name": run_name}
            run = mlflow.start_run(**which, nested=mlflow.active_run() is not None)
            ours.append(run.info.run_id)
            mlflow.log_params(dict(values or {}))

    def end(status: str) -> None:
        active = mlflow.active_run()
        if active is None or active.info.run_id not in ours:
            return
        try:
            mlflow.end_run(status)
        except MlflowException as error:  # a training is worth more than its log
            warnings.warn(f"MLflow at {uri} did not record the end of {run_name}: {error}", stacklevel=2)

    status = "FAILED"
    try:
        around = keras.callbacks.LambdaCallback(on_train_begin=begin, on_train_end=lambda logs: end("FINISHED"))
        epochs: Any = MlflowCallback  # it has no types
        yield [around, epochs()]
        status = "KILLED"
    finally:
        end(status)


def _experiment(client: Any, name: str, artefacts: Path | None) -> str:
    """Returns the experiment's number; processes that start together create only one."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artefacts and artefacts.as_uri()))
        except MlflowException:  # another process of a server's was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


@contextlib.contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Converts errors of MLflow and of its file to genrezoo's."""
    from mlflow.exceptions import MlflowException

    kinds: tuple[type[Exception], ...] = (MlflowException, ImportError, OSError)
    with contextlib.suppress(ImportError):
        from sqlalchemy.exc import SQLAlchemyError

        kinds += (SQLAlchemyError,)
    try:
        yield
    except kinds as error:
        first, *_ = str(error).split("\n")  # the rest is statements and addresses
        raise SettingsError(f"MLflow cannot log to {uri}: {first}") from error
