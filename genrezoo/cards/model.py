"""The card of a model of the zoo, before any training: what its builder, its recipes and the benchmark's rows say."""

from __future__ import annotations

import functools
import importlib.resources
import inspect
import json
import sys
from typing import Any

from genrezoo import __version__
from genrezoo.cards.docstrings import arguments_of, as_markdown, example_shape, introduction
from genrezoo.cards.front_matter import front_matter
from genrezoo.cards.run import CITATION, GENERAL, HUB_METRICS
from genrezoo.models import SHARED
from genrezoo.recipes import RECIPES, Recipe
from genrezoo.registry import Entry
from genrezoo.report.style.captions import RANDOM_SPLIT, SYNTHETIC
from genrezoo.report.style.markup import bullets, escaped, pipe_table
from genrezoo.spaces import describe
from genrezoo.weights import WEIGHTS


def model_card(entry: Entry) -> str:
    """The card of a model or composition.

    Args:
        entry: Its record.
    """
    recipes = [recipe for recipe in RECIPES.members() if recipe.model == entry.name]
    blocks = [
        f"# {entry.name}",
        f"{_capital(escaped(entry.summary))}.",
        introduction(entry.call),
        *_choice(entry),
        "## What it reads",
        bullets(_reads(entry)),
        "## How to use it",
        *_usage(entry, recipes),
        "## Options",
        _options(entry),
        *_recipes(recipes),
        "## Results",
        *_results(entry),
        "## Limits and cautions",
        bullets(_limits(entry)),
        "## Source",
        f"{entry.reference.rstrip('.')}. The code is `{entry.call.__module__}.{entry.call.__qualname__}`.",
        "## Citation",
        "Please cite the source and genrezoo:",
        CITATION.format(version=__version__),
    ]
    return front_matter(_front(entry)) + "\n" + "\n\n".join(blocks) + "\n"


def _front(entry: Entry) -> dict[str, Any]:
    own = entry.call.__module__.partition(".")[0] == __package__.partition(".")[0]
    _, measured = _measured(entry.name)
    return {
        "license": "mit" if own else "other",
        "license_name": None if own else "not-stated",
        "library_name": "keras",
        "pipeline_tag": "audio-classification",
        "tags": ["genrezoo", "keras", "music", "music-genre-recognition", entry.name],
        "datasets": list(dict.fromkeys(row[0] for row in measured)),
        "metrics": [HUB_METRICS["accuracy"], HUB_METRICS["macro_f1"]] if measured else [],
    }


def _choice(entry: Entry) -> list[str]:
    """What the module of the builder says below its title, which is of the whole family."""
    _, _, text = (sys.modules[entry.call.__module__].__doc__ or "").partition("\n\n")
    return ["## When to choose it", as_markdown(text)] if text.strip() else []


def _reads(entry: Entry) -> list[str]:
    if entry.expects == "image":
        found = ["input: a song is an image (height, width, channels), and all images have one size"]
    else:
        found = [
            "input: a song is a number of segments with the same features each (segments, features)",
            "length: one model reads songs of any number of segments"
            if entry.any_length
            else "length: a model reads the number of segments that it was built for; shorter songs are padded",
            "padding: values in padded segments have no influence on the prediction"
            if entry.masks_padding
            else "padding: padded segments are read like all others",
        ]
    if entry.members:
        listed = "two models or more, under any names" if entry.members == ("*",) else ", ".join(entry.members)
        found.append(f"members: {listed}; length and padding hold if they hold for each member")
    return [*found, "output: a logit for each genre; their softmax gives the probabilities"]


