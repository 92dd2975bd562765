"""Ensembles of models that are trained already, selected by their stored predictions of held-out songs."""

from genrezoo.ensembles.greedy import GreedyEnsemble, greedy_ensemble

__all__ = ["GreedyEnsemble", "greedy_ensemble"]
