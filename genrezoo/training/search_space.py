"""Search spaces of training by gradient descent, on which the procedures' spaces build.

They are small on purpose: a search of some tens of trials covers little of ten dimensions. Users can add any other
setting.
"""

from __future__ import annotations

from typing import Any

from genrezoo.spaces import Choice, Float, Int, Space

PACE: Space = {
    "learning_rate": Float(3e-5, 3e-2, sampling="log"),
    "batch_size": Int(16, 128, sampling="log"),
}
"""The most important settings of gradient descent: learning rate and batch size."""

TRAINING: Space = {
    **PACE,
    "optimizer": Choice(("adam", "adamw")),  # Adam with weight decay is AdamW: the choice is whether there is any
    "weight_decay": Float(1e-5, 1e-1, sampling="log", when={"optimizer": ("adamw",)}),
    "schedule": Choice((None, "cosine")),
    "noise": Float(0.0, 0.5),
    "mixup": Float(0.0, 0.4),
}
"""Learning rate and batch size, the optimiser with its weight decay, the schedule, and augmentation."""

SMALL_SETS: dict[str, Any] = {
    "average": [None, "ema", "swa"],
    "label_smoothing": {"min": 0.0, "max": 0.2},
    "time_mask": {"min": 0, "max": 3},
    "feature_mask": {"min": 0, "max": 8},
}
"""Settings that may help on a few hundred songs with more segments and features than the masks cover:
``gz.tune("attention_pool", songs, space=SMALL_SETS, …)``."""
