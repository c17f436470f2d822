"""Policies that mix the images of a batch, and their labels or one-hot masks in the same way."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

import tlkit
from tlkit_augment.draws import beta, fold, integers, permutation, uniform
from tlkit_augment.options import CutMixOptions, MixUpOptions
from tlkit_augment.rectangles import inside
from tlkit_augment.warps import Augment, per_image

TARGETS = ("labels", "segmentation_masks")


def mixup(ctx: tlkit.AugmentContext, options: MixUpOptions) -> Augment | None:
    """Replace images and targets by weighted means of two (Zhang et al. 2018, arXiv:1710.09412); None at rate 0."""
    if not options.rate:
        return None

    def augment(batch: dict[str, Any], seed: Any) -> dict[str, Any]:
        others, weights = _pairs(batch, fold(seed, 0), options)
        result = {**batch, **{key: _mean(batch[key], other, weights) for key, other in others.items()}}
        # Rounding can take a weighted mean beyond both of its values.
        result["images"] = tf.clip_by_value(result["images"], *ctx.value_range)
        return result

    return augment


def cutmix(ctx: tlkit.AugmentContext, options: CutMixOptions) -> Augment | None:  # noqa: ARG001
    """Paste a rectangle of another image and mask, and mix labels by area (Yun et al. 2019, arXiv:1905.04899).

    Returns:
        The policy; None at rate 0.
    """
    if not options.rate:
        return None

    def augment(batch: dict[str, Any], seed: Any) -> dict[str, Any]:
        others, weights = _pairs(batch, fold(seed, 0), options)
        pasted = _rectangles(batch["images"], weights, fold(seed, 1))
        result = dict(batch)
        for key, other in others.items():
            if key == "labels":
                share = tf.reduce_mean(tf.cast(pasted, tf.float32), axis=(1, 2, 3))
                result[key] = _mean(batch[key], other, 1 - share)
            else:
                result[key] = tf.where(pasted, other, batch[key])
        return result

    return augment


def _pairs(batch: dict[str, Any], seed: Any, options: MixUpOptions | CutMixOptions) -> tuple[dict[str, Any], Any]:
    """Return images and targets of each image's partner, and the weight each image keeps, float32 (N,) in 0-1."""
    count = tf.shape(batch["images"])[0]
    partners = permutation(count, fold(seed, 0))
    others = {key: tf.gather(batch[key], partners) for key in ("images", *TARGETS) if key in batch}
    mixed = uniform((count,), fold(seed, 1)) < options.rate
    return others, tf.where(mixed, beta(count, fold(seed, 2), options.alpha), 1.0)


def _mean(own: Any, other: Any, weights: Any) -> Any:
    weights = per_image(weights, own.shape.rank)
    return weights * own + (1 - weights) * other


def _rectangles(images: Any, weights: Any, seed: Any) -> Any:
    """Draw the pixels to take from the partner, bool (N, H, W, 1).

    Each is a rectangle with the image's aspect ratio around a random pixel, clipped at the border, so the pasted area
    can be smaller than 1 - weight.
    """
    count, *size = tf.unstack(tf.shape(images)[:3])
    spans = []
    for number, length in enumerate(size):
        side = tf.cast(tf.cast(length, tf.float32) * tf.sqrt(1 - weights), tf.int32)
        start = integers((count,), fold(seed, number), 0, length) - side // 2
        spans.append((tf.maximum(start, 0), tf.minimum(start + side, length)))
    (top, bottom), (left, right) = spans
    return inside(top, left, bottom, right, (size[0], size[1]))
