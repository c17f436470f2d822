"""AugMix (Hendrycks et al. 2020, arXiv:1912.02781): some chains of changes, mixed with one another and the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras_cv
import tensorflow as tf

import tlkit
from tlkit_augment import Augment
from tlkit_augment.addressed import RNG, Change, beta, dirichlet, fold
from tlkit_augment.options import AugMixOptions
from tlkit_augment.policies import Warp, drawn, each_sample, geometric, on_batch


def aug_mix(ctx: tlkit.AugmentContext, options: AugMixOptions) -> Augment:
    """The paper's operations; those that move pixels are left out for segmentation, as places can't be mixed."""
    changes = _photometric(ctx, options.severity)
    if ctx.task == "classification":
        changes += _geometric(ctx, options.severity)

    def warp(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        shares = dirichlet(fold(seed, 0), options.width, options.alpha)
        mixed = tf.zeros_like(images)
        for number in range(options.width):
            key = fold(seed, 2 + number)
            depth = tf.random.stateless_uniform((), fold(key, 0), 1, options.depth + 1, tf.int32, alg=RNG)
            chain = drawn(changes, options.depth, _up_to(depth))
            changed, _ = chain(images, None, fold(key, 1))
            mixed += shares[number] * changed
        share = beta((), fold(seed, 1), options.alpha)
        return (1.0 - share) * images + share * mixed, masks

    return on_batch(each_sample(warp), ctx.value_range)


def _up_to(depth: Any) -> Callable[[Any, Any], Any]:
    return lambda step, _key: step < depth


def _photometric(ctx: tlkit.AugmentContext, severity: float) -> list[Warp]:
    layers, (low, high) = keras_cv.layers, ctx.value_range
    bits = max(1, 4 - round(severity / 5))
    threshold = high - severity / 10 * (high - low)
    return [
        Change(layers.AutoContrast(value_range=ctx.value_range)),
        Change(layers.Equalization(value_range=ctx.value_range)),
        Change(layers.Solarization(value_range=ctx.value_range, threshold_factor=(threshold, high))),
        _posterize(bits),
    ]


def _posterize(bits: int) -> Warp:
    step = 2.0 ** (8 - bits)

    def change(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:  # noqa: ARG001
        return tf.floor(images / step) * step, masks

    return change


def _geometric(ctx: tlkit.AugmentContext, severity: float) -> list[Warp]:
    layers, level = keras_cv.layers, severity / 10
    return [
        geometric(layers.RandomRotation, ctx, factor=level * 30 / 360),
        geometric(layers.RandomShear, ctx, x_factor=0.3 * level),
        geometric(layers.RandomShear, ctx, y_factor=0.3 * level),
        geometric(layers.RandomTranslation, ctx, height_factor=level / 3, width_factor=0.0),
        geometric(layers.RandomTranslation, ctx, height_factor=0.0, width_factor=level / 3),
    ]
