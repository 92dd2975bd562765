"""Search spaces of training by gradient descent, for the procedures' own spaces to build on.

Like those of the models they only call methods on what they are given, and know no tuner. They are small on purpose: a
search of some tens of trials sees little of ten dimensions. Any other setting can be added by who searches.
"""

from __future__ import annotations

from typing import Any


def pace_space(hp: Any) -> dict[str, Any]:
    """What every training by gradient descent depends on most: how large its steps are, and on how many songs each.

    Args:
        hp: KerasTuner's ``HyperParameters``, or what stands for it.

    Returns:
        Settings of the procedure.
    """
    return {
        "learning_rate": hp.Float("learning_rate", 3e-5, 3e-2, sampling="log", default=1e-3),
        "batch_size": hp.Int("batch_size", 16, 128, sampling="log", default=64),
    }


def training_space(hp: Any) -> dict[str, Any]:
    """The pace, the optimiser with its weight decay, the schedule, and songs changed at random.

    Adam with weight decay is AdamW, so that the choice of the two is whether there is any.

    Args:
        hp: KerasTuner's ``HyperParameters``, or what stands for it.

    Returns:
        Settings of the procedure; ``weight_decay`` only where the optimiser is AdamW.
    """
    settings = pace_space(hp)
    settings["optimizer"] = hp.Choice("optimizer", ["adam", "adamw"], default="adam")
    with hp.conditional_scope("optimizer", ["adamw"]):
        weight_decay = hp.Float("weight_decay", 1e-5, 1e-1, sampling="log", default=1e-2)
    if settings["optimizer"] == "adamw":
        settings["weight_decay"] = weight_decay
    schedule = hp.Choice("schedule", ["none", "cosine"], default="none")
    settings["schedule"] = None if schedule == "none" else schedule
    settings["noise"] = hp.Float("noise", 0.0, 0.5, default=0.0)
    settings["mixup"] = hp.Float("mixup", 0.0, 0.4, default=0.0)
    return settings
