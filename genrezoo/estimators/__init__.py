"""Recipes as classifiers of scikit-learn: one for features, one for audio files.

Choose them for a pipeline, a grid search or cross-validation of scikit-learn. Otherwise choose `genrezoo.train`, which
keeps a run folder, resumes interrupted trainings, and evaluates test songs.
"""

from genrezoo.estimators.audio import AudioGenreClassifier
from genrezoo.estimators.features import GenreClassifier

__all__ = ["AudioGenreClassifier", "GenreClassifier"]
