"""From audio files to genres over time.

`audio` has the public functions. `windows` combines a model's answers to the windows of a recording, for runs, exported
models and published weights alike. `audio_files` finds files and computes their features. `bulk` writes a table for any
number of files, which an interrupted command continues.
"""

from genrezoo.predict.audio import open_model, predict_audio, predict_samples
from genrezoo.predict.audio_files import audio_settings, find_audio
from genrezoo.predict.prediction import Prediction
from genrezoo.predict.windows import predict_features

__all__ = [
    "Prediction",
    "audio_settings",
    "find_audio",
    "open_model",
    "predict_audio",
    "predict_features",
    "predict_samples",
]
