"""Results over repeated splits of the same songs: means, and differences to the best baseline.

One split shows which of two trained models is right more often on its test songs. Repeated splits show which of two
recipes is better on songs of this kind, independently of the songs in one test split.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from genrezoo.errors import DataError
from genrezoo.evaluation import corrected_interval, corrected_p
from genrezoo.report.benchmark.entries import chosen_of, names_of, out_of_fold, said_of, settings_of, speed_of
from genrezoo.report.benchmark.records import RepeatedBoard, RepeatedEntry
from genrezoo.report.style.number_format import Estimate
from genrezoo.rows import AccuracyRow, NotMeasured, Row, SpeedRow


def repeated_boards(rows: Sequence[Row]) -> tuple[RepeatedBoard, ...]:
    """Returns a board for each set of songs with repeated splits; other rows are ignored.

    Args:
        rows: The rows.

    Raises:
        DataError: A row of repeated splits lacks the sizes of its splits.
    """
    sets: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row.repeat is not None:
            sets.setdefault((row.data, row.pooled or "", row.provenance), []).append(row)
    return tuple(_board(part) for part in sets.values() if any(row.kind == "accuracy" for row in part))


def _board(rows: Sequence[Row]) -> RepeatedBoard:
    measured = [row for row in rows if isinstance(row, AccuracyRow)]
    one_of_each = {row.repeat: row for row in rows}.values()
    sizes = {side: fmean(row.sizes.get(side, 0) for row in one_of_each) for side in rows[0].sizes}
    if not (sizes.get("train") and sizes.get("test")):
        what = f"a row of repeated splits of {rows[0].data} lacks the sizes of train and test"
        raise DataError(what, remedy="remove the line or run its cell again")
    speeds: dict[str, dict[str, float | None]] = {}
    for row in rows:
        if isinstance(row, SpeedRow):
            speeds.setdefault(row.key, {}).update(speed_of(row))
    entries = _entries(measured, speeds, sizes)
    baselines = [entry for entry in entries if entry.family == "baseline"]
    reference = max(baselines, key=lambda entry: entry.validation, default=None)
    if reference is not None:
        entries = _holm([_against(entry, reference, sizes) for entry in entries])
    return RepeatedBoard(
        data=rows[0].data,
        pooled=rows[0].pooled or "",
        provenance=rows[0].provenance,
        sizes=sizes,
        duplicates=fmean(row.duplicates or 0 for row in one_of_each),
        genres=rows[0].genres,
        synthetic=rows[0].synthetic,
        pretrained={name: text for row in measured for name, text in row.pretrained.items()},
        splits=len(one_of_each),
        reference=reference.name if reference else None,
        entries=tuple(sorted(entries, key=lambda entry: (-entry.mean, entry.name))),
        unmeasured=tuple(row for row in rows if isinstance(row, NotMeasured)),
    )


def _entries(
    rows: Sequence[AccuracyRow], speeds: Mapping[str, Mapping[str, float | None]], sizes: Mapping[str, float]
) -> list[RepeatedEntry]:
    groups: dict[tuple[str, str], dict[int, dict[int, AccuracyRow]]] = {}  # recipe, settings -> split -> seed -> row
    for row in rows:
        settings = json.dumps({"family": row.family, **settings_of(row)}, sort_keys=True)
        groups.setdefault((row.recipe, settings), {}).setdefault(row.repeat or 0, {})[row.seed] = row
    names, found = names_of(list(groups)), []
    for key, splits in groups.items():
        every = [row for part in splits.values() for row in part.values()]
        runs = {number: list(splits[number].values()) for number in sorted(splits)}
        accuracies = {number: fmean(row.test.accuracy for row in part) for number, part in runs.items()}
        f1 = [fmean(row.test.macro_f1 for row in part) for part in runs.values()]
        seconds = [row.train_seconds for part in runs.values() for row in part if row.train_seconds is not None]
        entry = RepeatedEntry(
            name=names[key],
            family=every[0].family,
            splits=tuple(runs),
            accuracy=_estimate(list(accuracies.values()), sizes),
            macro_f1=_estimate(f1, sizes),
            validation=fmean(fmean(row.valid.accuracy for row in part) for part in runs.values()),
            train_seconds=fmean(seconds) if seconds else None,
            speed={
                name: value
                for part in runs.values()
                for row in part
                for name, value in speeds.get(row.key, {}).items()
                if value is not None
            },
            accuracies=accuracies,
            settings=settings_of(every[0]) | chosen_of(every),
            cross_validated=any(out_of_fold(row) for row in every),
            summary=said_of(every[0], "summary"),
            reference=said_of(every[0], "reference"),
        )
        found.append(entry)
    return found


def _estimate(values: Sequence[float], sizes: Mapping[str, float]) -> Estimate | float:
    if len(values) < 2:
        return values[0]
    return Estimate(*corrected_interval(values, sizes["train"], sizes["test"], least=0.0, most=1.0), over="splits")


def _against(entry: RepeatedEntry, reference: RepeatedEntry, sizes: Mapping[str, float]) -> RepeatedEntry:
    """The entry with its difference to the reference over the splits that both were measured on."""
    common = [number for number in entry.splits if number in reference.accuracies]
    if entry is reference or len(common) < 2:
        return entry
    differences = [entry.accuracies[number] - reference.accuracies[number] for number in common]
    songs = (sizes["train"], sizes["test"])
    estimate = Estimate(*corrected_interval(differences, *songs), over="splits")
    return replace(entry, difference=estimate, p=corrected_p(differences, *songs))


def _holm(entries: list[RepeatedEntry]) -> list[RepeatedEntry]:
    from statsmodels.stats.multitest import multipletests  # on first use: as in the evaluation

    tested = [entry.p for entry in entries if entry.p is not None]
    if not tested:
        return entries
    adjusted = iter(multipletests(tested, method="holm")[1].tolist())
    return [entry if entry.p is None else replace(entry, adjusted=next(adjusted)) for entry in entries]
