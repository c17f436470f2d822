"""Averages of weights over the steps of a phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


class WeightAverage:
    """An exponential moving average of variables (Polyak and Juditsky 1992, doi:10.1137/0330046).

    The momentum of step n is at most (1 + n) / (10 + n), as in TensorFlow's ``ExponentialMovingAverage``, so that the
    first weights are soon forgotten. Moving statistics of BatchNormalization are left out: they are averages already.

    Args:
        variables: Keras variables that a phase trains.
        momentum: share of the average that a step keeps, in 0-1.
    """

    def __init__(self, variables: Sequence[Any], momentum: float) -> None:
        self._values = [variable.value for variable in variables]
        self._averages = [tf.Variable(value, trainable=False) for value in self._values]
        self._steps = tf.Variable(0.0, trainable=False)
        self._momentum = momentum

    def update(self) -> None:
        """Take in the variables as they are; may be called inside a ``tf.function``."""
        steps = self._steps.assign_add(1.0)
        momentum = tf.minimum(self._momentum, (1.0 + steps) / (10.0 + steps))
        for average, value in zip(self._averages, self._values, strict=True):
            average.assign_sub(tf.cast(1.0 - momentum, average.dtype) * (average - value))

    @property
    def variables(self) -> list[Any]:
        """All of its state."""
        return [self._steps, *self._averages]

    def swap(self) -> None:
        """Exchange the variables and their averages; done again, it puts them back."""
        for average, value in zip(self._averages, self._values, strict=True):
            kept = tf.identity(value)
            value.assign(average)
            average.assign(kept)
