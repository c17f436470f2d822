"""Policies that mix each image and its target with another of the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

import tlkit
from tlkit_augment import Augment
from tlkit_augment.addressed import beta, fold, uniform
from tlkit_augment.erasing import rectangles
from tlkit_augment.options import CutMixOptions, MixUpOptions

Mix = Callable[[dict[str, Any], dict[str, Any], Any, Any], dict[str, Any]]
"""``(batch, partners, chosen, seed)`` → the mixed batch; ``chosen`` bool (N,) tells which images are mixed."""


def mixup(ctx: tlkit.AugmentContext, options: MixUpOptions) -> Augment | None:
    """Weighted means of images in pairs, and of their targets, masks too (Zhang et al. 2018, arXiv:1710.09412)."""
    key = _target(ctx)

    def mix(batch: dict[str, Any], partners: dict[str, Any], chosen: Any, seed: Any) -> dict[str, Any]:
        share = beta(tf.shape(chosen), fold(seed, 0), options.alpha)
        share = tf.where(chosen, share, 1.0)
        return {name: _mean(batch[name], partners[name], share) for name in ("images", key)}

    return _with_partners(mix, options.rate)


def cutmix(ctx: tlkit.AugmentContext, options: CutMixOptions) -> Augment | None:
    """A rectangle of another image; labels are mixed by area, masks are cut (Yun et al. 2019, arXiv:1905.04899)."""
    height, width = ctx.image_size
    key = _target(ctx)

    def mix(batch: dict[str, Any], partners: dict[str, Any], chosen: Any, seed: Any) -> dict[str, Any]:
        side = tf.sqrt(1.0 - beta(tf.shape(chosen), fold(seed, 0), options.alpha))
        side = tf.where(chosen, side, 0.0)
        edges = []
        for number, length in enumerate((height, width), 1):
            middle = uniform(tf.shape(chosen), fold(seed, number)) * length
            # Cut off at the image's border, as in the paper; the label follows the area that is left.
            edges.append(tf.clip_by_value(tf.round(middle - side * length / 2), 0, length))
            edges.append(tf.clip_by_value(tf.round(middle + side * length / 2), 0, length))
        top, bottom, left, right = edges
        pasted = rectangles(top, left, bottom, right, (height, width))
        mixed = {"images": tf.where(pasted, partners["images"], batch["images"])}
        if ctx.task == "segmentation":
            mixed[key] = tf.where(pasted, partners[key], batch[key])
        else:
            area = (bottom - top) * (right - left) / (height * width)
            mixed[key] = _mean(batch[key], partners[key], 1.0 - area)
        return mixed

    return _with_partners(mix, options.rate)


def _target(ctx: tlkit.AugmentContext) -> str:
    return "segmentation_masks" if ctx.task == "segmentation" else "labels"


def _with_partners(mix: Mix, rate: float) -> Augment | None:
    if not rate:
        return None

    def augment(batch: dict[str, Any], seed: Any) -> dict[str, Any]:
        count = tf.shape(batch["images"])[0]
        order = tf.argsort(uniform((count,), fold(seed, 0)))
        partners = {name: tf.gather(value, order) for name, value in batch.items()}
        chosen = uniform((count,), fold(seed, 1)) < rate
        return {**batch, **mix(batch, partners, chosen, fold(seed, 2))}

    return augment


def _mean(first: Any, second: Any, share: Any) -> Any:
    """``share`` (N,) of the first and the rest of the second."""
    share = tf.reshape(share, [-1, *[1] * (first.shape.rank - 1)])
    return share * first + (1.0 - share) * second
