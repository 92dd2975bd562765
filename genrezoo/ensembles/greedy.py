"""Selection of an ensemble from folders of results by stored predictions; written as one run where possible."""

from __future__ import annotations

import itertools
import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from genrezoo import files
from genrezoo.datasets.arrays import load_arrays
from genrezoo.ensembles.candidates import (
    GREEDY,
    Candidate,
    Family,
    choose_candidates,
    find_candidates,
    kinds_apart,
    member_names,
)
from genrezoo.ensembles.choice import Choice, as_arrays, choose, row_key
from genrezoo.errors import GenrezooWarning, SettingsError, check_known, check_type, checked
from genrezoo.lazy import load_keras
from genrezoo.recipes import Recipe
from genrezoo.recipes.recipe import Member, safe_name
from genrezoo.rows import FILE as ROWS
from genrezoo.rows import CellFacts, Scores
from genrezoo.runs import Run, load_run
from genrezoo.runs.predictions import FILE as PREDICTIONS
from genrezoo.selection import GreedySettings
from genrezoo.songs import SongSet, repeated_split

RECORD = "ensemble.json"
"""File in the folder of an ensemble with the selection."""
REFERENCE = "R. Caruana et al., Ensemble selection from libraries of models, ICML 2004"


class GreedyEnsemble(BaseModel, frozen=True):
    """A selected ensemble: its members, their weights, and its metrics."""

    folder: Path = Field(exclude=True, description="Its folder.")
    weights: dict[str, float] = Field(description="Weight of each member, largest first.")
    runs: dict[str, str] = Field(description="Folder of each member.")
    candidates: tuple[str, ...] = Field(description="Names of all candidates.")
    selected_on: str = Field(description="Songs that the weights were chosen on: `valid` or `out_of_fold`.")
    n_songs: int = Field(description="Their number.")
    settings: GreedySettings
    seed: int = Field(description="Seed of the selection.")
    members: dict[str, Scores] = Field(description="Metrics of each member on these songs.")
    seen: Scores = Field(description="Metrics of the ensemble on these songs, with weights chosen on them.")
    unseen: Scores = Field(
        description="Metrics on these songs, each predicted with weights that were chosen without it."
    )
    test: Scores = Field(description="Metrics of the ensemble on the test songs.")
    not_exported_because: str | None = Field(
        None, description="Why the ensemble has only stored predictions and no model; None for a run."
    )

    def run(self) -> Run:
        """The ensemble as a run, which can predict and be exported.

        Raises:
            SettingsError: It has only stored predictions.
        """
        if self.not_exported_because:
            raise SettingsError(f"{self.folder} holds predictions but no model: {self.not_exported_because}")
        return load_run(self.folder)


def greedy_ensemble(
    folders: str | Path | Iterable[str | Path],
    *,
    models: Sequence[str] | None = None,
    family: Family = "zoo",
    data: str | None = None,
    songs: SongSet | None = None,
    settings: GreedySettings | Mapping[str, Any] | None = None,
    seed: int = 1,
    out: str | Path,
) -> GreedyEnsemble:
    """Selects an ensemble from trained models by their stored predictions, and writes it.

    If every candidate was cross-validated, the weights are chosen on out-of-fold predictions for all training and
    validation songs, otherwise on the validation songs. These songs also selected the candidates' epochs, so all
    metrics on them are slightly optimistic. Test labels are used once, after the selection.

    If all members come from the zoo, they become one run, which predicts, can be exported as one file, and lists its
    members and their weights on its card. With a baseline among the members, the folder holds predictions and a row for
    `genrezoo.render`.

    Args:
        folders: One or several folders that ``genrezoo benchmark`` or ``genrezoo train`` wrote. Several seeds of a
            recipe are several candidates.
        models: Names of recipes and baselines that may become members, or patterns such as ``"lstm*"``; None for all.
        family: Family of the candidates: ``"zoo"``, ``"baselines"`` (of scikit-learn) or ``"all"``.
        data: Name of the songs, or the beginning of their checksum, if the folders hold several sets.
        songs: The songs that the models were trained on; the default is those in the folder of results.
        settings: Settings of the selection, see `GreedySettings`.
        seed: Seed of the selection.
        out: Folder to write; new, empty, or of the same ensemble.

    Returns:
        Members, weights and metrics.

    Raises:
        DataError: A folder holds no models, or predictions are missing, damaged, or belong to other songs.
        UnknownNameError: A name or a pattern matches no candidate, or a setting is unknown.
        SettingsError: There are fewer than two candidates, one model alone is best, the models were trained on several
            sets of songs, the training songs are missing, or the folder is in use.

    Example:
        >>> import tempfile, genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_train=60, n_valid=20, n_test=20, n_segments=8, seed=1)
        >>> folder = tempfile.mkdtemp()
        >>> recipe = gz.get_recipe("fully_connected").changed(epochs=2, units=[8])
        >>> runs = [gz.train(recipe, songs, seed=seed, out=f"{folder}/{seed}").folder for seed in (1, 2)]
        >>> ensemble = greedy_ensemble(runs, songs=songs, out=f"{folder}/best")
        >>> round(sum(ensemble.weights.values()), 6), ensemble.run().card.recipe.model
        (1.0, 'ensemble')

    Reference:
        R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, Ensemble selection from libraries of models, ICML 2004.
    """
    check_known("family", [family], ("zoo", "baselines", "all"))
    check_type("folders", folders, (str, Path, Iterable), "a folder or several")
    if songs is not None:
        check_type("songs", songs, SongSet, "a SongSet (see genrezoo.load_songs)")
    paths = [Path(one) for one in ([folders] if isinstance(folders, str | Path) else folders)]
    options = settings.model_dump() if isinstance(settings, GreedySettings) else dict(settings or {})
    check_known("setting of the selection", options, GreedySettings.model_fields)
    given = checked(lambda: GreedySettings(**options))
    candidates = choose_candidates(find_candidates(paths), models=models, family=family, data=data)
    if family == "zoo":
        candidates = _in_one_graph(candidates)
    choice = choose(candidates, given, seed=seed)
    if len(choice.members) == 1:
        ((name, alone),) = choice.members.items()
        raise SettingsError(f"no ensemble of the {len(candidates)} models is better than {name} alone; use {alone.run}")
    if apart := kinds_apart(choice.members):
        return _write_predictions(choice, Path(out), "; ".join(itertools.starmap(_apart, apart.items())))
    return _train(choice, paths, songs, Path(out))


