"""The leaderboards that the documents and the cards take from the committed rows."""

from __future__ import annotations

import functools
import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genrezoo.report.benchmark import repeats_view
from genrezoo.report.benchmark.columns import ACCURACY, EVERY, FAMILY, NAME, PARAMETERS, QUALITY
from genrezoo.report.benchmark.leaderboard import leaderboard
from genrezoo.report.benchmark.records import Board, Entry, Leaderboard, RepeatedEntry
from genrezoo.report.style.markup import column_table, escaped, pipe_table
from genrezoo.report.style.number_format import interval, percent, points

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
MOST_ENTRIES = 10
NEXT = "\n"  # a command a line
WARNING = "<!-- Written by docs/generate.py; edit benchmarks/results/leaderboards.toml instead. -->"
INTRODUCTION = f"""The rows of these results are in `benchmarks/results`, one folder for each section.
`genrezoo report FOLDER` shows all of them, with every metric; a table here has all models, or the {MOST_ENTRIES} that
are best on validation songs. Intervals have 95 % confidence. The sentence above a table says whether the zoo and the
baselines differ; where it does not, do not infer it from the table. [How results are measured](explanation.md)
explains splits, intervals and tests. The songs themselves are not part of the repository: the commands name folders
to put them in."""
BEFORE_REPEATED = """Mean differences in accuracy, in points, to the baseline with the best validation accuracy. Each
column has the best of its kind on validation songs: one recipe of the zoo, bagged over five folds, and greedy
selections of the zoo's bagged recipes alone, or of these and the baselines. A difference in bold is significant after
Holm's correction; the others are not."""
BEFORE_TUNED = """Test accuracies (%), each of the model that is the best of its kind on validation songs. Test songs
are few, so intervals are wide; the sections below have the paired differences."""
KINDS = {
    "single": "One network",
    "bagged": "One bagged network",
    "baseline": "One tuned baseline",
    "greedy_zoo": "Ensemble of the zoo",
    "greedy_baselines": "Ensemble of baselines",
    "greedy_all": "Ensemble of both",
}
REPEATED_KINDS = ("bagged", "greedy_zoo", "greedy_all")
SHOWN = ("accuracy", "macro_f1", "valid_accuracy", "seeds")
SHOWN_COLUMNS = (NAME, FAMILY, *(column for column in QUALITY if column.key in SHOWN))


def leaderboards_page() -> str:
    """Which differences are real, the best of each set of committed rows, and the commands that repeat them."""
    blocks = [WARNING, "# Leaderboards", INTRODUCTION, *_repeated_summary(), *_tuned_summary()]
    for name, place in _places().items():
        report = _results(name)
        blocks += [f"## {place['title']}", place["about"], f"```\n{place['command'].replace('; ', NEXT)}\n```"]
        for repeated in report.repeated:
            blocks += [f"### {repeated.splits} repeated splits", escaped(repeats_view.summary(repeated))]
            blocks += [column_table(repeats_view.COLUMNS, repeated.entries), repeats_view.METHOD]
        for board in report.boards:
            title = f"### {escaped(board.data)}, {escaped(_form(board))}"
            best = sorted(board.entries, key=lambda entry: -entry.validation)
            blocks += [title, escaped(place.get("compared", board.summary))]
            if "columns" in place:  # then all models are of interest
                blocks.append(column_table([one for one in EVERY if one.key in ("model", *place["columns"])], best))
            else:
                blocks.append(column_table(SHOWN_COLUMNS, best[:MOST_ENTRIES]))
        if "picture" in place:
            blocks += [place["caption"], f"![Accuracy against the time of one answer]({place['picture']})"]
    return "\n\n".join(blocks) + "\n"


