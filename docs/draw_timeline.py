"""Plots ``docs/timeline.png``, a prediction over time: ``python docs/draw_timeline.py`` (a minute).

A network is trained on synthesised recordings; it then predicts recordings of other artists, joined into one.
"""

from __future__ import annotations

import os
import tempfile
import wave
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import genrezoo as gz
from genrezoo.datasets.synthetic_audio import render_audio
from genrezoo.files import write_atomic
from genrezoo.report.run.timeline import timeline_figure

SONGS: dict[str, Any] = {"n_train": 120, "n_valid": 40, "n_test": 40, "seconds": 8.0, "seed": 3}


def main() -> None:
    """Trains, joins, predicts and draws."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run, joined = train(folder, "mel_cnn"), join(folder)
        (prediction,) = gz.predict_audio(run, [joined], cache=folder / "cache")
        edges, probabilities = prediction.timeline()
        picture = timeline_figure(
            edges, probabilities, prediction.genres,
            answer=prediction.probabilities, rule=prediction.how, title=joined.stem, kind=".png",
        )  # fmt: skip
    write_atomic(Path(__file__).with_name("timeline.png"), picture)


def train(folder: Path, name: str) -> gz.Run:
    """A run of a recipe on synthesised recordings, in a folder of the recipe's name."""
    songs = gz.load_songs("synthetic_audio", features="log_mel", **SONGS)
    recipe = gz.get_recipe(name).changed({"optimizer": "adam", "learning_rate": 1e-3, "epochs": 8})
    return gz.train(recipe, songs, seed=1, out=folder / name)


def join(folder: Path) -> Path:
    """One recording of each genre by an artist that was not trained on, in a row."""
    rows = [row for row in render_audio(folder / "music", **SONGS) if row["split"] == "test"]
    of_genre = {row["genre"]: folder / "music" / row["path"] for row in reversed(rows)}
    joined = folder / "five genres, eight seconds each.wav"
    with wave.open(str(joined), "wb") as out:
        for number, genre in enumerate(sorted(of_genre)):
            with wave.open(str(of_genre[genre])) as part:
                if not number:
                    out.setparams(part.getparams())
                out.writeframes(part.readframes(part.getnframes()))
    return joined


if __name__ == "__main__":
    main()
