"""Training of a recipe with all its members into a run folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrezoo.errors import check_type
from genrezoo.recipes import Recipe, get_recipe
from genrezoo.recipes.recipe import Member
from genrezoo.runs.building import build_member, standardises_itself
from genrezoo.runs.fitting import Training, open_training
from genrezoo.runs.folds import out_of_fold
from genrezoo.runs.members import Obtained, open_runs, stored_logits
from genrezoo.runs.preprocessing import Preprocessing
from genrezoo.runs.progress import training_progress
from genrezoo.runs.run import Run, load_run
from genrezoo.seeds import check_seed, child_seed
from genrezoo.songs import SongSet, default_split, fold_splits

if TYPE_CHECKING:
    import keras


def train(
    recipe: str | Recipe,
    songs: SongSet,
    *,
    seed: int = 1,
    out: str | Path | None = None,
    epochs: int | None = None,
    verbose: int = 1,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    on_member: Callable[[str, dict[str, float]], None] | None = None,
    store: str | Path | None = None,
    workers: int = 1,
    wait: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tested: bool = True,
) -> Run:
    """Trains a recipe on songs and writes the run folder.

    If training is interrupted, call it again with the same arguments: it continues after the last finished epoch. The
    weights are then bit-identical to those of an uninterrupted run on the same machine with the same versions, backend
    and number of threads. If the run is finished already, it is returned. With TensorFlow, op determinism is enabled
    for the whole process.

    Args:
        recipe: A recipe or its name.
        songs: Songs with splits ``train``, ``valid`` and ``test``, or without a split, which then get the same one each
            time (`genrezoo.songs.default_split`); test labels are used once, for the metrics at the end.
        seed: Seed of weights, dropout and order.
        out: The run folder; new, empty, or of the same training. If left out, a folder in ``runs`` named after recipe,
            songs, seed and settings, so that the same call returns the same run.
        epochs: Epochs in place of the recipe's; its members keep theirs.
        verbose: 1 shows a progress bar on a terminal and in a notebook, 0 none.
        on_epoch: Called with each finished epoch's history record.
        on_member: Called with the name of a member that is trained first, and each of its epochs' records.
        store: Folder in which members are trained, and found if they are there already; ``out/members`` if left out.
        workers: Processes for the folds of members that are cross-validated.
        wait: Wait while another process uses the folder, instead of raising an error.
        callbacks: Keras callbacks that only observe, e.g. those of `genrezoo.runs.loggers`. They are called for the
            recipe's own epochs, not for its members', and never where the run is finished already. See
            `genrezoo.training.callbacks.Callbacks`.
        tested: Whether there must be test songs. Pass False to train on all songs but those for validation (15 % of
            songs without a split; a split that there is stays as it is), for a model that is tested elsewhere: a run
            without test songs stores validation predictions alone.

    Returns:
        The run.

    Raises:
        DataError: Songs that cannot be trained on, a split that leaks, songs that the model cannot read, or a folder in
            use.
        SettingsError: A recipe with unknown or impossible settings, a folder of another training, a callback that
            interferes, or a Keras that computes in another type than float32.

    Example:
        >>> import tempfile, genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_train=60, n_valid=20, n_test=20, n_segments=8, seed=1)
        >>> recipe = gz.get_recipe("fully_connected").changed({"epochs": 1})
        >>> run = gz.train(recipe, songs, seed=1, out=tempfile.mkdtemp())
        >>> run.predict(songs.split("test").x).shape
        (20, 10)
    """
    recipe = recipe if isinstance(recipe, Recipe) else get_recipe(recipe)
    recipe = open_runs(recipe if epochs is None else recipe.changed({"settings.epochs": epochs}))
    check_type("songs", songs, SongSet, "a SongSet (see genrezoo.load_songs)")
    seed = check_seed(seed)
    songs = default_split(songs, tested=tested)
    out = Path("runs", recipe.run_name(songs.name, seed, songs.checksum())) if out is None else out
    with (
        training_progress(recipe, seed, verbose=verbose, on_epoch=on_epoch, on_member=on_member) as (epoch, member),
        open_training(recipe, songs, seed=seed, out=out, wait=wait, tested=tested) as training,
    ):
        obtained = None
        if training.run is None and recipe.members:
            own = training.folder / "members" if store is None else Path(store)
            obtained = _obtain(training, store=own, workers=workers, on_member=member)
        return training.fit(obtained, on_epoch=epoch, callbacks=callbacks)


def _obtain(
    training: Training,
    *,
    store: Path,
    workers: int,
    on_member: Callable[[str, dict[str, float]], None] | None,
) -> Obtained:
    """Trains or opens every member of a recipe.

    A member has the seed of the composition, so that it equals a separate training of its recipe; if several members
    have the same recipe, the second and later ones get child seeds.
    """
    recipe, songs, seed = training.recipe, training.songs, training.seed
    found, seen = Obtained(), Counter[str]()
    for name, member in recipe.members.items():
        inside = None if member.run else member.recipe
        times = seen[inside.model_dump_json()] if inside else 0
        if inside:
            seen[inside.model_dump_json()] += 1
        own = member.seed if member.seed is not None else seed if not times else child_seed(seed, "member", times)
        if member.logits is not None:
            found.logits[name] = stored_logits(Path(member.logits), songs)
            found.members[name] = member
            continue
        if inside is not None and member.fresh:
            shape = training.preprocessing.shape(songs)
            fitted = Preprocessing.fit(inside, songs).standardiser if standardises_itself(recipe, inside) else None
            found.models[name] = build_member(
                recipe, name, shape, songs.num_classes, groups=songs.feature_groups(),
                seed=child_seed(own, "fresh", name), standardiser=fitted,
            )  # fmt: skip
            found.members[name] = member.model_copy(update={"seed": own})
            continue
        if inside is not None and member.folds and member.held is None:
            folder = store / f"{inside.run_name(songs.name, own, songs.checksum())}-{member.folds}-folds"
            # of training songs alone: a teacher that knows the validation songs would tell its student of them
            result = out_of_fold(
                inside, songs, n_folds=member.folds, seed=own, out=folder, splits=("train",), workers=workers
            )
            found.logits[name] = result.for_songs(songs)
            found.seconds += result.seconds
            found.members[name] = member.model_copy(update={"seed": own, "weights_sha256": result.weights_sha256})
            continue
        part = songs if member.held is None else _without(member, songs, seed)
        if inside is not None:
            folder = store / inside.run_name(songs.name, own, part.checksum())
            on_epoch: Any = None if on_member is None else lambda record, name=name: on_member(name, record)
            run = train(
                inside, part, seed=own, out=folder, on_epoch=on_epoch,
                store=store, workers=workers, wait=True, verbose=0, tested="test" in songs.splits,
            )  # fmt: skip
        else:
            run = load_run(str(member.run))
        found.add(name, run, recipe, part, training.preprocessing)
        if member.held is not None:
            found.trained_without(member, name, run, songs)
    return found


def _without(member: Member, songs: SongSet, seed: int) -> SongSet:
    """Returns the songs with the split that holds out the member's fold; the folds depend on the composition's seed."""
    splits = fold_splits(songs, member.folds, seed=seed)[(member.held or 1) - 1]
    return songs.with_split(splits, str(songs.provenance))
