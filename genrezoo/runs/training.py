"""Training a recipe into a run folder."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors.numpy

from genrezoo import files, seeds
from genrezoo.environment import environment
from genrezoo.errors import SettingsError, differences
from genrezoo.recipes import Recipe, get_recipe
from genrezoo.registry import PROCEDURES
from genrezoo.runs.building import answers, build_model, check_members, check_padding, input_shape, seen_songs
from genrezoo.runs.members import Obtained, obtain_members, open_runs
from genrezoo.runs.run import Card, Run, load_run
from genrezoo.songs import SongSet, Standardiser
from genrezoo.songs.pieces import cut_pieces
from genrezoo.songs.splits import check_split
from genrezoo.training import Fitted
from genrezoo.training.callbacks import Callbacks
from genrezoo.training.checkpoint import weights_of
from genrezoo.training.fitted import HISTORY


def train(
    recipe: str | Recipe,
    songs: SongSet,
    *,
    seed: int,
    out: str | Path,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    on_member: Callable[[str, dict[str, float]], None] | None = None,
    store: str | Path | None = None,
    workers: int = 1,
    wait: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Trains a recipe on songs and writes the run folder.

    Killed at any instant and called again with the same arguments it continues after the last finished epoch and ends
    with weights that are the same to the bit as those of an uninterrupted run, on one machine with the same versions,
    backend and number of threads. Called again after it is done, it returns the finished run. On TensorFlow it turns op
    determinism on for the process.

    Args:
        recipe: A recipe or its name.
        songs: Songs with splits ``train``, ``valid`` and ``test``; test labels are used once, for the metrics at the
            end.
        seed: Seed of weights, dropout and order.
        out: The run folder; new, empty, or of the same training.
        on_epoch: Called with each finished epoch's history record.
        on_member: Called with the name of a member that is trained first, and each of its epochs' records.
        store: Folder in which members are trained, and found if they are there already; ``out/members`` if left out.
        workers: Processes for the folds of members that are cross-validated.
        wait: Wait for a process that uses the folder instead of refusing.
        callbacks: Keras callbacks that look on, e.g. those of `genrezoo.runs.loggers`. They are told of the recipe's
            own epochs, not of its members', and of nothing where the run is there already. See
            `genrezoo.training.callbacks.Callbacks`.

    Returns:
        The run.

    Raises:
        DataError: Songs that cannot be trained on, a split that leaks, songs that the model cannot take, or a folder in
            use.
        SettingsError: A recipe with unknown or impossible settings, a folder of another training, or a callback that
            interferes.

    Example:
        >>> import tempfile, genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_train=60, n_valid=20, n_test=20, n_segments=8, seed=1)
        >>> recipe = gz.get_recipe("fully_connected").changed({"epochs": 1})
        >>> run = gz.train(recipe, songs, seed=1, out=tempfile.mkdtemp())
        >>> run.predict(songs.split("test").x).shape
        (20, 10)
    """
    recipe = open_runs(get_recipe(recipe) if isinstance(recipe, str) else recipe)
    settings = recipe.procedure_settings()
    check_members(recipe)
    seeds.check_seed(seed)
    songs.validate()
    check_split(songs)
    seen = seen_songs(recipe, songs)
    check_padding(recipe, seen)
    plan = _plan(recipe, songs, seed)
    with files.lock_folder(out, wait=wait) as folder:
        files.drop_parts(folder)
        if _already_done(folder, plan):
            return load_run(folder)
        standardiser = Standardiser.none(seen.n_features)
        if recipe.standardise:
            standardiser = Standardiser.fit(seen.split("train"), clip=recipe.clip)
        _make_deterministic()
        shape = input_shape(recipe, seen)
        weights = seeds.child_seed(seed, "model")
        model = build_model(recipe, shape, songs.num_classes, seed=weights)  # first, to refuse before anything is kept
        files.write_json(folder / "plan.json", plan)
        obtained = Obtained()
        if recipe.members:
            obtained = obtain_members(
                recipe,
                songs,
                standardiser,
                seed=seed,
                store=folder / "members" if store is None else Path(store),
                train=train,
                workers=workers,
                on_member=on_member,
            )
        if obtained.models:
            model = build_model(recipe, shape, songs.num_classes, members=obtained.models, seed=weights)
        given, logits = standardiser.standardised(seen), obtained.logits
        if recipe.pieces:
            given, owner = cut_pieces(given, segments=recipe.pieces.segments, hop=recipe.pieces.hop)
            logits = {name: value[owner] for name, value in logits.items()}
        watching = Callbacks(callbacks, model, getattr(settings, "epochs", 1), on_epoch) if callbacks else None
        fitted = PROCEDURES.get(recipe.procedure).call(
            model,
            given,
            settings,
            seed=seed,
            checkpoint_path=folder / "checkpoint.safetensors",
            on_epoch=watching or on_epoch,
            logits=logits,
        )
        if watching:
            watching.end(fitted.history[-1])
        recipe = recipe.model_copy(update={"members": obtained.members})
        return _write(folder, recipe, songs, seen, seed, standardiser, fitted, plan, obtained.seconds)


