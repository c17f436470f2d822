"""The moving average of a phase's weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


class WeightAverage:
    """An exponential moving average of variables (Polyak and Juditsky 1992, doi:10.1137/0330046).

    The momentum of step n is at most (1 + n) / (10 + n), as in TensorFlow's ``ExponentialMovingAverage``, so that the
    first weights are soon forgotten. Moving statistics of BatchNormalization are left out: they are averages already.

    Args:
        variables: the Keras variables that a phase trains.
        momentum: the share of the average that remains after a step, in 0-1.
    """

    def __init__(self, variables: Sequence[Any], momentum: float) -> None:
        self._values = [variable.value for variable in variables]
        self._averages = [tf.Variable(value, trainable=False) for value in self._values]
        self._steps = tf.Variable(0.0, trainable=False)
        self._momentum = momentum

    def update(self) -> None:
        """Add the current values of the variables; may be called inside a ``tf.function``."""
        steps = self._steps.assign_add(1.0)
        momentum = tf.minimum(self._momentum, (1.0 + steps) / (10.0 + steps))
        for average, value in zip(self._averages, self._values, strict=True):
            average.assign_sub(tf.cast(1.0 - momentum, average.dtype) * (average - value))

    @property
    def variables(self) -> list[Any]:
        """The whole state: the number of steps and the averages."""
        return [self._steps, *self._averages]

    def swap(self) -> None:
        """Exchange the variables and their averages; a second call exchanges them back."""
        for average, value in zip(self._averages, self._values, strict=True):
            before = tf.identity(value)
            value.assign(average)
            average.assign(before)
