"""The card of a run: what it is, reads and knows, how good it is and where not to trust it, as the Hub shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genrezoo.cards.front_matter import front_matter
from genrezoo.report.run import tables
from genrezoo.report.run.results import METRICS, Result, cautions_of, results_of, stored_split
from genrezoo.report.run.song_facts import SongFacts, song_facts
from genrezoo.report.style.captions import PROVENANCE
from genrezoo.report.style.markup import bullets, column_table, escaped, pipe_table
from genrezoo.report.style.number_format import count, duration, plain

if TYPE_CHECKING:
    from genrezoo.runs import Run

MOST_COLUMNS = 25
"""Genres of the largest confusion matrix that a card shows."""

HUB_METRICS = dict(zip(METRICS, ("accuracy", "f1", "log_loss", "expected_calibration_error"), strict=True))
CITATION = """```bibtex
@software{{genrezoo,
  title = {{genrezoo: a Keras zoo of music genre classifiers}},
  author = {{{{genrezoo developers}}}},
  version = {{{version}}},
  license = {{MIT}}
}}
```"""


GENERAL = (
    "The genre of a song is a judgement. Labels contain errors, and listeners from elsewhere would choose others.",
    "Songs of another origin, encoding or loudness than those that it was trained on may be recognised worse.",
)
"""Cautions that hold for every classifier of genres."""


def run_card(run: Run, *, pretrained: Mapping[str, str], licence: str | None) -> str:
    """The card of a run, from its own card and stored predictions.

    Args:
        run: The run.
        pretrained: Weights from elsewhere that it rests on, by name: what is known of them.
        licence: Short name of the licence of the weights; None if none is stated.

    Raises:
        DataError: A file of the run is damaged.
    """
    facts = song_facts(run)
    split, stored = stored_split(run)
    metrics = run.evaluate(split)
    results = results_of(metrics, stored)
    recipe, songs = run.card.recipe, escaped(facts.name)
    cautions = [*_general(run, licence), *cautions_of(run, split)]
    cautions += [f"It rests on the weights {name}, which have learnt from other songs. {pretrained[name]}"
                 for name in pretrained]  # fmt: skip
    blocks = [
        f"# {recipe.name} on {songs}",
        f"A classifier of music genres: the recipe `{recipe.name}` of genrezoo, trained on the songs {songs}. "
        f"{escaped(recipe.summary)}. Its accuracy on {plain(len(stored['y']))} {split} songs is {results[0].shown} %, "
        f"with a 95 % interval of {results[0].bounds}.",
        "## What it reads",
        bullets(_reads(run, facts)),
        *_features(facts),
        "## Genres",
        f"{len(run.genres)} genres, in the order of the probabilities: {', '.join(map(escaped, run.genres))}.",
        "## How to use it",
        *_usage(run, facts),
        "## Training",
        bullets(_training(run, facts)),
        *_settings({**recipe.arguments, **recipe.settings}),
        "## Results",
        *_results(run, split, results, metrics),
        "## Limits and cautions",
        bullets(cautions),
        *_members(run),
        "## Citation",
        f"Please cite the reference of the recipe ({escaped(recipe.reference)}) and genrezoo:",
        CITATION.format(version=escaped(_versions(run).get("genrezoo", ""))),
    ]
    return front_matter(_front(run, facts, split, results, licence)) + "\n" + "\n\n".join(blocks) + "\n"


def _front(run: Run, facts: SongFacts, split: str, results: Sequence[Result], licence: str | None) -> dict[str, Any]:
    """What the Hub reads: its names for the task, the licence, the songs and the metrics."""
    name, recipe = facts.name, run.card.recipe
    source = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:40].strip("._-") or "songs"  # the Hub refuses other letters
    dataset = {
        "type": source,
        "name": f"{name} ({facts.provenance or 'unknown'} split)",
        "split": split,
        "args": {"provenance": facts.provenance, "checksum": facts.checksum},
    }
    metrics = [
        {
            "type": HUB_METRICS[one.metric],
            "name": METRICS[one.metric].title.partition(" (")[0],
            "value": one.value,
            "args": {"confidence": 0.95, "interval": [one.low, one.high]},
        }
        for one in results
    ]
    task = {"type": "audio-classification", "name": "Music genre recognition"}
    return {
        "license": licence.lower() if licence else "other",
        "license_name": None if licence else "not-stated",
        "library_name": "keras",
        "pipeline_tag": "audio-classification",
        "tags": ["genrezoo", "keras", "music", "music-genre-recognition", recipe.model],
        "datasets": [source],
        "metrics": list(HUB_METRICS.values()),
        "model-index": [
            {"name": f"{recipe.name} on {name}", "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}
        ],
    }


def _reads(run: Run, facts: SongFacts) -> list[str]:
    """The form of its input, one fact an item."""
    card, recipe = run.card, run.card.recipe
    if facts.kind == "image":
        found = [f"a song is an image of {' x '.join(map(str, card.input_shape))} (height, width, channels)"]
    else:
        found = [f"a song is a number of segments with {facts.features or card.input_shape[-1]} features each"]
        if facts.lengths:
            least, _, most = facts.lengths
            found.append(f"it was trained on songs of {least if least == most else f'{least} to {most}'} segments")
    if recipe.chunks:
        found.append(
            f"songs are cut into chunks of {recipe.chunks.segments} segments, a new one every {recipe.chunks.hop}; "
            f"a song's answer is the {recipe.chunks.rule} of those of its chunks"
        )
    if recipe.features:
        found.append(f"of the features it uses the groups {', '.join(recipe.features)}")
    if recipe.standardise:
        transform = f", transformed by {recipe.transform}" if recipe.transform else ""
        found.append(f"features are standardised by the training songs' mean and deviation{transform}: pass them raw")
    if card.temperature is not None:
        found.append(f"its probabilities are calibrated by the temperature {card.temperature:.3g}")
    return found


def _features(facts: SongFacts) -> list[str]:
    settings = facts.about.features
    if not settings:
        return ["The songs came as features: the run does not know how they were computed from audio."]
    rows = [[escaped(name), escaped(json.dumps(value))] for name, value in settings.items()]
    return ["The features are computed from audio with these settings:", pipe_table(["setting", "value"], rows, 2)]


def _usage(run: Run, facts: SongFacts) -> list[str]:
    segments, features = run.card.input_shape[0], run.card.input_shape[-1]
    image = facts.kind == "image"
    shape = run.card.input_shape if image else (facts.segments or segments, facts.features or features)
    axes = "height, width, channels" if image else "segments, features"
    sizes = ", ".join(map(str, shape))
    found = [
        "In the folder that holds this card:",
        "```python\n"
        "import numpy as np\n"
        "import genrezoo as gz\n\n"
        'run = gz.load_run(".")\n'
        f"song = np.zeros(({sizes}), np.float32)  # {axes}: put the features of a song here\n"
        "probabilities = dict(zip(run.genres, run.predict(song)[0].tolist()))\n"
        "```",
    ]
    if facts.about.features:
        found += ["Audio files are read directly:", "```bash\ngenrezoo predict . song.mp3\n```"]
    return found


def _training(run: Run, facts: SongFacts) -> list[str]:
    card, environment = run.card, run.card.environment
    sides = [name for name in ("train", "valid", "test") if name in facts.splits]
    sizes = ", ".join(f"{plain(facts.splits[name])} {name}" for name in sides)
    listed = ", ".join(f"{name} {version}" for name, version in _versions(run).items())
    return [
        f"recipe: {card.recipe.name} ({card.recipe.reference})",
        f"model: {card.recipe.model}, {count(card.parameters)} parameters",
        f"procedure: {card.recipe.procedure}, seed {card.seed}",
        f"epochs: {card.epochs} in {duration(card.train_seconds)}; the weights are those of epoch {card.best_epoch}",
        f"songs: {sizes}; {PROVENANCE.get(facts.provenance or '', 'the origin of the split is not known')}",
        f"checksum of songs and split: {facts.checksum}",
        f"versions: Python {environment.get('python')}, {listed}",
        f"processor: {environment.get('processor')}, threads: {environment.get('threads')}",
        f"sha256 of the weights: {card.weights_sha256}",
    ]


def _versions(run: Run) -> dict[str, Any]:
    found = run.card.environment.get("versions")
    return found if isinstance(found, dict) else {}


def _settings(stated: Mapping[str, Any]) -> list[str]:
    if not stated:
        return ["All options of the model and of the procedure have their defaults."]
    rows = [[escaped(name), escaped(json.dumps(value))] for name, value in stated.items()]
    return [pipe_table(["option", "value"], rows, 2), "Options that are not listed have their defaults."]


def _results(run: Run, split: str, results: Sequence[Result], metrics: Mapping[str, Any]) -> list[str]:
    found = [
        f"Of the {split} songs; the 95 % intervals are over songs drawn anew, not over other trainings.",
        pipe_table(["Metric", "Value", "95 % interval"], [[one.title, one.shown, one.bounds] for one in results], 1),
        "### By genre",
        column_table(tables.GENRES, tables.genre_rows(run.genres, metrics)),
        "### Confusion",
    ]
    if len(run.genres) > MOST_COLUMNS:
        return [*found, f"A table of {len(run.genres)} columns is not shown: `genrezoo evaluate .` prints it."]
    heads = ["songs of", *map(str, range(1, len(run.genres) + 1))]
    rows = [
        [f"{number}: {escaped(genre)}", *map(str, row)]
        for number, (genre, row) in enumerate(zip(run.genres, metrics["confusion"], strict=True), 1)
    ]
    return [*found, "Number of songs by genre (rows) and prediction (columns).", pipe_table(heads, rows, 1)]


def _general(run: Run, licence: str | None) -> list[str]:
    found = [
        f"It knows its {len(run.genres)} genres alone, and answers with one of them whatever it is given: speech and "
        "silence too.",
        *GENERAL,
    ]
    if licence is None:
        found.append("No licence is stated: ask whoever trained it before you use it.")
    return found


def _members(run: Run) -> list[str]:
    rows = []
    for name, member in run.card.recipe.members.items():
        made = f"{member.recipe.name} ({member.recipe.model})" if member.recipe else "stored logits"
        digests = ", ".join(digest[:16] for digest in member.weights_sha256)
        rows.append([escaped(name), escaped(made), digests])
    if not rows:
        return []
    about = "Models that it is made of, or that it has learnt from:"
    return ["## Members", about, pipe_table(["member", "recipe (model)", "sha256 of its weights begins"], rows, 3)]
