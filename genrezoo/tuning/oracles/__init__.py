"""Oracles: who chooses the points of a search. KerasTuner's do, each question put to a fresh one made of the trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from genrezoo.errors import SettingsError, UnknownNameError, first_problem
from genrezoo.tuning.oracles.base import Options, Oracle, Suggestion
from genrezoo.tuning.oracles.bayesian import BayesianOptions, BayesianOracle
from genrezoo.tuning.oracles.grid import GridOptions, GridOracle
from genrezoo.tuning.oracles.hyperband import HyperbandOptions, HyperbandOracle
from genrezoo.tuning.oracles.points import grid_size
from genrezoo.tuning.oracles.random import RandomOptions, RandomOracle

__all__ = ["TUNERS", "Oracle", "Suggestion", "grid_size", "make_oracle", "tuner_options"]

_KINDS: dict[str, tuple[type[Options], Any]] = {
    "bayesian": (BayesianOptions, BayesianOracle),
    "grid": (GridOptions, GridOracle),
    "hyperband": (HyperbandOptions, HyperbandOracle),
    "random": (RandomOptions, RandomOracle),
}
TUNERS = tuple(_KINDS)


def tuner_options(name: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All options of a tuner as plain data, those not given by their defaults.

    Args:
        name: ``"bayesian"``, ``"grid"``, ``"hyperband"`` or ``"random"``.
        options: Those that differ.

    Raises:
        UnknownNameError: No such tuner.
        SettingsError: An unknown option, or a value out of its range.

    Example:
        >>> tuner_options("hyperband", {"factor": 4})
        {'factor': 4, 'iterations': None}
    """
    return _options(name, options or {}).model_dump()


def make_oracle(
    name: str,
    template: Any,
    *,
    seed: int,
    max_trials: int | None,
    max_epochs: int | None,
    options: Mapping[str, Any],
    earlier: Sequence[Sequence[tuple[dict[str, Any], float]]] = (),
) -> Oracle:
    """An oracle that chooses the points of a search.

    Args:
        name: Of the tuner (see `tuner_options`).
        template: ``keras_tuner.HyperParameters`` with all hyperparameters registered, conditional ones too.
        seed: Of all its draws; 0 is a seed like others.
        max_trials: Budget of the search, None without.
        max_epochs: Epochs of a whole training, for Hyperband.
        options: See `tuner_options`.
        earlier: Of each earlier search on similar data its points with their scores, to be made large, for the Bayesian
            search; points that do not lie in the space must not be among them.

    Raises:
        UnknownNameError: No such tuner.
        SettingsError: An unknown option or a value out of range, a grid too large without a budget, or Hyperband
            without epochs.
    """
    checked = _options(name, options)
    oracle: Oracle = _KINDS[name][1](
        template, seed=seed, max_trials=max_trials, max_epochs=max_epochs, options=checked, earlier=earlier
    )
    return oracle


def _options(name: str, options: Mapping[str, Any]) -> Options:
    if name not in _KINDS:
        raise UnknownNameError("tuner", name, _KINDS)
    try:
        return _KINDS[name][0](**options)
    except ValidationError as error:
        raise SettingsError(f"{name}: {first_problem(error)}") from error
