"""Random erasing (Zhong et al. 2017, arXiv:1708.04896) and the rectangles that it shares with CutMix."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

import tlkit
from tlkit_augment import Augment
from tlkit_augment.addressed import fold, uniform
from tlkit_augment.options import RandomErasingOptions
from tlkit_augment.policies import on_batch


def random_erasing(ctx: tlkit.AugmentContext, options: RandomErasingOptions) -> Augment | None:
    """A rectangle of random size, shape and place; inside the image, so that its area is as it was drawn."""
    if not options.rate:
        return None
    height, width = ctx.image_size

    def warp(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        count = tf.shape(images)[0]
        share = uniform((count,), fold(seed, 0), *options.area)
        low, high = (tf.math.log(limit) for limit in options.aspect)
        aspect = tf.exp(uniform((count,), fold(seed, 1), low, high))
        area = share * (height * width)
        tall = tf.clip_by_value(tf.round(tf.sqrt(area * aspect)), 1, height)
        wide = tf.clip_by_value(tf.round(area / tall), 1, width)
        top = tf.floor(uniform((count,), fold(seed, 2)) * (height - tall + 1))
        left = tf.floor(uniform((count,), fold(seed, 3)) * (width - wide + 1))
        lost = rectangles(top, left, top + tall, left + wide, (height, width))
        lost &= (uniform((count,), fold(seed, 4)) < options.rate)[:, None, None, None]
        low_value, high_value = ctx.value_range
        if options.fill == "noise":
            filled = uniform(tf.shape(images), fold(seed, 5), low_value, high_value)
        else:
            value = (low_value + high_value) / 2 if options.fill == "grey" else low_value
            filled = tf.fill(tf.shape(images), value)
        if masks is not None and options.mask == "ignore":
            masks = tf.where(lost, float(ctx.ignore), masks)
        return tf.where(lost, filled, images), masks

    return on_batch(warp, ctx.value_range)


def rectangles(top: Any, left: Any, bottom: Any, right: Any, size: tuple[int, int]) -> Any:
    """Which pixels lie in a rectangle of each image.

    Args:
        top, left, bottom, right: float32 (N,) in pixels, the lower and right end not included.
        size: (height, width) of the images.

    Returns:
        bool (N, H, W, 1).
    """
    row = tf.range(size[0], dtype=tf.float32)[None, :, None, None]
    column = tf.range(size[1], dtype=tf.float32)[None, None, :, None]
    top, left, bottom, right = (each[:, None, None, None] for each in (top, left, bottom, right))
    return (row >= top) & (row < bottom) & (column >= left) & (column < right)
