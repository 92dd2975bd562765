"""From audio files to genres over time.

`audio` is where the public functions are; `windows` makes the answer to one recording of a model's answers to its
windows, for runs, exported models and published weights alike; `audio_files` finds files and computes their features;
`bulk` answers any number of files in a table that a killed command continues.
"""

from genrezoo.predict.audio import open_model, predict_audio, predict_samples, predict_sound
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
    "predict_sound",
]
