"""Plots of runs, predictions and benchmarks, for notebooks: the report draws with the same functions.

Each function draws on the axes that it is given, or on a new figure in the report's style, and returns the axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genrezoo.errors import DataError, SettingsError, check_known, check_type
from genrezoo.lazy import load_keras
from genrezoo.predict import Prediction
from genrezoo.report.benchmark.figures import draw_pareto, timed_entries
from genrezoo.report.benchmark.leaderboard import leaderboard
from genrezoo.report.run.attention import draw_attention
from genrezoo.report.run.timeline import add_scale, draw_timeline
from genrezoo.report.style.drawing import short, styled
from genrezoo.report.style.heatmap import draw_confusion
from genrezoo.report.style.learning_curves import check_shown, draw_curves
from genrezoo.runs import Run
from genrezoo.songs.songset import Song

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["attention", "confusion", "curves", "pareto", "timeline"]

COLUMNS = ("loss", "accuracy", "learning_rate")
"""What `curves` can show."""


def confusion(run: Run, split: str = "test", *, ax: Axes | None = None) -> Axes:
    """Plots a run's confusion matrix: per cent of each genre's songs, rows the truth, columns the prediction.

    Args:
        run: The run.
        split: Split of the stored predictions, ``test`` or ``valid``.
        ax: Axes to draw on; a new figure if left out.

    Returns:
        The axes.

    Raises:
        DataError: No predictions of that split are stored.

    Example:
        >>> import tempfile, genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_train=40, n_valid=20, n_test=20, n_segments=8, seed=1)
        >>> run = gz.train("fully_connected", songs, epochs=1, out=tempfile.mkdtemp(), verbose=0)
        >>> gz.plot.confusion(run).get_ylabel()
        'truth'
    """
    check_type("run", run, Run, "a run (see genrezoo.load_run)")
    counts, genres = run.evaluate(split)["confusion"], run.genres
    side = 0.3 * max(len(genres), 8) + 1.5
    with styled():
        axes = _axes(ax, side, side)
        draw_confusion(axes, counts, genres, inches=axes.get_window_extent().width / axes.figure.dpi)
        axes.set_title(f"{short(run.card.recipe.name)}, {split} songs (%)", pad=12)
    return axes


def curves(runs: Run | Sequence[Run], show: str = "loss", *, ax: Axes | None = None) -> Axes:
    """Plots a column of the histories of runs over the epochs.

    Training is dashed, validation solid; a dot marks the epoch with the best validation accuracy.

    Args:
        runs: A run, or up to eight.
        show: ``loss``, ``accuracy`` or ``learning_rate``.
        ax: As in `confusion`.

    Returns:
        The axes.

    Raises:
        UnknownNameError: ``show`` is none of these.
        SettingsError: No run, or more than eight.
        DataError: A history is damaged, or lacks that column.
    """
    check_known("column of a history", [show], COLUMNS)
    several = [runs] if isinstance(runs, Run) else list(runs)
    if not 1 <= len(several) <= 8:
        raise SettingsError(f"one to eight runs fit into one figure, got {len(several)}")
    for run in several:
        check_type("runs", run, Run, "runs (see genrezoo.load_run)")
    histories = {label: run.history() for label, run in zip(labels(several), several, strict=True)}
    check_shown(histories, "loss" if show == "accuracy" else show)
    with styled():
        axes = _axes(ax, 6.4, 3.6)
        draw_curves({show: axes}, histories)
    return axes


def labels(runs: Sequence[Run]) -> list[str]:
    """What a figure calls runs: their recipes, and of several of one recipe their folders too."""
    names = [run.card.recipe.name for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({run.folder.name})" for name, run in zip(names, runs, strict=True)
    ]


def timeline(prediction: Prediction, *, ax: Axes | None = None) -> Axes:
    """Plots the probability of each genre over the course of a recording; a blue line marks the highest.

    Args:
        prediction: One prediction of `genrezoo.predict_audio`.
        ax: As in `confusion`; the scale of the colours is put beside it.

    Returns:
        The axes.

    Raises:
        DataError: The file was refused, so there is no prediction.

    Example:
        >>> import numpy as np, genrezoo as gz
        >>> from genrezoo.predict import Prediction
        >>> windows = np.array([[0.9, 0.1], [0.2, 0.8]])
        >>> starts, mean = np.arange(2), windows.mean(axis=0)
        >>> found = Prediction("a.wav", ("jazz", "rock"), mean, "mean", starts, starts + 1, windows)
        >>> gz.plot.timeline(found).get_title(loc="left")
        'a.wav: jazz'
    """
    check_type("prediction", prediction, Prediction, "a prediction (see genrezoo.predict_audio)")
    if prediction.reason is not None:
        raise DataError(f"there is no prediction: {prediction.reason}", path=prediction.path)
    edges, values = prediction.timeline()
    title = f"{Path(prediction.path).name}: {prediction.genre}"
    with styled():
        axes = _axes(ax, 8.0, 1.5 + 0.27 * max(len(prediction.genres), 3))
        add_scale(draw_timeline(axes, edges, values, prediction.genres, title=title), [axes], prediction.score)
    return axes


def pareto(folders: str | Path | Iterable[str | Path], *, data: str | None = None, ax: Axes | None = None) -> Axes:
    """Plots accuracy against the latency of one song, with the front of models that no other beats in both.

    Args:
        folders: One or several folders written by `genrezoo.benchmark`, with measured speed.
        data: Name of the data set, where the folders hold several.
        ax: As in `confusion`.

    Returns:
        The axes.

    Raises:
        UnknownNameError: There is no such data set in the folders.
        DataError: A folder has no rows, there are several data sets, or no speed was measured.
    """
    boards = leaderboard(folders).boards
    if data is not None:
        check_known("data set", [data], [board.data for board in boards])
        boards = tuple(board for board in boards if board.data == data)
    if len(boards) > 1:
        found = ", ".join(f"{board.data!r} ({board.provenance})" for board in boards)
        raise DataError(f"there are several data sets: {found}", remedy="specify one by `data`, or pass one folder")
    if not timed_entries(boards[0]):
        raise DataError(f"no speed was measured on {boards[0].data!r}", remedy="run the benchmark with speed")
    with styled():
        axes = _axes(ax, 8.0, 5.0)
        draw_pareto(axes, boards[0])
        axes.set_title(boards[0].data)
    return axes


def attention(run: Run, song: Song | np.ndarray, *, ax: Axes | None = None) -> Axes:
    """Plots which segments of a song a run of ``attention_pool`` looks at: the weight of each segment, by head.

    Args:
        run: A run whose model has a layer ``attention``.
        song: A song, as ``songs[3]``, or its features ``(n_segments, n_features)``, not standardised.
        ax: As in `confusion`.

    Returns:
        The axes.

    Raises:
        UnknownNameError: The model has no such layer.
        SettingsError: The recipe cuts songs into chunks.
        DataError: The song has other features, or a length that the model cannot read.
    """
    load_keras()
    from genrezoo.runs import feature_extractor  # here, because it needs Keras

    check_type("run", run, Run, "a run (see genrezoo.load_run)")
    if run.card.recipe.chunks is not None:
        raise SettingsError(f"{run.card.recipe.name} reads chunks of songs, and looks at each by itself")
    x = song.x if isinstance(song, Song) else song
    songs = run.reading.songs(x, path="song")
    run.check(songs)
    weights = np.asarray(feature_extractor(run, layer="attention").predict_on_batch(songs.padded()))[0]
    title = f"Song {short(song.id)}: {short(song.genre)}" if isinstance(song, Song) else "Attention"
    with styled():
        axes = _axes(ax, 8.0, 3.2)
        draw_attention(axes, weights, title=title)
    return axes


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    """The axes given, or those of a new figure of that size in inches, which a notebook shows."""
    if ax is not None:
        return ax
    from matplotlib import pyplot  # here, because it chooses a backend

    return pyplot.figure(figsize=(width, height), layout="constrained").subplots()
