"""Data augmentation of training songs: noise, time shift, dropped segments, masking and mixup.

Each is a function of a batch and a seed, so that an epoch can be repeated exactly. Padding (NaN) stays padding.
"""

from __future__ import annotations

from typing import Any

from genrezoo.training.settings import TrainingSettings

Tensors = dict[str, Any]


def augment(x: Any, settings: TrainingSettings, seed: Any) -> Any:
    """Augments each song of a batch independently.

    Args:
        x: ``(batch, segments, features)`` TensorFlow tensor, standardised, padding as NaN.
        settings: ``noise``, ``time_shift``, ``segment_dropout``, ``time_mask``, ``feature_mask`` and ``masks`` are
            used; a setting of 0 changes nothing.
        seed: Two integers as a tensor; the same seed gives the same changes.

    Returns:
        The same shape.

    Example:
        >>> import tensorflow as tf
        >>> songs = tf.constant([[[1.0], [2.0], [3.0], [float("nan")]]])
        >>> sorted(augment(songs, TrainingSettings(time_shift=1), tf.constant([1, 2]))[0, :3, 0].numpy().tolist())
        [1.0, 2.0, 3.0]
    """
    import tensorflow as tf  # here, because nothing else needs it on other backends

    if settings.time_shift:
        x = shift(x, settings.time_shift, seed)
    if settings.segment_dropout:
        kept = tf.random.stateless_uniform(tf.shape(x)[:2], seed + [0, 1]) >= settings.segment_dropout
        x = tf.where(tf.logical_or(kept[..., None], tf.math.is_nan(x)), x, tf.zeros_like(x))
    if settings.noise:
        x += tf.random.stateless_normal(tf.shape(x), seed + [0, 2], stddev=settings.noise)
    if settings.time_mask or settings.feature_mask:  # last, so that what is masked tells nothing
        x = cut_out(x, settings.time_mask, settings.feature_mask, settings.masks, seed)
    return x


def cut_out(x: Any, time_mask: int, feature_mask: int, masks: int, seed: Any) -> Any:
    """Sets runs of segments and runs of neighbouring features of each song to zero, which is the mean.

    The length of a run is drawn uniformly from 0 to the maximum, and its position uniformly within the song's real
    segments or within the features; at least one segment or feature lies outside each run. Runs may overlap.

    Args:
        x: ``(batch, segments, features)`` TensorFlow tensor, standardised, padding as NaN.
        time_mask: Longest run of segments.
        feature_mask: Longest run of features.
        masks: Number of runs of each kind.
        seed: Two integers as a tensor; the same seed gives the same masks.

    Returns:
        The same shape.

    Example:
        >>> import tensorflow as tf
        >>> songs = tf.ones((1, 50, 4))
        >>> masked = cut_out(songs, 0, 2, 1, tf.constant([1, 2])).numpy()
        >>> masked[0, 0].tolist()
        [1.0, 1.0, 1.0, 0.0]

    Reference:
        D. S. Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition",
        Interspeech 2019, section 2.
    """
    import tensorflow as tf  # here, because nothing else needs it on other backends

    padding = tf.math.is_nan(x)
    lengths = tf.reduce_sum(tf.cast(~padding[..., 0], tf.int32), axis=1)
    in_time = _runs(lengths, tf.shape(x)[1], time_mask, masks, seed + [0, 6])
    in_features = _runs(tf.fill(tf.shape(lengths), tf.shape(x)[2]), tf.shape(x)[2], feature_mask, masks, seed + [0, 7])
    hidden = tf.logical_or(in_time[:, :, None], in_features[:, None, :])
    return tf.where(tf.logical_and(hidden, ~padding), tf.zeros_like(x), x)