def _in_one_graph(candidates: list[Candidate]) -> list[Candidate]:
    """Returns the candidates that can be parts of one model; a warning names the others."""
    named = member_names(candidates)
    apart = kinds_apart(named)
    for kind, names in apart.items():
        warnings.warn(f"left out: {_apart(kind, names)}", GenrezooWarning, stacklevel=3)
    kept = [one for name, one in named.items() if name not in itertools.chain(*apart.values())]
    if len(kept) < 2:
        raise SettingsError(f"an ensemble needs at least two models that can be parts of one model, got {len(kept)}")
    return kept


def _apart(kind: str, names: Sequence[str]) -> str:
    return f"{kind} cannot be parts of one model: {', '.join(names)}"


def _train(choice: Choice, folders: Sequence[Path], songs: SongSet | None, out: Path) -> GreedyEnsemble:
    """Writes the ensemble as a run, without training."""
    load_keras()
    from genrezoo.runs import train

    facts = next(iter(choice.members.values())).facts
    songs = songs or _stored_songs(folders, facts)
    if songs.checksum() != facts.checksum:
        remedy = "pass the songs that the models were trained on, with their split"
        raise songs.error(
            f"these are not the models' songs ({facts.data!r}), or they have another split", remedy=remedy
        )
    recipe = Recipe(
        name=GREEDY,
        summary=f"The weighted mean of {len(choice.members)} models, selected by their predictions for held-out songs",
        reference=REFERENCE,
        model="ensemble",
        arguments={"rule": "mean", "weights": choice.selection.weights},
        procedure="stagewise",
        standardise=False,
        members={name: Member(run=str(one.run.resolve())) for name, one in choice.members.items()},
    )
    run = train(recipe, songs, seed=choice.seed, out=out, verbose=0)
    return _record(choice, out, Scores(**run.evaluate("test")), None)


def _stored_songs(folders: Sequence[Path], facts: CellFacts) -> SongSet:
    """Loads the songs from the folders of results; for repeated splits they are stored once and split again."""
    name = safe_name(facts.data) + ("-*" if facts.repeat else f"-{facts.checksum[:12]}")
    for path in itertools.chain(*(sorted((folder / "songs").glob(name)) for folder in folders)):
        songs: SongSet = load_arrays(path)
        if facts.repeat:
            songs = repeated_split(songs, facts.repeat).named(songs.name)
        if songs.checksum() == facts.checksum:
            return songs
    raise SettingsError("none of the folders holds the songs of the models: pass the songs that they were trained on")


def _write_predictions(choice: Choice, out: Path, reason: str) -> GreedyEnsemble:
    """Writes the ensemble as predictions and a row, for the report."""
    with files.lock_folder(out) as folder:
        if unexpected := sorted(set(os.listdir(folder)) - {".lock", "report", ROWS, PREDICTIONS, RECORD}):
            raise SettingsError(f"{folder} is not empty ({unexpected[0]}); use a new folder for the ensemble")
        stored = choice.predictions()
        settings = {"ensemble": choice.settings.model_dump(mode="json")}
        key = row_key({one.facts.key: choice.selection.weights[name] for name, one in choice.members.items()})
        row = choice.row(stored, recipe=GREEDY, key=key, seed=choice.seed, run=".", settings=settings)
        files.write_npz(folder / PREDICTIONS, as_arrays(stored))
        files.write_text(folder / ROWS, json.dumps(row.to_plain(), allow_nan=False, ensure_ascii=False) + "\n")
        return _record(choice, folder, row.test, reason)


def _record(choice: Choice, folder: Path, test: Scores, reason: str | None) -> GreedyEnsemble:
    ensemble = GreedyEnsemble(
        folder=folder,
        weights=choice.selection.weights,
        runs={name: str(one.run) for name, one in choice.members.items()},
        candidates=tuple(choice.candidates),
        selected_on=choice.seen.split,
        n_songs=len(choice.seen.y),
        settings=choice.settings,
        seed=choice.seed,
        members=choice.scores(),
        seen=choice.seen_scores(),
        unseen=choice.unseen_scores(),
        test=Scores(**test.model_dump()),
        not_exported_because=reason,
    )
    files.write_json(folder / RECORD, ensemble.model_dump(mode="json"))
    return ensemble
