"""How near exports are to their models: every model and composition of the zoo in every format.

    python benchmarks/export_parity.py                       # all, about ten minutes; writes results/export_parity.json
    python benchmarks/export_parity.py --models lstm gru --formats onnx litert

Models have the options that they have by default, and weights that training could have given: all are moved away from
where they start. Each export is compared as `genrezoo.export` does it, on random songs. `python docs/generate.py` makes
the table of docs/export.md from the results. A format whose packages are missing keeps the results that it had.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from genrezoo import files
from genrezoo.environment import environment
from genrezoo.errors import GenrezooError, SettingsError
from genrezoo.exporting import converted
from genrezoo.exporting.formats import FORMATS, check_format
from genrezoo.exporting.parity import compare
from genrezoo.exporting.source import PIXELS, Source
from genrezoo.layers import Standardise
from genrezoo.models import create_model
from genrezoo.reading import Reading
from genrezoo.registry import COMPOSITIONS, MODELS, find_builder

RESULTS = Path(__file__).parent / "results" / "export_parity.json"
SHAPES = {"segments": [(120, 25), (187, 96)], "image": [(32, 33, 3), (88, 90, 3), (180, 180, 3)]}
"""By input kind: a model is built for the first shape that its defaults can take."""

GENRES = 10
STUDENT, TEACHER, OTHER = ("student_mlp", {}), ("lstm", {}), ("conv_in_time", {})
MEMBERS: dict[str, dict[str, Any]] = {
    "cascade": {"student": STUDENT, "teacher": TEACHER},
    "combiner": {"one": OTHER, "two": TEACHER, "three": ("snippet_lstm", {})},
    "correcting": {"original": OTHER},
    "ensemble": {"one": TEACHER, "two": ("gru", {}), "three": ("batch_norm_rnn", {})},
}
"""Of each composition, names and options of the models that it is made of."""

DEPTH_2 = "correcting, depth 2"


def network(name: str, shape: tuple[int | None, ...]) -> keras.Model:
    """A model or composition by its name, with weights that are away from their start."""
    if name in MODELS.names():
        return moved(create_model(name, shape, GENRES, seed=1))
    if name == DEPTH_2:
        members = {"original": network("correcting", shape)}
        return moved(COMPOSITIONS.get("correcting").build(members, shape, GENRES, see_hidden=True))
    members = {
        role: moved(create_model(model, shape, GENRES, seed=1, **options))
        for role, (model, options) in MEMBERS[name].items()
    }
    return moved(COMPOSITIONS.get(name).build(members, shape, GENRES))


def moved(model: keras.Model) -> keras.Model:
    """The model with every weight moved by a part of what it may be; variances stay above zero."""
    generator = np.random.default_rng(5)
    for weight in model.weights:
        if "seed_generator" not in weight.path and "threshold" not in weight.path:
            step = generator.uniform(0.0, 0.1, weight.shape)
            weight.assign(
                keras.ops.convert_to_numpy(weight) + step.astype("float32") / np.sqrt(max(weight.shape, default=1))
            )
    return model


def source(name: str) -> Source:
    """A model from raw features to logits, as a run has it."""
    entry = find_builder("correcting" if name == DEPTH_2 else name)
    image = entry.expects == "image"
    for shape in SHAPES[entry.expects]:
        try:
            free = entry.any_length and not entry.members
            built = network(name, (None, shape[-1]) if free else shape)
            break
        except SettingsError as error:
            reason = error
    else:
        raise SystemExit(f"{name} is built for none of SHAPES: {reason}")
    generator = np.random.default_rng(1)
    centre, spread = (np.full(shape[-1], level, np.float32) for level in (PIXELS if image else (0.0, 1.0)))
    if not image:
        centre, spread = (generator.uniform(0.5, 3.0, shape[-1]).astype("float32") for _ in range(2))
    songs = keras.Input(built.input_shape[1:], name="songs")
    output = built(songs if image else Standardise(centre.tolist(), spread.tolist())(songs))
    logits = output["logits"] if isinstance(output, dict) else output
    reading = Reading(
        name=name,
        n_outputs=GENRES,
        genres=tuple(f"genre {number}" for number in range(GENRES)),
        kind="image" if image else "segments",
        input_shape=built.input_shape[1:],
        trained_segments=None if image else shape[0],
        masks_padding=entry.masks_padding,
    )
    return Source(keras.Model(songs, logits, name="whole"), reading, {}, centre, spread)


def rows(models: list[str], formats: list[str], say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """One result for each model and format: the largest difference, or why there is none."""
    for name in models:
        opened = source(name)
        for format in formats:
            start, row = time.perf_counter(), {"model": name, "format": format}
            with tempfile.TemporaryDirectory() as folder:
                try:
                    kind = check_format(format, Path(f"a{FORMATS[format].ending}"))
                    made, answers = converted(opened, format, kind, Path(folder))
                    row["difference"] = compare(opened, answers).largest_difference
                except GenrezooError as error:
                    row["reason"] = str(error)
            say(json.dumps({**row, "seconds": round(time.perf_counter() - start, 1)}))
            yield row


def main() -> None:
    """Prints one JSON object a result, and writes all of them."""
    names = [*MODELS.names(), *COMPOSITIONS.names(), DEPTH_2]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=names, choices=names)
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=list(FORMATS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    before = files.read_json(given.out)["rows"] if given.out.exists() else []
    formats = []
    for format in given.formats:
        try:
            check_format(format, Path(f"a{FORMATS[format].ending}"))
            formats.append(format)
        except SettingsError as error:
            print(error)
    found = {(row["model"], row["format"]): row for row in before}
    for row in rows(given.models, formats, print):
        found[row["model"], row["format"]] = row
        order = sorted(found.values(), key=lambda one: (names.index(one["model"]), list(FORMATS).index(one["format"])))
        files.write_json(given.out, {"environment": environment(), "rows": order})


if __name__ == "__main__":
    main()
