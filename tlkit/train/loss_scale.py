"""A factor on the loss that keeps small gradients within float16's range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


class LossScale:
    """Multiplies the loss before gradients are taken, and divides the gradients again (Micikevicius et al. 2018,
    arXiv:1710.03740).

    Where a gradient is too large for float16, the step is skipped and the scale is halved; after ``GROWTH_STEPS`` steps
    without that, the scale is doubled. At a scale of 1 no step is skipped, since the scale can't be the reason for
    gradients that are not finite.
    """

    GROWTH_STEPS = 2000
    _FIRST = 2.0**15

    def __init__(self) -> None:
        self._scale = tf.Variable(self._FIRST, trainable=False)
        self._good = tf.Variable(0, trainable=False)

    @property
    def variables(self) -> list[Any]:
        """The whole state: the scale and the number of steps since the last overflow."""
        return [self._scale, self._good]

    def scaled(self, loss: Any) -> Any:
        """Return the scaled loss, to take gradients of."""
        return loss * tf.cast(self._scale, loss.dtype)

    def apply(self, gradients: Sequence[Any], update: Callable[[list[Any]], None]) -> None:
        """Call ``update`` with the gradients divided by the scale, or skip the step; works inside a ``tf.function``."""
        present = [gradient for gradient in gradients if gradient is not None]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in present])

        def take() -> Any:
            update([None if each is None else each / tf.cast(self._scale, each.dtype) for each in gradients])
            good = self._good.assign_add(1)
            grown = tf.equal(good % self.GROWTH_STEPS, 0)
            return self._scale.assign(tf.where(grown, 2.0 * self._scale, self._scale))

        def skip() -> Any:
            self._good.assign(0)
            return self._scale.assign(tf.maximum(1.0, 0.5 * self._scale))

        tf.cond(finite | (self._scale <= 1.0), take, skip)
