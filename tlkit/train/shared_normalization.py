"""Batch normalization over the rows of all workers, with one message forwards and one backwards for each layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def normalization_of_all(
    layer: Any, total: Callable[[Any], Any], keeps: Callable[[], bool] = lambda: True
) -> Callable[..., Any]:
    """Return what a layer's ``call`` does in training, with the mean and variance of all workers' rows.

    Keras's ``synchronized`` sends three messages forwards and two backwards, and takes the variance as E(x²) − E(x)²,
    which loses digits where the mean is large. Here one message has all sums, of x less the moving mean, which every
    worker has and which is near the mean.

    Args:
        layer: a ``BatchNormalization`` that trains, without renormalization.
        total: returns the sum of a tensor over all workers, through which gradients flow.
        keeps: returns whether the moving statistics are to be changed here; they are the same for all.
    """
    plain = layer.call

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training or mask is not None:
            return plain(inputs, training=training, mask=mask)
        x = tf.cast(inputs, tf.float32)
        center = tf.identity(layer.moving_mean.value)
        axis = layer.axis % len(x.shape)
        others = [each for each in range(len(x.shape)) if each != axis]
        shape = [-1 if each == axis else 1 for each in range(len(x.shape))]
        shifted = x - tf.reshape(center, shape)
        channels = int(center.shape[0])
        count = tf.cast(tf.size(x) // channels, tf.float32)
        sums = [tf.reduce_sum(shifted, others), tf.reduce_sum(tf.square(shifted), others), count[None]]
        shift, square, count = tf.split(total(tf.concat(sums, 0)), [channels, channels, 1])
        shift, square = shift / count, square / count
        mean, variance = center + shift, tf.maximum(square - tf.square(shift), 0.0)
        moved = ((layer.moving_mean, mean), (layer.moving_variance, variance)) if keeps() else ()
        for moving, value in moved:
            moving.assign(moving * layer.momentum + value * (1.0 - layer.momentum))
        gamma, beta = (None if each is None else tf.cast(each, tf.float32) for each in (layer.gamma, layer.beta))
        outputs = keras.ops.batch_normalization(x, mean, variance, axis, beta, gamma, layer.epsilon)
        return tf.cast(outputs, layer.compute_dtype)

    return call
