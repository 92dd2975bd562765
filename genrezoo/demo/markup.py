"""The parts of the page that gradio has no component for, as HTML: the player, a timeline, a refusal.

Names of files and genres may contain anything, so the templates escape them.
"""

from __future__ import annotations

import base64
import functools
import importlib.resources
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import jinja2
import numpy as np

from genrezoo.demo.models import Tried
from genrezoo.demo.upload import Limits
from genrezoo.predict import Prediction
from genrezoo.report.run.timeline import clock, pooled

MOST_GENRES = 8
"""Genres of a timeline: those with the highest scores for the whole recording."""

MOST_COLUMNS = 240
"""Columns of a timeline; neighbouring windows of a longer one are averaged."""

_VISIBLE = 0.02  # fraction of the highest score; weaker cells are left out


def player_html(path: str, name: str, prediction: Prediction) -> str:
    """Renders the player of a recording.

    Args:
        path: Path of the file on the server.
        name: Its name.
        prediction: A prediction for it, whose warnings are shown.

    Returns:
        HTML.
    """
    return _fill(
        "player.html.jinja",
        name=name,
        source=f"gradio_api/file={quote(path)}",
        warnings=prediction.warnings,
    )


def timeline_html(prediction: Prediction, model: str) -> str:
    """Renders a prediction over time, with a cursor that the page's script moves, and a link to download it.

    Args:
        prediction: The prediction.
        model: The model's name on the page.

    Returns:
        HTML. Rows are genres, sorted by their scores for the recording; the strongest colour is the highest score.

    Example:
        >>> from pathlib import Path
        >>> answer = Prediction(
        ...     path=Path("a.wav"), genres=("rock", "jazz"), probabilities=np.array([0.6, 0.4]), rule="mean",
        ...     starts=np.arange(2.0), ends=np.arange(1.0, 3.0), windows=np.array([[0.9, 0.1], [0.3, 0.7]]),
        ... )
        >>> "rock" in timeline_html(answer, "mlp")
        True
    """
    edges, scores = prediction.timeline()
    genres = prediction.best(MOST_GENRES)
    columns = [prediction.genres.index(name) for name, _ in genres]
    edges, scores, together = pooled(edges, scores[:, columns].astype(np.float64), most=MOST_COLUMNS)
    strongest = max(float(scores.max()), 1e-6)
    strength, leading = np.round(scores / strongest, 2), scores.argmax(axis=1)
    span = float(edges[-1] - edges[0])
    left, width = (np.round(1000 * part / span, 2) for part in (edges[:-1] - edges[0], np.diff(edges)))
    cells = [
        {"x": left[at], "width": width[at], "row": row, "strength": strength[at, row], "leads": row == leading[at]}
        for at, row in np.argwhere(strength >= _VISIBLE)
    ]
    hours = edges[-1] > 3600
    ticks = [{"at": 25 * part, "text": clock(float(edges[0] + span * part / 4), hours=hours)} for part in range(5)]
    data = {
        "edges": np.round(edges, 3).tolist(),
        "genres": [name for name, _ in genres],
        "scores": np.round(scores, 3).tolist(),
    }
    return _fill(
        "timeline.html.jinja",
        model=model,
        genres=genres,
        cells=cells,
        ticks=ticks,
        data=json.dumps(data),
        end=round(float(edges[-1]), 3),
        start=round(float(edges[0]), 3),
        how=prediction.how,
        score=prediction.score,
        tags=prediction.best(6, other=True),
        strongest=strongest,
        together=together,
        file=_download_name(prediction.path.stem, model),
        content=base64.b64encode(json.dumps({"model": model, **prediction.describe()}, indent=1).encode()).decode(),
    )


def refusal_html(name: str, reason: str) -> str:
    """Renders the reason why a file has no prediction."""
    return _fill("refusal.html.jinja", name=name, reason=f"{reason.rstrip('.')}.")


def empty_html(limits: Limits) -> str:
    """Renders the text before the first upload."""
    return _fill("empty.html.jinja", megabytes=f"{limits.megabytes:,.4g}", minutes=f"{limits.seconds / 60:,.3g}")


def models_html(models: Sequence[Tried]) -> str:
    """Renders the descriptions of the models."""
    return _fill("models.html.jinja", models=models)


def script() -> str:
    """Returns the page's script, a function that the page calls once."""
    return _source("page.js")


def style() -> str:
    """Returns the page's style sheet."""
    return _source("page.css")


def _download_name(stem: str, model: str) -> str:
    """Returns a name for the downloaded file that is valid on every system."""
    plain = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in f"{stem}-{model}")
    return f"{plain[:120]}.json"


def _source(name: str) -> str:
    return (importlib.resources.files("genrezoo.demo") / name).read_text(encoding="utf-8")


def _fill(template: str, **shown: Any) -> str:
    return _environment().get_template(template).render(**shown).strip()


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
