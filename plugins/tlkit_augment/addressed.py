"""keras-cv layers made stateless: every draw has an address (seed, number) instead of a generator's state.

keras-cv 0.9 draws from ``layer._random_generator``, a stateful ``tf.random.Generator``, and from factor samplers, which
use stateful random operations. Both depend on what was drawn before, and race in a parallel ``map``. This module
replaces them by stateless ones: the n-th draw of a call is a function of the call's seed and of n.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras_cv
import tensorflow as tf

from tlkit_augment.draws import RNG, fold


class _Draws:
    """Number the draws of one call; the numbers are known when the call is traced."""

    def __init__(self, seed: Any) -> None:
        self._seed = seed
        self._count = 0

    def next_seed(self) -> Any:
        seed = fold(self._seed, self._count)
        self._count += 1
        return seed


_draws: ContextVar[_Draws] = ContextVar("tlkit_augment_draws")


@contextmanager
def _drawing_from(seed: Any) -> Iterator[None]:
    token = _draws.set(_Draws(seed))
    try:
        yield
    finally:
        _draws.reset(token)


class _Generator:
    """The part of ``tf.random.Generator`` that keras-cv's layers use, without state."""

    def uniform(self, shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = tf.float32) -> Any:
        return tf.random.stateless_uniform(shape, _draws.get().next_seed(), minval, maxval, dtype, alg=RNG)


class _NormalFactor:
    """``keras_cv.core.NormalFactorSampler`` without state."""

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler

    def __call__(self, shape: Any = (), dtype: Any = tf.float32) -> Any:
        sampler = self._sampler
        factor = tf.random.stateless_normal(
            shape, _draws.get().next_seed(), sampler.mean, sampler.stddev, dtype, alg=RNG
        )
        return tf.clip_by_value(factor, sampler.min_value, sampler.max_value)


class _UniformFactor:
    """``keras_cv.core.UniformFactorSampler`` without state."""

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler

    def __call__(self, shape: Any = (), dtype: Any = tf.float32) -> Any:
        sampler = self._sampler
        return tf.random.stateless_uniform(
            shape, _draws.get().next_seed(), sampler.lower, sampler.upper, dtype, alg=RNG
        )


def keras_cv_layers() -> Any:
    """Return ``keras_cv.layers``, which can be built also where operations are deterministic.

    Without a seed their constructors ask for TensorFlow's global generator, which TensorFlow doesn't make by itself
    there. A ``Change`` never draws from it.
    """
    try:
        tf.random.get_global_generator()
    except RuntimeError:
        tf.random.set_global_generator(tf.random.Generator.from_seed(0))
    return keras_cv.layers


def _make_stateless(layer: Any) -> None:
    layer._random_generator = _Generator()
    for name, value in list(vars(layer).items()):
        if isinstance(value, keras_cv.core.NormalFactorSampler):
            setattr(layer, name, _NormalFactor(value))
        elif isinstance(value, keras_cv.core.UniformFactorSampler):
            setattr(layer, name, _UniformFactor(value))


class Change:
    """A random change of images and, when it is geometric, of masks.

    Args:
        image_layer: a vectorized keras-cv layer without nested layers.
        mask_layer: the same layer with nearest-neighbour interpolation if it moves pixels, otherwise None. With the
            same seed it draws the same numbers, so masks move with their images. keras-cv's own support for masks
            isn't used because its rotation turns ignored pixels into class 0.
    """

    def __init__(self, image_layer: Any, mask_layer: Any = None) -> None:
        self._image_layer = image_layer
        self._mask_layer = mask_layer
        for layer in (image_layer, mask_layer):
            if layer is not None:
                # Mixed precision is for the model; bfloat16 holds neither 256 grey values nor pixel coordinates.
                layer.dtype_policy = "float32"
                _make_stateless(layer)

    def __call__(self, images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        """Return the changed images and masks, in the same shapes and types.

        Args:
            images: float32 (N, H, W, 3) in 0–255.
            masks: float32 (N, H, W, 1) with integer values, or None.
            seed: int32 (2,); the same seed gives the same change.
        """
        with _drawing_from(seed):
            changed = self._image_layer(images)
        if masks is None or self._mask_layer is None:
            return changed, masks
        with _drawing_from(seed):
            return changed, self._mask_layer(masks)
