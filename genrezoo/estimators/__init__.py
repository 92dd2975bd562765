"""Recipes as classifiers of scikit-learn: one for features, one for audio files.

Choose them where a pipeline, a grid search or cross-validation of scikit-learn is wanted. Elsewhere `genrezoo.train`
says more: it keeps a run folder, resumes, and measures test songs.
"""

from genrezoo.estimators.audio import AudioGenreClassifier
from genrezoo.estimators.features import GenreClassifier

__all__ = ["AudioGenreClassifier", "GenreClassifier"]
