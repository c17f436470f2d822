"""Random draws that depend on their seed alone, never on the state of a generator."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

RNG = "philox"
"""Draws the same numbers on every device; TensorFlow's default algorithm differs between devices."""


def fold(seed: Any, number: Any) -> Any:
    """Derive the seed, int32 (2,), of part ``number`` of what ``seed`` is for."""
    return tf.random.fold_in(seed, number, alg=RNG)


def uniform(shape: Any, seed: Any, low: Any = 0.0, high: Any = 1.0) -> Any:
    """Draw float32 values from ``low`` to below ``high``."""
    return tf.random.stateless_uniform(shape, seed, low, high, alg=RNG)


def integers(shape: Any, seed: Any, low: Any, high: Any) -> Any:
    """Draw int32 values from ``low`` to ``high`` - 1."""
    return tf.random.stateless_uniform(shape, seed, low, high, tf.int32, alg=RNG)


def permutation(count: Any, seed: Any) -> Any:
    """Return the numbers 0 to ``count`` - 1 in random order, int32 (count,)."""
    return tf.argsort(uniform((count,), seed), stable=True)


def dirichlet(shape: Any, seed: Any, alpha: float) -> Any:
    """Draw from the symmetric Dirichlet distribution: float32 ``shape``, summing to 1 along the last axis."""
    return tf.nn.softmax(_log_gamma(shape, seed, alpha), axis=-1)


def beta(count: Any, seed: Any, alpha: float) -> Any:
    """Draw from Beta(alpha, alpha): float32 (count,) in 0-1."""
    return dirichlet((count, 2), seed, alpha)[:, 0]


def _log_gamma(shape: Any, seed: Any, alpha: float) -> Any:
    """Draw the logarithms of Gamma(alpha) values, which for a small alpha underflow themselves and would give 0 / 0.

    If G is Gamma(alpha + 1) and U uniform, then G U^(1/alpha) is Gamma(alpha) (Marsaglia and Tsang 2000,
    doi:10.1145/358407.358414, section 6).
    """
    # stateless_gamma has no argument for the algorithm; it uses Philox on CPU and GPU.
    larger = tf.random.stateless_gamma(shape, fold(seed, 0), alpha + 1)
    return tf.math.log(larger) + tf.math.log1p(-uniform(shape, fold(seed, 1))) / alpha
