"""The sentences of a benchmark's report, computed from its results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from genrezoo.report.benchmark.records import Board, Difference, Entry, RepeatedEntry
from genrezoo.report.style.captions import PROVENANCE, RANDOM_SPLIT, SYNTHETIC
from genrezoo.report.style.number_format import interval, percent, plain, points, several
from genrezoo.rows import SpeedRow

INTERVALS = (
    "Intervals have 95 % confidence. Unmarked ones cover the variation over songs and seeds: another training run on "
    "other songs. Those marked † are bootstrap intervals over songs only: the same run on other songs; they are used "
    "with one seed, or if all seeds agree."
)
GROUPS = (
    "Models that share a letter cannot be told apart on these songs (McNemar's exact test between their representative "
    "runs, Holm's correction over all pairs, 5 %). A recipe is represented by the run with the median validation "
    "accuracy; test songs do not influence this choice."
)
DIFFERENCES = (
    "The difference is between the means over all seeds; its interval covers songs (paired) and seeds (Student t with "
    "Welch's degrees of freedom), without correction for the number of pairs. It compares recipes, whereas the letters "
    "compare single runs, so the two can disagree."
)

COMPARISON = (
    "The reported results were measured by the references, on their data and mostly with the best epoch on the "
    "validation songs; the same metric measured here, on the songs above, is shown beside them."
)

FEW_SONGS = 50
"""Test songs below which a caution says that intervals over songs are too narrow."""

EXPORTED = (
    "The same models as ONNX files, run by ONNX Runtime in a process without TensorFlow. The accuracy is that of the "
    "model: an export is kept only if its predictions agree up to rounding."
)


def exported(board: Board) -> list[Entry]:
    """Returns the entries whose exported models were timed, fastest first."""
    found = [entry for entry in board.entries if "onnx_p50" in entry.speed]
    return sorted(found, key=lambda entry: entry.speed["onnx_p50"])


def compared(board: Board) -> list[Entry]:
    """Returns the entries whose references report results, with the highest validation accuracy first."""
    return sorted((entry for entry in board.entries if entry.reported), key=lambda entry: -entry.validation)


def facts(board: Board) -> list[str]:
    """Describes the data of a board, one fact per item: split, sizes, duplicates, ceilings, checksum."""
    sides = ", ".join(f"{plain(size)} {side}" for side, size in board.sizes.items())
    duplicates = "not counted" if board.duplicates is None else plain(board.duplicates)
    items = [
        PROVENANCE.get(board.provenance, f"split: {board.provenance}"),
        f"songs: {sides or 'sizes not recorded'}",
        f"songs that occur in more than one split: {duplicates}",
        f"{len(board.genres)} genres: {', '.join(board.genres)}",
    ]
    if board.shape is not None:
        items.append(f"input: images of {' x '.join(map(plain, board.shape))} (height, width, channels)")
    elif board.segments is not None and board.features is not None:
        items.append(f"input: {several(board.segments, 'segment')} of {several(board.features, 'feature')}")
    if board.bayes is not None:
        items.append(f"best attainable accuracy: {percent(board.bayes)}\u00a0%")
    if board.order_free is not None:
        items.append(f"best attainable accuracy without the order of segments: {percent(board.order_free)}\u00a0%")
    return [*items, f"checksum of songs and split: {board.checksum}"]


def cautions(board: Board, speeds: Sequence[SpeedRow]) -> tuple[str, ...]:
    """Returns cautions about a board's results.

    Args:
        board: The board.
        speeds: Speed rows of the board.
    """
    found = []
    if board.provenance == "random":
        found.append(RANDOM_SPLIT)
    if board.duplicates:
        found.append(repeated_songs(board.duplicates))
    if 0 < (tested := board.sizes.get("test", 0)) < FEW_SONGS:
        found.append(
            f"There are only {tested} test songs: one song is worth {100 / tested:.1f} points, and bootstrap intervals "
            f"of so few songs are too narrow. Repeat the split (--repeats 10)."
        )
    if board.synthetic:
        found.append(SYNTHETIC.format("models"))
    pretrained = {name: text for entry in board.entries for name, text in entry.pretrained.items()}
    for name, text in pretrained.items():
        resting = [entry.name for entry in board.entries if name in entry.pretrained]
        who = "all models here" if len(resting) == len(board.entries) else ", ".join(resting)
        found.append(f"The weights {name}, used by {who}, were trained on other songs. {text}")
    trained = [entry for entry in board.entries if entry.family == "zoo"]
    once = [entry.name for entry in trained if len(entry.seeds) == 1]
    if once:
        who = "Each recipe of the zoo" if len(once) == len(trained) else ", ".join(once)
        found.append(f"{who} was trained with one seed, so the variation between training runs is unknown.")
    found += out_of_fold(board.entries)
    places = {tuple(str(row.environment.get(key)) for key in ("processor", "cores", "threads")) for row in speeds}
    if len(places) > 1:
        found.append("Speeds were measured on different machines or numbers of threads and are not comparable.")
    return tuple(found)


def repeated_songs(number: float) -> str:
    """Says how many songs are in more than one split, and what follows from it."""
    verb = "occurs" if number == 1 else "occur"
    songs = f"{several(number, 'song')} {verb} bit-identical in more than one split"
    return f"{songs}: a model can classify such songs correctly by memorising."


def out_of_fold(entries: Sequence[Entry] | Sequence[RepeatedEntry]) -> list[str]:
    """Returns the caution that the validation accuracies of some of the models do not compare with the others'."""
    folded = [entry.name for entry in entries if entry.cross_validated]
    if not 0 < len(folded) < len(entries):
        return []
    return [
        f"The validation accuracies of {', '.join(folded)} are out of fold, and their models were also trained on "
        f"validation songs. Do not compare them with those of the other models: if artists are in several folds, "
        f"they are too high."
    ]


