"""What the policies do to a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras_cv
import tensorflow as tf

import tlkit
from tlkit_augment import Augment
from tlkit_augment.addressed import RNG, Change, fold
from tlkit_augment.options import (
    BasicOptions,
    ColorJitterOptions,
    FlipOptions,
    FlipRotateZoomOptions,
    RandAugmentOptions,
    ShiftFlipOptions,
)

Warp = Callable[[Any, Any, Any], tuple[Any, Any]]
"""``(images, masks or None, seed)`` → the changed images and masks."""


def flip(ctx: tlkit.AugmentContext, options: FlipOptions) -> Augment | None:
    """Mirror with a probability of one half in each direction."""
    modes = {
        (True, False): "horizontal",
        (False, True): "vertical",
        (True, True): "horizontal_and_vertical",
    }
    mode = modes.get((options.horizontal, options.vertical))
    return None if mode is None else on_batch(_in_turn([_flip(mode)]), ctx.value_range)


def basic(ctx: tlkit.AugmentContext, options: BasicOptions) -> Augment | None:
    """Mirror, shift, rotate, zoom, then brightness, contrast and saturation; each with its own draws."""
    changes = _moving(ctx, flip=options.flip, shift=options.shift, rotate=options.rotate, zoom=options.zoom)
    changes += _colors(ctx, brightness=options.color / 2, contrast=options.color, saturation=options.color)
    return on_batch(_in_turn(changes), ctx.value_range) if changes else None


def shift_flip(ctx: tlkit.AugmentContext, options: ShiftFlipOptions) -> Augment | None:
    """Shift, then mirror."""
    changes = _moving(ctx, shift=options.shift, border=options.border) + _moving(ctx, flip=options.flip)
    return on_batch(_in_turn(changes), ctx.value_range) if changes else None


def flip_rotate_zoom(ctx: tlkit.AugmentContext, options: FlipRotateZoomOptions) -> Augment | None:
    """Mirror, rotate, zoom."""
    changes = _moving(ctx, flip=options.flip, rotate=options.rotate, zoom=options.zoom, border=options.border)
    return on_batch(_in_turn(changes), ctx.value_range) if changes else None


def color_jitter(ctx: tlkit.AugmentContext, options: ColorJitterOptions) -> Augment | None:
    """Brightness, contrast, saturation and hue, in this order."""
    changes = _colors(ctx, **options.model_dump())
    return on_batch(_in_turn(changes), ctx.value_range) if changes else None


def rand_augment(ctx: tlkit.AugmentContext, options: RandAugmentOptions) -> Augment:
    """RandAugment: for each image some of the operations of keras-cv's standard policy, drawn with replacement."""
    images, masks = (
        keras_cv.layers.RandAugment.get_standard_policy(
            ctx.value_range, options.magnitude, options.magnitude_stddev, geometric=options.geometric
        )
        for _ in range(2)
    )
    changes = [_operation(image, mask) for image, mask in zip(images, masks, strict=True)]
    warp = drawn(changes, options.augmentations_per_image, lambda _step, key: _chance(key) < options.rate)
    return on_batch(each_sample(warp), ctx.value_range)


def _flip(mode: str) -> Change:
    return Change(keras_cv.layers.RandomFlip(mode), keras_cv.layers.RandomFlip(mode))


def _moving(
    ctx: tlkit.AugmentContext,
    *,
    flip: bool = False,
    shift: float = 0.0,
    rotate: float = 0.0,
    zoom: float = 0.0,
    border: str = "reflect",
) -> list[Change]:
    layers = keras_cv.layers
    found = [_flip("horizontal")] if flip else []
    if shift:
        found.append(geometric(layers.RandomTranslation, ctx, border, height_factor=shift, width_factor=shift))
    if rotate:
        found.append(geometric(layers.RandomRotation, ctx, border, factor=rotate / 360))
    if zoom:
        found.append(geometric(layers.RandomZoom, ctx, border, height_factor=zoom))
    return found


def _colors(
    ctx: tlkit.AugmentContext, *, brightness: float, contrast: float, saturation: float, hue: float = 0.0
) -> list[Change]:
    layers = keras_cv.layers
    found = []
    if brightness:
        found.append(Change(layers.RandomBrightness(factor=brightness, value_range=ctx.value_range)))
    if contrast:
        found.append(Change(layers.RandomContrast(factor=contrast, value_range=ctx.value_range)))
    if saturation:
        # The layer multiplies the saturation by f / (1 - f).
        low, high = ((1 + change) / (2 + change) for change in (-saturation, saturation))
        found.append(Change(layers.RandomSaturation(factor=(low, high))))
    if hue:
        # The layer takes a share of half the circle.
        found.append(Change(layers.RandomHue(factor=2 * hue, value_range=ctx.value_range)))
    return found


def geometric(
    layer: Callable[..., Any], ctx: tlkit.AugmentContext, border: str = "reflect", **arguments: Any
) -> Change:
    """A change that moves pixels, masks by the nearest; what comes from outside of a black border is ignored."""
    return Change(
        layer(**arguments, fill_mode=border, interpolation="bilinear"),
        layer(**arguments, fill_mode=border, interpolation="nearest", fill_value=float(ctx.ignore)),
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


def _chance(key: Any) -> Any:
    return tf.random.stateless_uniform((), fold(key, 1), alg=RNG)


def drawn(changes: Sequence[Warp], times: int, made: Callable[[Any, Any], Any]) -> Warp:
    """``times`` times: one of the changes, drawn for the whole batch, where ``made(step, key)`` says so."""

    def warp(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        shape = images.shape

        def draw(step: Any, images: Any, masks: Any = None) -> tuple[Any, ...]:
            key = fold(seed, step)
            number = tf.random.stateless_uniform((), fold(key, 0), 0, len(changes), tf.int32, alg=RNG)
            branches = [partial(_present, change, images, masks, fold(key, 2)) for change in changes]
            branches.append(partial(_tensors, images, masks))
            images, *masks = tf.switch_case(tf.where(made(step, key), number, len(changes)), branches)
            return step + 1, tf.ensure_shape(images, shape), *masks

        # A loop in the graph: each operation is traced once and not once a step.
        _, images, *changed = tf.while_loop(lambda step, *_: step < times, draw, (0, *_tensors(images, masks)))
        return images, changed[0] if changed else None

    return warp


def each_sample(warp: Warp) -> Warp:
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


def on_batch(warp: Warp, value_range: tuple[float, float]) -> Augment:
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
