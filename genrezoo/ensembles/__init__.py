"""Ensembles of trained models, selected by their stored predictions for held-out songs."""

from genrezoo.ensembles.greedy import GreedyEnsemble, greedy_ensemble

__all__ = ["GreedyEnsemble", "greedy_ensemble"]
