"""The card of published weights, from what their entry says: nothing in it was measured here."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from genrezoo import __version__
from genrezoo.cards.front_matter import front_matter
from genrezoo.cards.run import CITATION
from genrezoo.report.style.markup import bullets, escaped, pipe_table

if TYPE_CHECKING:
    from genrezoo.weights import Weights


def weights_card(weights: Weights) -> str:
    """The card of published weights.

    Args:
        weights: Their entry.
    """
    blocks = [
        f"# {weights.name}",
        f"{escaped(weights.summary)}. Trained weights of the model `{weights.model}` of genrezoo.",
        "## What it reads",
        bullets(_reads(weights)),
        "## Labels",
        *_labels(weights),
        "## How to use it",
        *_usage(weights),
        "## Training",
        bullets(_training(weights)),
        "## Results",
        _results(weights),
        "## Limits and cautions",
        bullets(_cautions(weights)),
        "## Citation",
        f"Please cite {escaped(weights.reference)}; and genrezoo, which serves the weights:",
        CITATION.format(version=__version__),
    ]
    return front_matter(_front(weights)) + "\n" + "\n\n".join(blocks) + "\n"


def _front(weights: Weights) -> dict[str, Any]:
    music = not _of_images(weights) or bool(weights.genres)
    task = "audio-classification" if music else "image-classification" if weights.labels else "image-feature-extraction"
    return {
        "license": weights.licence.lower(),
        "library_name": "keras",
        "pipeline_tag": task,
        "tags": ["genrezoo", "keras", *(["music", "music-tagging"] if music else []), weights.model],
    }


def _of_images(weights: Weights) -> bool:
    return len(weights.input_shape) == 3


def _reads(weights: Weights) -> list[str]:
    axes = "height, width, channels" if _of_images(weights) else "segments, features"
    shape = " x ".join("any" if size is None else str(size) for size in weights.input_shape)
    settings = ", ".join(f"{name} = {json.dumps(value)}" for name, value in weights.features.items())
    return [f"input: {shape} ({axes})", f"features: {settings or 'not stated'}; settings left out have their defaults"]


def _labels(weights: Weights) -> list[str]:
    if not weights.labels:
        return ["There are none: the output layer is not among the weights."]
    scores = {"sigmoid": "a score from 0 to 1 by itself", "softmax": "a probability; they sum to 1"}
    found = [f"{len(weights.labels):,} labels, each with {scores[weights.activation]}."]
    ordered = [weights.labels[place] for place in weights.order]
    genres, others = ordered[: len(weights.genres)], ordered[len(weights.genres) :]
    for kind, names in (("Genres", genres), ("Labels that are no genres", others)):
        if names and all(re.fullmatch(r"class \d+", name) for name in names):
            source = weights.trained_on.partition(":")[0]
            found.append(f"{kind}: {len(names):,} classes, numbered as in {escaped(source)}.")
        elif names:
            found.append(f"{kind}: {', '.join(map(escaped, names))}.")
    return found


def _usage(weights: Weights) -> list[str]:
    shell = f"genrezoo weights fetch {weights.name}"
    if weights.genres:
        shell += f"\ngenrezoo predict {weights.name} song.mp3"
    shape = ", ".join(map(str, weights.input_shape))
    return [
        f"```bash\n{shell}\n```",
        "To train it further, here for 10 genres:",
        "```python\n"
        "import genrezoo as gz\n\n"
        f'model = gz.create_model("{weights.model}", ({shape}), 10, weights="{weights.name}")\n'
        "```",
    ]


def _training(weights: Weights) -> list[str]:
    source = weights.source
    options = ", ".join(f"{name} = {json.dumps(value)}" for name, value in weights.arguments.items())
    return [
        f"trained on: {weights.trained_on}",
        f"options of the model: {options or 'the defaults'}",
        f"source: {'a file of your own' if source is None else source.file}, {weights.size:,} bytes as it is read",
        f"sha256 of the weights: {weights.weights_sha256 or 'that of the source'}",
    ]


def _results(weights: Weights) -> str:
    if not weights.reported:
        return "The reference reports none, and none were measured here."
    rows = [[escaped(name), escaped(value)] for name, value in weights.reported.items()]
    return f"As the reference reports them; they were not measured here.\n\n{pipe_table(['Metric', 'Value'], rows, 1)}"


def _cautions(weights: Weights) -> list[str]:
    found = [f"songs in common with {data}: {text}" for data, text in weights.overlaps.items()]
    if _of_images(weights) and not weights.genres:
        found.append("the weights were learnt from images and know nothing of music until they are trained further")
    if weights.genres:
        found.append("it knows its labels alone, and scores them whatever it is given: speech and silence too")
    return [*found, f"licence of the weights: {weights.licence}"]
