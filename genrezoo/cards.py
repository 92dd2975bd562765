"""Model cards: a trained run or published weights described in Markdown, in the form of the Hugging Face Hub."""

from __future__ import annotations

import re
from pathlib import Path

from genrezoo.benchmarking import pretrained
from genrezoo.errors import SettingsError, UnknownNameError, check_type
from genrezoo.report.run.card import run_card
from genrezoo.report.run.song_facts import song_facts
from genrezoo.report.run.weights_card import weights_card
from genrezoo.runs import Run, load_run
from genrezoo.weights import WEIGHTS

__all__ = ["card"]

LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")


def card(run: Run | str | Path, *, licence: str | None = None) -> str:
    """Describes a run or published weights as a model card, which is what the README of an uploaded run folder shows.

    The card has a head for programs (YAML: licence, task, songs, metrics with 95 % intervals) and text for people: what
    the model reads, its genres, a snippet that runs it, how it was trained, its results by genre, and cautions. All is
    read from the card and the stored predictions of the run, without Keras.

    Args:
        run: A run, the path of its folder, or the name of published weights.
        licence: Short name of the licence of a run's weights, as ``"mit"`` or ``"cc-by-4.0"``; if left out, the card
            says that none is stated. Published weights have theirs.

    Returns:
        Markdown; write it as ``README.md`` into the run folder.

    Raises:
        UnknownNameError: There is neither such a folder nor such weights.
        SettingsError: ``licence`` is malformed, or given for published weights.
        DataError: The folder holds no run, or a file of it is damaged.

    Example:
        >>> text = card("vgg_tagger.msd")
        >>> text.splitlines()[:3]
        ['---', 'license: "isc"', 'library_name: "keras"']
    """
    check_type("run", run, (Run, str, Path), "a run, a run folder, or the name of published weights")
    if licence is not None and not LICENCE.fullmatch(licence):
        raise SettingsError(f"licence must be a short name such as 'mit' or 'cc-by-4.0', got {licence!r}")
    if not isinstance(run, Run):
        if not Path(run).exists():
            return _card_of_weights(str(run), licence)
        run = load_run(run)
    known = pretrained(song_facts(run).about.features, run.card.recipe)
    return run_card(run, pretrained=known, licence=licence)


def _card_of_weights(name: str, licence: str | None) -> str:
    if name not in WEIGHTS.names():
        raise UnknownNameError("run folder or weights", name, WEIGHTS.names())
    if licence is not None:
        raise SettingsError(f"the licence of {name} is known: leave `licence` out")
    return weights_card(WEIGHTS.get(name))
