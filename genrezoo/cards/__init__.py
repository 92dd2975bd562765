"""Model cards: a model, published weights or a run described in Markdown, in the form of the Hugging Face Hub."""

from __future__ import annotations

import re
from pathlib import Path

from genrezoo.benchmarking import pretrained
from genrezoo.cards.model import model_card
from genrezoo.cards.run import run_card
from genrezoo.cards.weights import weights_card
from genrezoo.errors import SettingsError, UnknownNameError, check_type
from genrezoo.registry import COMPOSITIONS, MODELS, find_builder
from genrezoo.report.run.song_facts import song_facts
from genrezoo.runs import Run, load_run
from genrezoo.weights import WEIGHTS

__all__ = ["card"]

LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")


def card(run: Run | str | Path, *, licence: str | None = None) -> str:
    """Describes a model, published weights or a run as a model card, as the page of an uploaded run folder shows it.

    The card of a run has a head for programs (YAML: licence, task, songs, metrics with 95 % intervals) and text for
    people: what the model reads, its genres, a snippet that runs it, how it was trained, its results by genre, and
    cautions. The card of a model that is not trained has its options, its recipes, and results of the benchmark. All is
    read from what is stored, without Keras.

    Args:
        run: A run, the path of its folder, or the name of published weights, a model or a composition.
        licence: Short name of the licence of a run's weights, as ``"mit"`` or ``"cc-by-4.0"``; if left out, the card
            says that none is stated. All others have theirs.

    Returns:
        Markdown; write that of a run as ``README.md`` into its folder.

    Raises:
        UnknownNameError: There is neither such a folder nor anything of that name.
        SettingsError: ``licence`` is malformed, or given for anything but a run.
        DataError: The folder holds no run, or a file of it is damaged.

    Example:
        >>> card("vgg_tagger.msd").splitlines()[:3]
        ['---', 'license: "isc"', 'library_name: "keras"']
        >>> [line for line in card("lstm").splitlines() if line.startswith("#")][:3]
        ['# lstm', '## When to choose it', '## What it reads']
    """
    check_type("run", run, (Run, str, Path), "a run, a run folder, or the name of a model or of published weights")
    if licence is not None and not LICENCE.fullmatch(licence):
        raise SettingsError(f"licence must be a short name such as 'mit' or 'cc-by-4.0', got {licence!r}")
    if not isinstance(run, Run):
        if not Path(run).exists() and len(Path(run).parts) == 1:
            return _card_by_name(str(run), licence)
        run = load_run(run)
    known = pretrained(song_facts(run).about.features, run.card.recipe)
    return run_card(run, pretrained=known, licence=licence)


def _card_by_name(name: str, licence: str | None) -> str:
    builders = [*MODELS.names(), *COMPOSITIONS.names()]
    if name not in (*WEIGHTS.names(), *builders):
        raise UnknownNameError("model, weights, file or folder", name, [*WEIGHTS.names(), *builders])
    if licence is not None:
        raise SettingsError(f"the licence of {name} is known: leave `licence` out")
    return model_card(find_builder(name)) if name in builders else weights_card(WEIGHTS.get(name))