def _runs(sizes: Any, places: Any, longest: int, count: int, seed: Any) -> Any:
    """Tells which positions of each song, ``(batch, places)``, lie in one of ``count`` runs in the first ``sizes``."""
    import tensorflow as tf  # here, because nothing else needs it on other backends

    def whole(fraction: Any, most: Any) -> Any:
        """Draws uniformly from 0 to ``most``."""
        return tf.cast(tf.floor(fraction * tf.cast(most + 1, tf.float32)), tf.int32)

    sizes = sizes[:, None]
    draw = tf.random.stateless_uniform([tf.shape(sizes)[0], count, 2], seed)
    width = whole(draw[..., 0], tf.maximum(tf.minimum(longest, sizes - 1), 0))  # (batch, count)
    start = whole(draw[..., 1], sizes - width)
    place = tf.range(places)[None, None]
    inside = tf.logical_and(place >= start[..., None], place < (start + width)[..., None])
    return tf.reduce_any(inside, axis=1)


def shift(x: Any, most: int, seed: Any) -> Any:
    """Rotates each song within its real segments by a number of segments drawn from ``-most`` to ``most``.

    Args:
        x: ``(batch, segments, features)`` TensorFlow tensor, padding as NaN.
        most: Largest shift in segments.
        seed: Two integers as a tensor; the same seed gives the same shifts.

    Returns:
        The same shape.

    Example:
        >>> import tensorflow as tf
        >>> songs = tf.constant([[[1.0], [2.0], [float("nan")]]])
        >>> sorted(shift(songs, 1, tf.constant([1, 2]))[0, :2, 0].numpy().tolist())
        [1.0, 2.0]
    """
    import tensorflow as tf  # here, because nothing else needs it on other backends

    places = tf.range(tf.shape(x)[1])[None]  # (1, segments)
    lengths = tf.reduce_sum(tf.cast(~tf.math.is_nan(x[..., 0]), tf.int32), axis=1)[:, None]
    by = tf.random.stateless_uniform([tf.shape(x)[0], 1], seed, -most, most + 1, dtype=tf.int32)
    source = tf.where(places < lengths, (places - by) % tf.maximum(lengths, 1), places)
    return tf.gather(x, source, batch_dims=1)


def mix(batch: Tensors, weight: Any, partner: Any) -> Tensors:
    """Mixes each song, its targets and its weights with those of a partner.

    Where one song of a pair is padding and the other is not, padding counts as zero, the mean.

    Args:
        batch: Tensors whose first axis is the batch.
        weight: Weight of the song itself in its mixture, in [0, 1].
        partner: ``(batch,)`` integers: the index of each song's partner.

    Returns:
        The same tensors, mixed.

    Example:
        >>> import tensorflow as tf
        >>> mix({"x": tf.constant([[1.0], [3.0]])}, weight=0.75, partner=tf.constant([1, 0]))["x"].numpy().tolist()
        [[1.5], [2.5]]

    Reference:
        H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
    """
    import tensorflow as tf  # here, because nothing else needs it on other backends

    def mixed(own: Any) -> Any:
        other = tf.gather(own, partner)
        both = tf.logical_and(tf.math.is_nan(own), tf.math.is_nan(other))
        parts = [tf.where(tf.math.is_nan(part), tf.zeros_like(part), part) for part in (own, other)]
        return tf.where(both, own, weight * parts[0] + (1 - weight) * parts[1])

    return {name: mixed(value) for name, value in batch.items()}


def draw_mixture(size: Any, alpha: float, seed: Any) -> tuple[Any, Any]:
    """Draws one weight from Beta(alpha, alpha), and a partner for each of ``size`` songs."""
    import tensorflow as tf  # here, because nothing else needs it on other backends

    partner = tf.argsort(tf.random.stateless_uniform([size], seed + [0, 4]))
    # From two gamma numbers in logarithms: those of a small alpha are too small for float32.
    gamma = tf.random.stateless_gamma((2,), seed + [0, 3], alpha=alpha + 1)
    uniform = tf.random.stateless_uniform((2,), seed + [0, 5])
    one, other = tf.unstack(tf.math.log(gamma) + tf.math.log1p(-uniform) / alpha)
    return tf.sigmoid(one - other), partner
