"""The candidates of an ensemble: trained models and fitted baselines in folders of results and in run folders."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np

from genrezoo.errors import DataError, GenrezooWarning, SettingsError, UnknownNameError
from genrezoo.files import existing_path
from genrezoo.recipes import Recipe
from genrezoo.registry import find_builder
from genrezoo.rows import FILE, AccuracyRow, CellFacts, read_row_file
from genrezoo.runs import load_run, predictions

Family = Literal["zoo", "baselines", "all"]
GREEDY = "greedy_ensemble"
"""Model name of a selected ensemble in rows; such an ensemble is not a candidate."""


@dataclass(frozen=True)
class Candidate:
    """A model that may become a member.

    Attributes:
        facts: Fields of its row; for other runs the same from the card, with the sha256 of the weights as the key.
        run: Folder of the run.
        train_seconds: Training time; None if unknown, here and below.
        parameters: Number of parameters.
        multiply_adds: Multiply-adds per song.
    """

    facts: CellFacts
    run: Path
    train_seconds: float | None
    parameters: float | None
    multiply_adds: float | None = None

    @classmethod
    def from_row(cls, row: AccuracyRow, folder: Path) -> Candidate:
        """Builds the candidate of a row in a folder of results."""
        facts = CellFacts(**{name: getattr(row, name) for name in CellFacts.model_fields})
        return cls(facts, folder / row.run, row.train_seconds, row.parameters, row.multiply_adds)

    @classmethod
    def from_run(cls, folder: Path) -> Candidate:
        """Builds the candidate of a run folder."""
        card = load_run(folder).card
        about = card.songs
        facts = CellFacts(
            data=str(about.get("name")),
            checksum=str(about.get("checksum")),
            provenance=about.get("provenance") or "",
            sizes=about.get("splits", {}),
            segments=about.get("segments"),
            features=about.get("features"),
            shape=about.get("shape"),
            genres=card.genres,
            synthetic=any((about.get("about") or {}).get(name) for name in ("synthetic", "synthetic_audio")),
            key=card.weights_sha256,
            recipe=card.recipe.name,
            model=card.recipe.model,
            family="zoo",
            seed=card.seed,
        )
        return cls(facts, folder, card.train_seconds + card.members_seconds, card.parameters)

    def answers(self, split: str) -> dict[str, np.ndarray]:
        """Reads its stored predictions of a split: ``ids``, ``y`` and ``logits``.

        Raises:
            DataError: There are none, or they are damaged.
        """
        if self.facts.family == "zoo":
            return load_run(self.run).predictions(split)  # compared with the checksum on the card
        return predictions.read_predictions(self.run, split, len(self.facts.genres))

    def kind_apart(self) -> str | None:
        """Returns its kind if such models cannot be parts of one exported model; None if they can."""
        if self.facts.family == "baseline":
            return "models of scikit-learn"
        recipes = [load_run(self.run).card.recipe]
        for recipe in recipes:  # which grows
            if kind := _kind_apart(recipe):
                return kind
            recipes += [member.recipe for member in recipe.members.values() if member.recipe]
        return None


def _kind_apart(recipe: Recipe) -> str | None:
    if recipe.chunks is not None:
        return "networks that cut songs into chunks"
    return "networks that read images" if find_builder(recipe.model).expects == "image" else None


def kinds_apart(candidates: Mapping[str, Candidate]) -> dict[str, list[str]]:
    """Returns the kinds of candidates that cannot be parts of one exported model, with their names."""
    found: dict[str, list[str]] = {}
    for name, one in candidates.items():
        if kind := one.kind_apart():
            found.setdefault(kind, []).append(name)
    return found


def find_candidates(folders: Iterable[str | Path]) -> list[Candidate]:
    """Finds the models in folders of results and in run folders, each once.

    Args:
        folders: Folders that ``genrezoo benchmark`` or ``genrezoo train`` wrote. Of rows with the same key, the last
            counts.

    Returns:
        The candidates, sorted by name and seed.

    Raises:
        DataError: A folder is neither, or its content is damaged.
    """
    found: dict[Path, Candidate] = {}
    for folder in map(existing_path, folders):
        if (folder / FILE).is_file():
            rows = {row.identity: row for row in read_row_file(folder / FILE).rows}.values()
            fit = [row for row in rows if isinstance(row, AccuracyRow) and row.model != GREEDY]
            candidates = [Candidate.from_row(row, folder) for row in fit]
        elif (folder / "card.json").is_file():
            candidates = [Candidate.from_run(folder)]
        else:
            remedy = "specify folders that genrezoo benchmark or genrezoo train wrote"
            raise DataError(f"has neither {FILE} nor card.json", path=folder, remedy=remedy)
        found |= {candidate.run.resolve(): candidate for candidate in candidates}
    # rows stand in the order in which their cells were done, which is another every time
    return sorted(found.values(), key=lambda one: (one.facts.recipe, one.facts.seed, str(one.run)))


def choose_candidates(
    candidates: Sequence[Candidate],
    *,
    models: Sequence[str] | None = None,
    family: Family = "zoo",
    data: str | None = None,
) -> list[Candidate]:
    """Selects the requested candidates.

    Args:
        candidates: All candidates.
        models: Names of recipes and baselines, or patterns such as ``"lstm*"``; all if left out.
        family: ``"zoo"``, ``"baselines"`` or ``"all"``.
        data: Name of the songs, or the beginning of their checksum, if the candidates were trained on several sets.

    Raises:
        UnknownNameError: A name or a pattern matches no candidate, or no candidate was trained on such songs.
        SettingsError: They were trained on several sets of songs, or fewer than two remain.
    """
    taken = [
        one for one in candidates if family == "all" or (one.facts.family == "baseline") == (family == "baselines")
    ]
    sets = {one.facts.checksum: _called(one.facts) for one in taken}
    if data is not None:
        names = {one.facts.data for one in taken}
        taken = [one for one in taken if one.facts.data == data or one.facts.checksum.startswith(data)]
        if names and not taken:
            raise UnknownNameError("set of songs", data, names)
        sets = {one.facts.checksum: sets[one.facts.checksum] for one in taken}
    if len(sets) > 1:
        raise SettingsError(f"the models were trained on several sets of songs: {', '.join(sets.values())}. Choose one")
    for pattern in models or ():
        if not any(fnmatchcase(one.facts.recipe, pattern) for one in taken):
            raise UnknownNameError("candidate", pattern, {one.facts.recipe for one in taken})
    if models is not None:
        taken = [one for one in taken if any(fnmatchcase(one.facts.recipe, pattern) for pattern in models)]
    if len(taken) < 2:
        kind = {"zoo": "models of the zoo", "baselines": "baselines", "all": "models"}[family]
        raise SettingsError(f"an ensemble needs at least two {kind}, got {len(taken)}")
    return taken


def _called(songs: CellFacts) -> str:
    """Returns the songs' name and checksum, and the number of a repeated split."""
    split = f", split {songs.repeat}" if songs.repeat else ""
    return f"{songs.data} ({songs.checksum[:12]}{split})"


