"""AugMix (Hendrycks et al. 2020, arXiv:1912.02781).

keras-cv's own AugMix draws from stateful generators and solarizes less the higher its severity. This module builds the
method from keras-cv's layers for single operations.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import tensorflow as tf

import tlkit
from tlkit_augment.addressed import Change, keras_cv_layers
from tlkit_augment.draws import beta, dirichlet, fold, integers, uniform
from tlkit_augment.options import AugMixOptions
from tlkit_augment.warps import Augment, Warp, drawn, each_sample, on_batch, per_image


def aug_mix(ctx: tlkit.AugmentContext, options: AugMixOptions) -> Augment:
    """Mix each image with a mixture of chains of operations on it.

    The operations are the paper's, except that geometric ones reflect the image at its border instead of filling with
    black. With masks, geometric operations are left out: a mixture of a moved and an unmoved image has no mask. The
    paper's Jensen-Shannon loss on three views of an image is not included.
    """
    operations = _operations(ctx, options.severity)

    def chain(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        depth = integers((), fold(seed, 0), options.depth[0], options.depth[1] + 1)
        return drawn(operations, depth, rate=1.0)(images, masks, fold(seed, 1))

    chains = each_sample(chain)

    def warp(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        count, shape = tf.shape(images)[0], images.shape
        shares = dirichlet((count, options.width), fold(seed, 0), options.alpha)

        def add(number: Any, total: Any) -> tuple[Any, Any]:
            changed, _ = chains(images, None, fold(fold(seed, 1), number))
            return number + 1, tf.ensure_shape(total + per_image(shares[:, number]) * changed, shape)

        _, mixture = tf.while_loop(lambda number, _: number < options.width, add, (0, tf.zeros_like(images)))
        weight = per_image(beta(count, fold(seed, 2), options.alpha))
        return weight * images + (1 - weight) * mixture, masks

    return on_batch(warp, ctx.value_range, masks=False)


def _operations(ctx: tlkit.AugmentContext, severity: float) -> list[Warp]:
    layers = keras_cv_layers()
    low, high = ctx.value_range
    operations: list[Warp] = [
        Change(layers.AutoContrast(ctx.value_range)),
        Change(layers.Equalization(ctx.value_range)),
        Change(layers.Solarization(ctx.value_range, threshold_factor=(high - severity * (high - low), high))),
        partial(_posterize, severity),
    ]
    if ctx.task == "segmentation":
        return operations
    return [
        *operations,
        Change(layers.RandomRotation(factor=severity * 30 / 360)),
        Change(layers.RandomShear(x_factor=severity * 0.3)),
        Change(layers.RandomShear(y_factor=severity * 0.3)),
        Change(layers.RandomTranslation(height_factor=0, width_factor=severity / 3)),
        Change(layers.RandomTranslation(height_factor=severity / 3, width_factor=0)),
    ]


def _posterize(severity: float, images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
    """Keep four bits or fewer, drawn per image; keras-cv's layer uses one number for all images."""
    dropped = 4 + tf.floor(4 * severity * uniform((tf.shape(images)[0],), seed))
    step = per_image(2.0**dropped)
    return tf.floor(images / step) * step, masks