def _usage(entry: Entry, recipes: list[Recipe]) -> list[str]:
    found = []
    if not entry.members:
        shape = example_shape(entry.call) or ("(120, 25)" if entry.expects == "segments" else "(224, 224, 3)")
        found += [
            "This builds it as a Keras model with random weights, not compiled:",
            "```python\n"
            "import genrezoo as gz\n\n"
            f'model = gz.create_model("{entry.name}", {shape}, num_classes=10)\n'
            "```",
        ]
    if known := _known_weights(entry):
        found.append(f"There are trained weights, each with a card of their own: {', '.join(known)}.")
    if not recipes:
        return [*found, "No recipe trains it. Compile and fit the model, or write a recipe, see `gz.Recipe`."]
    name = next((recipe.name for recipe in recipes if recipe.name == entry.name), recipes[0].name)
    shell, about = f"genrezoo train {name} --data songs.npz --out runs/{name}", "This trains it on your songs"
    if not entry.members:
        shell += f"\ngenrezoo tune {name} --data songs.npz --max-trials 25 --out searches/{name}"
        about += ", and searches for better options"
    python = f'`gz.train("{name}", songs, out="runs/{name}")`'
    return [*found, f"{about}:", f"```bash\n{shell}\n```", f"In Python, {python} trains it."]


def _known_weights(entry: Entry) -> list[str]:
    return [f"`{weights.name}`" for weights in WEIGHTS.members() if weights.model == entry.name]


def _options(entry: Entry) -> str:
    said = {**SHARED, **arguments_of(entry.call)}
    rows = [
        [
            f"`{name}`",
            f"`{option.default!r}`",
            escaped(describe(entry.space[name])) if name in entry.space else "",
            said.get(name, ""),
        ]
        for name, option in inspect.signature(entry.call).parameters.items()
        if option.kind is option.KEYWORD_ONLY
    ]
    return pipe_table(["Option", "Default", "Searched", "Meaning"], [list(map(_cell, row)) for row in rows], 4)


def _recipes(recipes: list[Recipe]) -> list[str]:
    rows = [[f"`{one.name}`", one.summary, f"`{one.procedure}`", one.reference] for one in recipes]
    head = ["Recipe", "What it is", "Procedure", "Reference"]
    return ["## Recipes", pipe_table(head, [list(map(_cell, row)) for row in rows], 4)] if rows else []


def _results(entry: Entry) -> list[str]:
    heads, rows = _measured(entry.name)
    found = ["The repository has no results of this model by itself."]
    if rows:
        found = [
            "Measured on test songs, but for the validation accuracy. Intervals have 95 % confidence; those marked † "
            "are over the songs alone, not over trainings. Do not infer from them which model is better: the "
            "leaderboards of the documentation compare models in pairs.",
            pipe_table(heads, [list(map(escaped, (f"{data}, {form}", *cells))) for data, form, *cells in rows], 2),
        ]
    if entry.reported:
        listed = "; ".join(f"{escaped(name)} {escaped(value)}" for name, value in entry.reported.items())
        found.append(f"Reported by its source, on its own data, and not measured here: {listed}.")
    return found


@functools.cache
def _all_measured() -> Any:
    return json.loads((importlib.resources.files(__package__) / "measured.json").read_text(encoding="utf-8"))


def _measured(name: str) -> tuple[list[str], list[list[str]]]:
    """Headings, and of each measured recipe of a model the cells below them; the first is in two: data, and form."""
    content = _all_measured()
    return content["heads"], content["models"].get(name, [])


def _limits(entry: Entry) -> list[str]:
    found = ["Without training it knows no genre. How good it gets depends on the songs that it learns from.", *GENERAL]
    measured = {data: form for data, form, *_ in _measured(entry.name)[1]}
    found += [f"{data}: {RANDOM_SPLIT}" for data, form in measured.items() if form.endswith("random split")]
    if "synthetic" in measured:
        found.append(f"synthetic: {SYNTHETIC.format('models')}")
    if _known_weights(entry):
        found.append("Its trained weights may have learnt from songs of your test set: their cards say what is known.")
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cell(text: str) -> str:
    """Markdown inside a table."""
    return text.replace("|", "\\|")