def member_names(candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """Returns the candidates by their names as members.

    The name is that of the recipe; if a recipe occurs more than once, the seed is appended, and a number if needed.
    """
    plain = ["_".join(filter(None, one.facts.recipe.split("_"))) for one in candidates]
    times = Counter(plain)
    named = [
        name if times[name] == 1 else f"{name}_seed_{one.facts.seed}"
        for name, one in zip(plain, candidates, strict=True)
    ]
    found: dict[str, Candidate] = {}
    for name, one in zip(named, candidates, strict=True):
        free = (f"{name}_{number}" if number > 1 else name for number in range(1, len(named) + 1))
        found[next(each for each in free if each not in found)] = one
    return found


@dataclass(frozen=True)
class Answers:
    """Predictions of several models for the same songs.

    Attributes:
        split: ``out_of_fold``, ``valid`` or ``test``.
        ids: ``(songs,)`` text, in ascending order.
        y: ``(songs,)`` labels.
        logits: ``(songs, classes)`` by name of the model.
    """

    split: str
    ids: np.ndarray
    y: np.ndarray
    logits: dict[str, np.ndarray]


def read_answers(candidates: Mapping[str, Candidate], split: str) -> Answers:
    """Reads the stored predictions of all candidates for a split, with the songs in the same order.

    Raises:
        DataError: Predictions are missing or damaged, or belong to other songs, labels or genres.
    """
    first: Answers | None = None
    genres = next(iter(candidates.values())).facts.genres
    for name, candidate in candidates.items():
        stored = candidate.answers(split)
        order = np.argsort(stored["ids"], kind="stable")
        ids, y, logits = (stored[part][order] for part in ("ids", "y", "logits"))
        if first is None:
            first = Answers(split, ids, y, {})
        same = np.array_equal(ids, first.ids) and np.array_equal(y, first.y)
        if not same or candidate.facts.genres != genres:
            what = f"has predictions for other {split} songs than {next(iter(candidates))}, or other labels or genres"
            remedy = "select among models that were trained on the same songs with the same split"
            raise DataError(what, path=candidate.run, remedy=remedy)
        first.logits[name] = logits
    assert first is not None  # there are candidates
    return first


def held_out_answers(candidates: Mapping[str, Candidate]) -> Answers:
    """Reads the candidates' predictions for songs that they were not trained on.

    These are all songs except the test songs if every candidate was cross-validated, and the validation songs
    otherwise. If only some were cross-validated, a warning says so: their predictions for validation songs come from
    models that were trained on other validation songs, which is an advantage.

    Raises:
        DataError: As `read_answers`.
    """
    crossed = [
        name for name, one in candidates.items() if predictions.OUT_OF_FOLD in predictions.stored_splits(one.run)
    ]
    if len(crossed) == len(candidates):
        return read_answers(candidates, predictions.OUT_OF_FOLD)
    if crossed:
        what = (
            f"{', '.join(crossed)} predicted validation songs with models that were trained on other validation songs, "
            f"unlike the other candidates, so the weights favour them. Select among candidates of one kind"
        )
        warnings.warn(what, GenrezooWarning, stacklevel=2)
    return read_answers(candidates, "valid")
