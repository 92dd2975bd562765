"""Random changes of training songs: noise, shift in time, dropped segments, mixtures.

Each is a function of a batch and a seed, so that an epoch can be repeated exactly. Padding (NaN) stays padding.
"""

from __future__ import annotations

from typing import Any

from genrezoo.training.settings import TrainingSettings

Tensors = dict[str, Any]


def augment(x: Any, settings: TrainingSettings, seed: Any) -> Any:
    """Changes each song of a batch by itself.

    Args:
        x: ``(batch, segments, features)`` TensorFlow tensor, standardised, padding as NaN.
        settings: ``noise``, ``time_shift`` and ``segment_dropout`` of it are used; what is 0 changes nothing.
        seed: Two integers as a tensor; the same ones give the same changes.

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
    return x


def shift(x: Any, most: int, seed: Any) -> Any:
    """Each song rotated within its real segments by a number drawn from ``-most`` to ``most``.

    Args:
        x: ``(batch, segments, features)`` TensorFlow tensor, padding as NaN.
        most: Segments.
        seed: Two integers as a tensor; the same ones rotate by the same numbers.

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
        weight: Weight of a song itself in its mixture, in [0, 1].
        partner: ``(batch,)`` integers: the place of each song's partner.

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
    """One weight from Beta(alpha, alpha), and a partner for each of ``size`` songs."""
    import tensorflow as tf  # here, because nothing else needs it on other backends

    partner = tf.argsort(tf.random.stateless_uniform([size], seed + [0, 4]))
    # From two gamma numbers in logarithms: those of a small alpha are too small for float32.
    gamma = tf.random.stateless_gamma((2,), seed + [0, 3], alpha=alpha + 1)
    uniform = tf.random.stateless_uniform((2,), seed + [0, 5])
    one, other = tf.unstack(tf.math.log(gamma) + tf.math.log1p(-uniform) / alpha)
    return tf.sigmoid(one - other), partner
