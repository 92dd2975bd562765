"""Oracles: who chooses the points of a search. KerasTuner's do; a new one, made from the trials, is asked each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genrezoo.errors import SettingsError, check_known, checked
from genrezoo.tuning.oracles.base import Options, Oracle, Suggestion
from genrezoo.tuning.oracles.bayesian import BayesianOptions, BayesianOracle
from genrezoo.tuning.oracles.grid import GridOracle, grid_size
from genrezoo.tuning.oracles.hyperband import HyperbandOptions, HyperbandOracle
from genrezoo.tuning.oracles.random import RandomOracle
from genrezoo.tuning.space import Point, Space

__all__ = ["TUNERS", "Oracle", "Suggestion", "grid_size", "make_oracle", "tuner_options"]

_KINDS: dict[str, tuple[type[Options], Any]] = {
    "bayesian": (BayesianOptions, BayesianOracle),
    "grid": (Options, GridOracle),
    "hyperband": (HyperbandOptions, HyperbandOracle),
    "random": (Options, RandomOracle),
}
TUNERS = tuple(_KINDS)


def tuner_options(name: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All options of a tuner as plain data, defaults filled in.

    Args:
        name: ``"bayesian"``, ``"grid"``, ``"hyperband"`` or ``"random"``.
        options: Those that differ from the defaults.

    Raises:
        UnknownNameError: No tuner has that name.
        SettingsError: An unknown option, or a value out of its range.

    Example:
        >>> tuner_options("hyperband", {"factor": 4})
        {'factor': 4, 'iterations': None}
    """
    return _options(name, options or {}).model_dump()


def make_oracle(
    name: str,
    space: Space,
    *,
    seed: int,
    max_trials: int | None,
    max_epochs: int | None,
    options: Mapping[str, Any],
    earlier: Sequence[Sequence[tuple[Point, float]]] = (),
) -> Oracle:
    """An oracle that chooses the points of a search.

    Args:
        name: Name of the tuner (see `tuner_options`).
        space: What is searched.
        seed: Seed of all its draws; 0 is a seed like others.
        max_trials: Budget of the search, None without.
        max_epochs: Epochs of a whole training, for Hyperband.
        options: See `tuner_options`.
        earlier: For the Bayesian search, of each earlier search on similar data its points that lie in the space, with
            their scores; larger is better.

    Raises:
        UnknownNameError: No tuner has that name.
        SettingsError: An unknown option or a value out of range, a grid too large without a budget, or Hyperband
            without epochs.
    """
    checked = _options(name, options)
    oracle: Oracle = _KINDS[name][1](
        space, seed=seed, max_trials=max_trials, max_epochs=max_epochs, options=checked, earlier=earlier
    )
    return oracle


def _options(name: str, options: Mapping[str, Any]) -> Options:
    check_known("tuner", [name], _KINDS)
    return checked(lambda: _KINDS[name][0](**options), lambda what: SettingsError(f"{name}: {what}"))