def summary(board: Board) -> str:
    """Summarises the board in two or three sentences: the best of the zoo, the best baseline, and whether they differ.

    "Best" means the highest validation accuracy, because a choice by test accuracy would be optimistic.
    """
    best = {family: _best(board, family) for family in ("zoo", "baseline")}
    zoo, baseline = best["zoo"], best["baseline"]
    size = board.sizes.get("test")
    songs = f"the {plain(size)} test songs" if size is not None else "the test songs"
    if zoo is None or baseline is None:
        for entry, kind in ((zoo, "model of the zoo"), (baseline, "baseline")):
            if entry is not None:
                best_one = f"the best {kind} by validation accuracy, {entry.name}"
                return f"On {songs} of {board.data} {best_one}, reaches an accuracy of {_accuracy(entry)}."
        return "No recipe was measured."
    text = (
        f"On {songs} of {board.data} the zoo's best model by validation accuracy, {zoo.name}, reaches "
        f"{_accuracy(zoo)}; the best baseline, {baseline.name}, reaches {_accuracy(baseline)}."
    )
    pair = between(board.differences, zoo.name, baseline.name)
    if pair is None:
        return f"{text} They were not compared song by song, because predictions are missing."
    if pair.low > 0:
        verdict = f"{zoo.name} is the better of the two"
    elif pair.high < 0:
        verdict = f"{baseline.name} is the better of the two"
    else:
        verdict = "these runs do not show which is better"
    drawn = "songs and seeds" if len(zoo.seeds) + len(baseline.seeds) > 2 else "songs"
    return (
        f"{text} The difference is {points(pair.mean)} points, 95 % interval {points(pair.low)} to {points(pair.high)} "
        f"(over {drawn}, each song paired): {verdict}."
    )


def between(differences: Sequence[Difference], one: str, other: str) -> Difference | None:
    """Returns the difference ``one`` minus ``other``; None if they were not compared."""
    for pair in differences:
        if (pair.upper, pair.lower) == (one, other):
            return pair
        if (pair.upper, pair.lower) == (other, one):
            return Difference(one, other, -pair.mean, -pair.high, -pair.low, pair.p, pair.adjusted)
    return None


def groups(board: Board) -> list[tuple[str, list[str]]]:
    """Returns each letter with the names of its entries."""
    letters = dict.fromkeys("".join(entry.group for entry in board.entries))  # in the order of the entries
    return [(letter, [entry.name for entry in board.entries if letter in entry.group]) for letter in letters]


def shapes(families: Iterable[str]) -> str:
    """Explains the marks of a figure, for the families in it."""
    mixed = " Diamonds are ensembles of baselines and models of the zoo." if "mixed" in families else ""
    return f"Squares are baselines.{mixed}"


def _best(board: Board, family: str) -> Entry | None:
    return max(
        (entry for entry in board.entries if entry.family == family), key=lambda entry: entry.validation, default=None
    )


def _accuracy(entry: Entry) -> str:
    seeds = f"{len(entry.seeds)} seeds" if len(entry.seeds) > 1 else "one seed"
    return f"{percent(entry.accuracy.mean)}\u00a0% {interval(entry.accuracy)} ({seeds})"
