"""The sentences of a report, computed from its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genrezoo.report.numbers import percent, plain, points
from genrezoo.report.records import Board, Difference, Estimate, Line

PROVENANCE = {
    "official": "official split: the one published with the data",
    "artist-filtered": "artist-filtered split: no artist is on two sides",
    "fault-filtered": "fault-filtered split: the published lists without faulty and repeated clips",
    "random": "random split: drawn without regard to artists",
}
INTERVALS = (
    "Intervals have 95 % confidence. Without a mark they are Student t intervals over the seeds: another training run, "
    "the same songs. Those marked † are bootstrap intervals over the songs: the same run, other songs; they stand "
    "where there is one seed, or where all seeds give the same figure."
)
GROUPS = (
    "Models that share a letter cannot be told apart on these songs (McNemar's exact test between their representative "
    "runs, Holm's correction over all pairs, 5 %). The run that stands for a recipe is the seed with the median "
    "validation accuracy, never chosen by the test songs."
)
DIFFERENCES = (
    "The difference is between the means over all seeds; its interval is over songs, in pairs, and over seeds together "
    "(Student t with Welch's degrees of freedom), for each pair by itself. It compares recipes where the letters "
    "compare single runs, so that the two can disagree."
)

COMPARISON = (
    "What the references report was measured by them, on their own data and mostly on the epoch that was best on the "
    "validation songs: beside it stands the same figure measured here, on the songs above."
)


def compared(board: Board) -> list[Line]:
    """The lines whose references report figures, the highest validation accuracy first."""
    return sorted((line for line in board.lines if line.reported), key=lambda line: -line.validation)


def facts(board: Board) -> list[str]:
    """What a board was measured on, one fact an item: split, sizes, duplicates, ceilings, checksum."""
    sides = ", ".join(f"{plain(size)} {side}" for side, size in board.sizes.items())
    duplicates = "not counted" if board.duplicates is None else plain(board.duplicates)
    items = [
        PROVENANCE.get(board.provenance, f"split: {board.provenance}"),
        f"songs: {sides or 'sizes not recorded'}",
        f"songs that occur on more than one side: {duplicates}",
        f"{len(board.genres)} genres: {', '.join(board.genres)}",
    ]
    if board.shape is not None:
        items.append(f"input: pictures of {' x '.join(map(plain, board.shape))} (height, width, channels)")
    elif board.segments is not None and board.features is not None:
        items.append(f"input: {plain(board.segments)} segments of {plain(board.features)} features")
    if board.bayes is not None:
        items.append(f"best accuracy attainable at all: {percent(board.bayes)}\u00a0%")
    if board.order_free is not None:
        items.append(f"best accuracy attainable without the order of segments: {percent(board.order_free)}\u00a0%")
    return [*items, f"checksum of songs and split: {board.checksum}"]


def cautions(board: Board, speeds: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What a reader must know before believing a board's figures.

    Args:
        board: The board.
        speeds: Its speed rows.
    """
    found = []
    if board.provenance == "random":
        found.append(
            "The split is random: songs of one artist, or cuts of one recording, may be on both sides, and then the "
            "figures are higher than on songs of unknown artists."
        )
    if board.duplicates:
        found.append(
            f"{plain(board.duplicates)} songs occur on more than one side of the split, bit for bit: a model that "
            "merely remembers gets them right."
        )
    if board.synthetic:
        found.append("The songs are synthetic: the figures compare models with each other and say nothing about music.")
    trained = [line for line in board.lines if line.family == "zoo"]
    once = [line.name for line in trained if len(line.seeds) == 1]
    if once:
        who = "Each recipe of the zoo" if len(once) == len(trained) else ", ".join(once)
        found.append(
            f"{who} was trained with one seed: nothing is known of how much another training run would differ."
        )
    places = {tuple(str(_environment(row).get(key)) for key in ("processor", "cores", "threads")) for row in speeds}
    if len(places) > 1:
        found.append("Speeds were measured on different machines or numbers of threads and are not comparable.")
    return tuple(found)


def summary(board: Board) -> str:
    """The board in two or three sentences: the best of the zoo, the best peer, and whether they differ.

    "Best" is by validation accuracy: choosing by the test songs would flatter the chosen.
    """
    best = {family: _best(board, family) for family in ("zoo", "peer")}
    zoo, peer = best["zoo"], best["peer"]
    size = board.sizes.get("test")
    songs = f"the {plain(size)} test songs" if size is not None else "the test songs"
    if zoo is None or peer is None:
        for line, kind in ((zoo, "model of the zoo"), (peer, "peer")):
            if line is not None:
                best_one = f"the best {kind} by validation accuracy, {line.name}"
                return f"On {songs} of {board.data} {best_one}, is right on {_figure(line)}."
        return "No recipe was measured."
    text = (
        f"On {songs} of {board.data} the zoo's best model by validation accuracy, {zoo.name}, is right on "
        f"{_figure(zoo)}; the best peer, {peer.name}, on {_figure(peer)}."
    )
    pair = between(board.differences, zoo.name, peer.name)
    if pair is None:
        return f"{text} They were not compared song by song, because predictions are missing."
    if pair.low > 0:
        verdict = f"{zoo.name} is the better of the two"
    elif pair.high < 0:
        verdict = f"{peer.name} is the better of the two"
    else:
        verdict = "these runs do not show which is the better"
    drawn = "songs and seeds" if len(zoo.seeds) + len(peer.seeds) > 2 else "songs"
    return (
        f"{text} The difference is {points(pair.mean)} points, 95 % interval {points(pair.low)} to {points(pair.high)} "
        f"(over {drawn}, each song paired): {verdict}."
    )


def between(differences: Sequence[Difference], one: str, other: str) -> Difference | None:
    """The difference ``one`` minus ``other``, whichever stands higher; None where they were not compared."""
    for pair in differences:
        if (pair.upper, pair.lower) == (one, other):
            return pair
        if (pair.upper, pair.lower) == (other, one):
            return Difference(one, other, -pair.mean, -pair.high, -pair.low, pair.p, pair.adjusted)
    return None


def interval(estimate: Estimate, *, scale: float = 100, digits: int = 1) -> str:
    """An estimate's bounds: ``[70.1, 74.5]``, with a † where it is over songs."""
    mark = "†" if estimate.over == "songs" else ""
    return f"[{scale * estimate.low:.{digits}f}, {scale * estimate.high:.{digits}f}]{mark}".replace("-", "−")


def groups(board: Board) -> list[tuple[str, list[str]]]:
    """Each letter with the names of the lines that bear it."""
    letters = dict.fromkeys("".join(line.group for line in board.lines))  # in the order of the lines
    return [(letter, [line.name for line in board.lines if letter in line.group]) for letter in letters]


def _best(board: Board, family: str) -> Line | None:
    return max((line for line in board.lines if line.family == family), key=lambda line: line.validation, default=None)


def _figure(line: Line) -> str:
    seeds = f"{len(line.seeds)} seeds" if len(line.seeds) > 1 else "one seed"
    return f"{percent(line.accuracy.mean)}\u00a0% {interval(line.accuracy)} ({seeds})"


def _environment(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return row.get("environment") or {}
