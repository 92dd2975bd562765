"""Ensembles of a benchmark's entrants, selected from their stored predictions once all are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from genrezoo import files
from genrezoo.benchmarking.cell import Cell
from genrezoo.benchmarking.study import NAME
from genrezoo.benchmarking.tuned_baselines import ALL_BASELINES
from genrezoo.ensembles.candidates import GREEDY, Candidate, Family
from genrezoo.ensembles.choice import as_arrays, choose, row_key
from genrezoo.environment import environment
from genrezoo.errors import DataError, SettingsError
from genrezoo.recipes.recipe import safe_name
from genrezoo.rows import AccuracyRow, NotMeasured, Row
from genrezoo.runs.predictions import FILE
from genrezoo.selection import GreedySettings


class EnsemblePlan(GreedySettings, frozen=True, extra="forbid"):
    """An ensemble of a suite: its name, and the entrants that it is selected from."""

    name: str = Field(pattern=NAME, description="Name in tables.")
    family: Family = Field("zoo", description="Candidates: the recipes (`zoo`), the `baselines`, or `all`.")
    candidates: tuple[str, ...] = Field(
        (), description="Names of entrants and baselines, or patterns such as `lstm*`; all of the family by default."
    )
    seeds: Literal["same", "all"] = Field(
        "same",
        description="`same`: one ensemble per seed, of members with that seed; `all`: one ensemble of all seeds.",
    )

    def takes(self, name: str, family: str) -> bool:
        """Whether an entrant or a baseline may become a member.

        Args:
            name: Name in tables.
            family: ``"zoo"`` or ``"baseline"``.
        """
        fits = self.family == "all" or (family == "baseline") == (self.family == "baselines")
        return fits and (not self.candidates or any(fnmatchcase(name, pattern) for pattern in self.candidates))


def groups_of(plan: EnsemblePlan, cells: Sequence[Cell]) -> list[tuple[int, list[Cell]]]:
    """Returns the candidate cells of each ensemble of a plan, all on the same songs, and the ensemble's seed.

    A baseline that does not depend on the seed belongs to every seed.
    """
    found: list[tuple[int, list[Cell]]] = []
    fit = [cell for cell in cells if plan.takes(cell.facts.recipe, cell.facts.family)]
    for checksum in dict.fromkeys(cell.facts.checksum for cell in fit):
        on_songs = [cell for cell in fit if cell.facts.checksum == checksum]
        seeds = sorted({cell.facts.seed for cell in on_songs})
        if plan.seeds == "all":
            found.append((seeds[0], on_songs))
        else:
            found += [(seed, [c for c in on_songs if c.facts.seed == seed or _unseeded(c)]) for seed in seeds]
    return found


def _unseeded(cell: Cell) -> bool:
    name = cell.facts.recipe
    return cell.facts.family == "baseline" and not ALL_BASELINES[name].seeded


def ensemble_rows(
    plans: Sequence[EnsemblePlan], cells: Sequence[Cell], done: Mapping[tuple[str, str, str], Row], folder: Path
) -> Iterator[tuple[Row, bool]]:
    """Selects the ensembles of a suite from the measured cells.

    Args:
        plans: The ensembles.
        cells: The cells of the suite.
        done: Existing rows, by identity.
        folder: Folder of results; the ensembles' predictions go to its ``runs``.

    Yields:
        The row of each ensemble, and whether it already existed with the same models and its predictions.
    """
    for plan in plans:
        for seed, group in groups_of(plan, cells):
            yield _row(plan, seed, group, done, folder)


def _row(
    plan: EnsemblePlan, seed: int, group: Sequence[Cell], done: Mapping[tuple[str, str, str], Row], folder: Path
) -> tuple[Row, bool]:
    facts = group[0].facts
    settings = {"model": GREEDY, "ensemble": plan.model_dump(mode="json", exclude={"name"})}
    key = row_key(plan.name, settings, seed, facts.checksum)
    run = f"runs/{plan.name}-{safe_name(facts.data)}-{seed}-{key}"
    own: dict[str, Any] = {"key": key, "recipe": plan.name, "seed": seed, "run": run, "settings": settings}
    rows = [done.get(cell.identity("accuracy")) for cell in group]
    measured = [row for row in rows if isinstance(row, AccuracyRow)]
    known = row_key(*(row.key for row in measured))
    before = done.get(("accuracy", key, ""))
    same = isinstance(before, AccuracyRow) and before.settings["chosen"].get("candidates_digest") == known
    if before is not None and same and (folder / run / FILE).is_file():
        return before, True
    try:
        if len(measured) < 2:
            raise SettingsError(f"an ensemble needs at least two measured models, got {len(measured)}")
        choice = choose([Candidate.from_row(row, folder) for row in measured], plan, seed=seed)
        stored = choice.predictions()
    except (DataError, SettingsError) as error:
        if isinstance(before, NotMeasured) and before.reason == str(error):
            return before, True
        about = {**facts.model_dump(), **dict.fromkeys(("study", "axes", "label")), "model": GREEDY, "pretrained": {}}
        refused = {"kind": "accuracy", "status": "refused", "reason": str(error), "environment": environment()}
        return NotMeasured(**{**about, **own}, **refused), False
    files.write_npz(folder / run / FILE, as_arrays(stored))
    return choice.row(stored, **own, chosen={"candidates_digest": known}), False
