"""Random erasing (Zhong et al. 2017, arXiv:1708.04896)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

import tlkit
from tlkit_augment.draws import fold, integers, uniform
from tlkit_augment.options import RandomErasingOptions
from tlkit_augment.rectangles import inside
from tlkit_augment.warps import Augment, on_batch

TRIES = 10
"""Rectangles drawn per image; the first that fits is erased. The paper draws until one fits."""


def random_erasing(ctx: tlkit.AugmentContext, options: RandomErasingOptions) -> Augment | None:
    """Overwrite one rectangle of some images; an image that none of its drawn rectangles fits stays as it is.

    Returns:
        The policy; None at rate 0.
    """
    if not options.rate:
        return None

    def warp(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        erased = _rectangles(images, options, fold(seed, 0))
        images = tf.where(erased, _fill(images, options, fold(seed, 1)), images)
        if masks is not None:
            masks = tf.where(erased, tf.cast(ctx.ignore, masks.dtype), masks)
        return images, masks

    return on_batch(warp, ctx.value_range, masks=options.mask == "ignore")


def _rectangles(images: Any, options: RandomErasingOptions, seed: Any) -> Any:
    """Draw the pixels to erase, bool (N, H, W, 1)."""
    count, *size = tf.unstack(tf.shape(images)[:3])
    height, width = (tf.cast(length, tf.float32) for length in size)
    area = uniform((count, TRIES), fold(seed, 0), *options.area) * height * width
    aspect = uniform((count, TRIES), fold(seed, 1), *options.aspect)
    heights, widths = (tf.maximum(tf.round(tf.sqrt(side)), 1) for side in (area * aspect, area / aspect))
    fits = (heights <= height) & (widths <= width)
    made = tf.reduce_any(fits, axis=1) & (uniform((count,), fold(seed, 2)) < options.rate)
    first = tf.argmax(tf.cast(fits, tf.int32), axis=1)
    spans = []
    for number, (sides, length) in enumerate(((heights, height), (widths, width))):
        side = tf.where(made, tf.gather(sides, first, batch_dims=1), 0)
        start = tf.floor(uniform((count,), fold(seed, 3 + number)) * (length - side + 1))
        spans.append((tf.cast(start, tf.int32), tf.cast(start + side, tf.int32)))
    (top, bottom), (left, right) = spans
    return inside(top, left, bottom, right, (size[0], size[1]))


def _fill(images: Any, options: RandomErasingOptions, seed: Any) -> Any:
    """Return the new content of the erased pixels, in a shape that broadcasts against the images."""
    if options.fill == "noise":
        return tf.cast(integers(tf.shape(images), seed, 0, 256), images.dtype)
    if options.fill == "mean":
        return tf.reduce_mean(images, axis=(1, 2), keepdims=True)
    return tf.cast(options.fill_value, images.dtype)
