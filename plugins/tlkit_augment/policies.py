"""What the policies do to a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras_cv
import tensorflow as tf

import tlkit
from tlkit_augment import Augment, BasicOptions, FlipOptions, RandAugmentOptions
from tlkit_augment.addressed import RNG, Change, fold

Warp = Callable[[Any, Any, Any], tuple[Any, Any]]
"""``(images, masks or None, seed)`` → the changed images and masks."""


def flip(options: FlipOptions) -> Augment | None:
    """Mirror with a probability of one half in each direction."""
    modes = {
        (True, False): "horizontal",
        (False, True): "vertical",
        (True, True): "horizontal_and_vertical",
    }
    mode = modes.get((options.horizontal, options.vertical))
    return None if mode is None else _on_batch(_in_turn([_flip(mode)]))


def basic(ctx: tlkit.AugmentContext, options: BasicOptions) -> Augment | None:
    """Mirror, shift, rotate, zoom, then brightness, contrast and saturation; each with its own draws."""
    layers = keras_cv.layers
    changes: list[Change] = []
    if options.flip:
        changes.append(_flip("horizontal"))
    if options.shift:
        changes.append(_geometric(layers.RandomTranslation, height_factor=options.shift, width_factor=options.shift))
    if options.rotate:
        changes.append(_geometric(layers.RandomRotation, factor=options.rotate / 360))
    if options.zoom:
        changes.append(_geometric(layers.RandomZoom, height_factor=options.zoom))
    if options.color:
        color = options.color
        changes += [
            Change(layers.RandomBrightness(factor=color / 2, value_range=ctx.value_range)),
            Change(layers.RandomContrast(factor=color, value_range=ctx.value_range)),
            # The layer multiplies the saturation by f / (1 - f).
            Change(layers.RandomSaturation(factor=((1 - color) / (2 - color), (1 + color) / (2 + color)))),
        ]
    return _on_batch(_in_turn(changes), ctx.value_range) if changes else None


def rand_augment(ctx: tlkit.AugmentContext, options: RandAugmentOptions) -> Augment:
    """RandAugment: for each image some of the operations of keras-cv's standard policy, drawn with replacement."""
    images, masks = (
        keras_cv.layers.RandAugment.get_standard_policy(
            ctx.value_range, options.magnitude, options.magnitude_stddev, geometric=options.geometric
        )
        for _ in range(2)
    )
    changes = [_operation(image, mask) for image, mask in zip(images, masks, strict=True)]
    warp = _drawn(changes, options.augmentations_per_image, options.rate)
    return _on_batch(_each_sample(warp), ctx.value_range)


def _flip(mode: str) -> Change:
    return Change(keras_cv.layers.RandomFlip(mode), keras_cv.layers.RandomFlip(mode))


def _geometric(layer: Callable[..., Any], **arguments: Any) -> Change:
    return Change(
        layer(**arguments, fill_mode="reflect", interpolation="bilinear"),
        layer(**arguments, fill_mode="reflect", interpolation="nearest"),
    )


def _operation(image_layer: Any, mask_layer: Any) -> Change:
    if not isinstance(image_layer, (keras_cv.layers.RandomShear, keras_cv.layers.RandomTranslation)):
        return Change(image_layer)
    mask_layer.interpolation = "nearest"
    return Change(image_layer, mask_layer)


def _in_turn(changes: Sequence[Warp]) -> Warp:
    def warp(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        for number, change in enumerate(changes):
            images, masks = change(images, masks, fold(seed, number))
        return images, masks

    return warp


def _drawn(changes: Sequence[Warp], times: int, rate: float) -> Warp:
    """``times`` times: one of the changes, drawn for the whole batch, with the probability ``rate``."""

    def warp(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        shape = images.shape

        def draw(step: Any, images: Any, masks: Any = None) -> tuple[Any, ...]:
            key = fold(seed, step)
            drawn = tf.random.stateless_uniform((), fold(key, 0), 0, len(changes), tf.int32, alg=RNG)
            made = tf.random.stateless_uniform((), fold(key, 1), alg=RNG) < rate
            branches = [partial(_present, change, images, masks, fold(key, 2)) for change in changes]
            branches.append(partial(_tensors, images, masks))
            images, *masks = tf.switch_case(tf.where(made, drawn, len(changes)), branches)
            return step + 1, tf.ensure_shape(images, shape), *masks

        # A loop in the graph: each operation is traced once and not once a step.
        _, images, *changed = tf.while_loop(lambda step, *_: step < times, draw, (0, *_tensors(images, masks)))
        return images, changed[0] if changed else None

    return warp


def _each_sample(warp: Warp) -> Warp:
    """The samples one by one, each with its own draws, so that only what was drawn for a sample is computed."""

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
    """Without the None that stands for no masks: graph loops and branches take tensors only."""
    return (images,) if masks is None else (images, masks)


def _present(warp: Warp, images: Any, masks: Any, seed: Any) -> tuple[Any, ...]:
    return _tensors(*warp(images, masks, seed))


def _on_batch(warp: Warp, value_range: tuple[float, float] = (0.0, 255.0)) -> Augment:
    """``augment(batch, seed)`` of the contract; everything but images and masks is passed on as it is."""

    # keras-cv's Equalization needs AutoGraph, which a caller may have switched off for its own function.
    @tf.function(autograph=True, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def changed(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        shapes = images.shape, None if masks is None else masks.shape
        images, masks = warp(tf.cast(images, tf.float32), None if masks is None else tf.cast(masks, tf.float32), seed)
        images = tf.ensure_shape(tf.clip_by_value(images, *value_range), shapes[0])
        if masks is not None:
            masks = tf.ensure_shape(tf.cast(tf.round(masks), tf.int32), shapes[1])
        return images, masks

    def augment(batch: dict[str, Any], seed: Any) -> dict[str, Any]:
        images, masks = changed(batch["images"], batch.get("segmentation_masks"), seed)
        result = {**batch, "images": images}
        if masks is not None:
            result["segmentation_masks"] = masks
        return result

    return augment