def _write(
    folder: Path,
    recipe: Recipe,
    songs: SongSet,
    seen: SongSet,
    seed: int,
    standardiser: Standardiser,
    fitted: Fitted,
    plan: dict[str, Any],
    members_seconds: float,
) -> Run:
    arrays: dict[str, np.ndarray] = {}
    for split in ("valid", "test"):
        part = seen.split(split)
        arrays |= {f"{split}_ids": part.ids, f"{split}_y": part.y}
        arrays |= {
            f"{split}_{name}": value for name, value in answers(fitted.model, recipe, standardiser, part).items()
        }
    files.write_npz(folder / "predictions.npz", arrays)
    files.write_text(folder / "history.csv", _as_csv(fitted.history))
    weights = safetensors.numpy.save(weights_of(fitted.model))
    digest = files.sha256_of(files.write_atomic(folder / "weights.safetensors", weights))
    card = Card(
        recipe=recipe,
        seed=seed,
        input_shape=input_shape(recipe, seen),
        genres=songs.genres,
        mean=standardiser.mean.tolist(),
        scale=standardiser.scale.tolist(),
        clip=standardiser.clip,
        songs={**songs.describe(), "checksum": plan["checksum"]},
        epochs=len(fitted.history),
        best_epoch=fitted.best_epoch,
        train_seconds=fitted.seconds,
        members_seconds=members_seconds,
        parameters=int(fitted.model.count_params()),
        environment=environment(),
        weights_sha256=digest,
    )
    files.write_json(folder / "card.json", card.model_dump(mode="json"))
    for left in folder.glob("checkpoint*.safetensors"):
        left.unlink()
    run = Run(folder, card)
    run.__dict__["model"] = fitted.model  # it is there already
    return run


def _plan(recipe: Recipe, songs: SongSet, seed: int) -> dict[str, Any]:
    """What the bits of the result depend on; a folder of another plan is refused."""
    now = environment()
    return {
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "checksum": songs.checksum(),
        **{name: now[name] for name in ("backend", "threads", "versions")},
    }


def _already_done(folder: Path, plan: dict[str, Any]) -> bool:
    """Whether the folder holds this training's result; refuses a folder of anything else."""
    path = folder / "plan.json"
    if not path.exists():
        if strange := sorted(set(os.listdir(folder)) - {".lock"}):
            raise SettingsError(f"{folder} is not empty ({strange[0]}); name a new folder for the run")
        return False
    if different := differences(files.read_json(path), plan):
        raise SettingsError(
            f"{folder} holds another training: {'; '.join(different)}. Use another folder or the old settings"
        )
    return (folder / "card.json").exists()


def _make_deterministic() -> None:
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf  # only where it is the backend

        tf.config.experimental.enable_op_determinism()


def _as_csv(history: list[dict[str, float]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, HISTORY, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return buffer.getvalue()
