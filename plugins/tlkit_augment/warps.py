"""Combine changes of a batch: one after the other, drawn at random, or sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import tensorflow as tf

from tlkit_augment.draws import fold, integers, uniform

Augment = Callable[[dict[str, Any], Any], dict[str, Any]]
"""``augment(batch, seed)`` → batch, as ``tlkit.Augmentation.build`` returns it."""

Warp = Callable[[Any, Any, Any], tuple[Any, Any]]
"""``(images, masks or None, seed)`` → the changed images and masks."""


def in_turn(changes: Sequence[Warp]) -> Warp:
    """Apply every change, each with its own draws."""

    def warp(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        for number, change in enumerate(changes):
            images, masks = change(images, masks, fold(seed, number))
        return images, masks

    return warp


def drawn(changes: Sequence[Warp], times: Any, rate: float) -> Warp:
    """Apply ``times`` changes, each drawn for the whole batch and applied with probability ``rate``.

    Args:
        changes: the changes to draw from, with replacement.
        times: number of draws, an int or an int32 scalar.
        rate: probability that a drawn change is applied.
    """

    def warp(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        shape = images.shape

        def draw(step: Any, images: Any, masks: Any = None) -> tuple[Any, ...]:
            key = fold(seed, step)
            chosen = integers((), fold(key, 0), 0, len(changes))
            made = uniform((), fold(key, 1)) < rate
            branches = [partial(_present, change, images, masks, fold(key, 2)) for change in changes]
            branches.append(partial(_tensors, images, masks))
            images, *masks = tf.switch_case(tf.where(made, chosen, len(changes)), branches)
            return step + 1, tf.ensure_shape(images, shape), *masks

        # A loop in the graph: each operation is traced once instead of once per step.
        _, images, *changed = tf.while_loop(lambda step, *_: step < times, draw, (0, *_tensors(images, masks)))
        return images, changed[0] if changed else None

    return warp


def each_sample(warp: Warp) -> Warp:
    """Apply a change to each sample on its own, so that only what was drawn for a sample is computed."""

    def each(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        def one(sample: tuple[Any, ...]) -> tuple[Any, ...]:
            number, image, *mask = sample
            changed = _present(warp, image[tf.newaxis], mask[0][tf.newaxis] if mask else None, fold(seed, number))
            return tuple(tensor[0] for tensor in changed)

        tensors = _tensors(images, masks)
        specs = tuple(tf.TensorSpec(tensor.shape[1:], tensor.dtype) for tensor in tensors)
        images, *changed = tf.map_fn(one, (tf.range(tf.shape(images)[0]), *tensors), fn_output_signature=specs)
        return images, changed[0] if changed else None

    return each


def _tensors(images: Any, masks: Any) -> tuple[Any, ...]:
    """Leave out masks that are None: loops and branches of the graph take only tensors."""
    return (images,) if masks is None else (images, masks)


def _present(warp: Warp, images: Any, masks: Any, seed: Any) -> tuple[Any, ...]:
    return _tensors(*warp(images, masks, seed))


def per_image(values: Any, rank: int = 4) -> Any:
    """Reshape one value per image, (N,), so that it broadcasts against a batch of that rank."""
    return tf.reshape(values, [-1] + [1] * (rank - 1))


def on_batch(
    warp: Warp, value_range: tuple[float, float] = (0.0, 255.0), *, masks: bool = True, autograph: bool = True
) -> Augment:
    """Make an ``augment(batch, seed)`` that applies ``warp`` to the images and leaves all other entries unchanged.

    Args:
        warp: the change; takes and returns float32.
        value_range: range to which the images are clipped.
        masks: whether ``warp`` changes masks too; if not, masks are passed through, whatever their form.
        autograph: whether ``warp`` needs AutoGraph, as keras-cv's Equalization does; converting takes time.
    """

    def augment(batch: dict[str, Any], seed: Any) -> dict[str, Any]:
        images, moved = changed(batch["images"], batch.get("segmentation_masks") if masks else None, seed)
        result = {**batch, "images": images}
        if moved is not None:
            result["segmentation_masks"] = moved
        return result

    # The caller may have switched AutoGraph off, or on.
    @tf.function(autograph=autograph, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def changed(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        shapes = images.shape, None if masks is None else masks.shape
        images, masks = warp(tf.cast(images, tf.float32), None if masks is None else tf.cast(masks, tf.float32), seed)
        images = tf.ensure_shape(tf.clip_by_value(images, *value_range), shapes[0])
        if masks is not None:
            masks = tf.ensure_shape(tf.cast(tf.round(masks), tf.int32), shapes[1])
        return images, masks

    return cast(Augment, tf.autograph.experimental.do_not_convert(augment))