def measured_json() -> str:
    """What the cards of models show of the committed rows, by model: a board's name and form, and the entry's columns.

    It is part of the package, so that a card holds results wherever it is printed.
    """
    columns = (NAME, *(column for column in QUALITY if column.key in SHOWN), PARAMETERS)
    found: dict[str, list[list[str]]] = {}
    for name in _places():
        for board in _results(name).boards:
            for entry in board.entries:
                if entry.family == "zoo":
                    cells = [board.data, _form(board), *(column.text(entry) for column in columns)]
                    rows = found.setdefault(entry.model, [])
                    if cells not in rows:  # one training can stand in two folders
                        rows.append(cells)
    heads = ["Songs", "Recipe", *(column.heading for column in columns[1:])]
    return json.dumps({"heads": heads, "models": found}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def repeated_bests() -> list[tuple[dict[str, Any], RepeatedEntry, dict[str, Any]]]:
    """Each set of songs that was split repeatedly: its text, its best baseline, and the best entry of each kind."""
    boards = [(place, board) for name, place in _places().items() for board in _results(name).repeated]
    return [
        (place, next(entry for entry in board.entries if entry.name == board.reference), _best_of_kinds(board.entries))
        for place, board in boards
    ]


def _repeated_summary() -> list[str]:
    """One line for each set of songs that was split repeatedly: the differences to its best baseline."""
    lines = [
        [
            _link(place),
            f"{reference.name} {percent(reference.mean)}",
            *(_difference(best.get(kind)) for kind in REPEATED_KINDS),
        ]
        for place, reference, best in repeated_bests()
    ]
    heads = ["Songs", "Best baseline", *(KINDS[kind] for kind in REPEATED_KINDS)]
    tables = [BEFORE_REPEATED, pipe_table(heads, lines, texts=len(heads))]
    return ["## Ten splits of each set", *tables, "![Differences to the best baseline of each set](differences.png)"]


def _tuned_summary() -> list[str]:
    """One line for each set of songs on which bagged networks were trained: the best of each kind."""
    lines = []
    for name, place in _places().items():
        for board in _results(name).boards:
            best = _best_of_kinds(board.entries)
            if "bagged" in best:
                cells = [_named(best[kind].name, ACCURACY.text(best[kind])) if kind in best else "–" for kind in KINDS]
                lines.append([_link(place), *cells])
    heads = ["Songs", *KINDS.values()]
    return ["## One split of each set", BEFORE_TUNED, pipe_table(heads, lines, texts=len(heads))]


def _best_of_kinds(entries: Sequence[Entry | RepeatedEntry]) -> dict[str, Any]:
    """The entry of each of the `KINDS` with the best validation accuracy."""
    best: dict[str, Any] = {}
    for entry in sorted(entries, key=lambda entry: -entry.validation):
        if entry.name in KINDS:
            kind = entry.name
        elif entry.family == "baseline":
            kind = "baseline"
        else:
            kind = "bagged" if entry.name.startswith("bagged_") else "single"
        best.setdefault(kind, entry)
    return best


def _difference(entry: RepeatedEntry | None) -> str:
    if entry is None or entry.difference is None:
        return "–"
    text = f"{points(entry.difference.mean)} {interval(entry.difference)}"
    return _named(entry.name, f"**{text}**" if entry.real else text)


def _named(name: str, text: str) -> str:
    """A name and a text, without the name if the column is for it alone."""
    text = text.replace(" ", "\u00a0")  # on one line
    return text if name in KINDS else f"{name} {text}"


def _link(place: dict[str, Any]) -> str:
    """A link to the section of a set of results."""
    anchor = re.sub(r"[^\w -]", "", place["title"].lower()).replace(" ", "-")
    return f"[{place['songs']}](#{anchor})"


def _places() -> dict[str, Any]:
    """What the page says of each folder of committed rows."""
    return tomllib.loads((RESULTS / "leaderboards.toml").read_text(encoding="utf-8"))


@functools.cache
def _results(name: str) -> Leaderboard:
    """The leaderboard of a folder of committed rows."""
    return leaderboard(RESULTS / name)


def _form(board: Board) -> str:
    """The size of a board's songs, and the origin of its split."""
    size = board.shape or (board.segments, board.features)
    return f"{' x '.join(map(str, size))}, {board.provenance} split"
