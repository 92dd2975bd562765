"""Choice of a cascade's threshold on validation songs, for a target accuracy or speed."""

from __future__ import annotations

import time
from typing import Unpack

from pydantic import BaseModel, Field

from genrezoo.errors import SettingsError
from genrezoo.evaluation import evaluate
from genrezoo.lazy import keras, layers
from genrezoo.registry import PROCEDURES
from genrezoo.songs import SongSet
from genrezoo.spaces import Float
from genrezoo.training.fitted import Fitted, Options, epoch_record, forward
from genrezoo.training.trade_off import choose_threshold, trade_off


class CascadeThresholdSettings(BaseModel, frozen=True, extra="forbid"):
    """Target of the cascade on validation songs; by default the highest accuracy."""

    accuracy: float | None = Field(
        None, ge=0, le=1, description="Reach this accuracy and consult the teacher as seldom as possible."
    )
    fraction: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Be as accurate as possible and consult the teacher for at most this fraction of the songs.",
    )


@PROCEDURES.register(
    "cascade_threshold",
    summary="Exact choice of a cascade's threshold on validation songs, for a target accuracy or fraction of songs",
    reference="G. Pligoropoulos, Million Song Dataset Classification Problem (2017): further work",
    settings=CascadeThresholdSettings,
    space={"fraction": Float(0.0, 1.0, step=0.05)},
    by_gradient=False,
)
def cascade_threshold(
    model: keras.Model, songs: SongSet, settings: CascadeThresholdSettings, **options: Unpack[Options]
) -> Fitted:
    """Sets a cascade's threshold and leaves both of its models unchanged.

    Unlike every other procedure it uses only validation songs, so the validation accuracy in its history is that of the
    best of many points and therefore optimistic; evaluate on test songs.

    Args:
        model: A cascade with the outputs ``student`` and ``teacher``; its threshold is changed.
        songs: Standardised songs with splits ``train`` and ``valid``.
        settings: See `CascadeThresholdSettings`.
        options: See `Options`; ``on_epoch`` is called once, the others are not used.

    Returns:
        The model and a history of one record.

    Raises:
        SettingsError: The model is not a cascade, both targets are set, or no threshold reaches the accuracy.
    """
    cascades = [layer for layer in model.layers if isinstance(layer, layers.Cascade)]
    if len(cascades) != 1:
        raise SettingsError(f"expected a cascade, but {model.name!r} has {len(cascades)} cascade layers")
    if settings.accuracy is not None and settings.fraction is not None:
        raise SettingsError(f"pass accuracy or fraction, got {settings.accuracy} and {settings.fraction}")
    start = time.perf_counter()
    train, valid = songs.split("train"), songs.split("valid")
    found = forward(model, valid.x)
    curve = trade_off(found["student"], found["teacher"], valid.y)
    wanted = settings.accuracy
    if wanted is None and settings.fraction is None:
        # perhaps more than any threshold reaches: the student answers wherever it is the more certain one
        wanted = min(float((found["teacher"].argmax(axis=1) == valid.y).mean()), float(curve.accuracy.max()))
    point = choose_threshold(curve, accuracy=wanted, fraction=settings.fraction)
    cascades[0].threshold.assign(point.threshold)
    here, there = (evaluate(forward(model, part.x)["logits"], part.y) for part in (train, valid))
    record = epoch_record(1, start, 0.0, here["log_loss"], here["accuracy"], there)
    if on_epoch := options.get("on_epoch"):
        on_epoch(record)
    return Fitted(model, [record], 1)
