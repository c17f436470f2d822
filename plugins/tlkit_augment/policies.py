"""Policies that change each image on its own, built from keras-cv's layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras_cv

import tlkit
from tlkit_augment.addressed import Change, keras_cv_layers
from tlkit_augment.flips import mirrored
from tlkit_augment.options import (
    BasicOptions,
    ColorJitterOptions,
    FlipRotateZoomOptions,
    RandAugmentOptions,
    ShiftFlipOptions,
)
from tlkit_augment.warps import Augment, Warp, drawn, each_sample, in_turn, on_batch


def shift_flip(ctx: tlkit.AugmentContext, options: ShiftFlipOptions) -> Augment | None:
    """Shift, then mirror, as in Keras's example of a ResNet on CIFAR-10; return None if both are switched off."""
    changes: list[Warp] = []
    if options.shift:
        changes.append(_shift(options.shift, options.fill_mode, options.fill_value, ctx.ignore))
    if options.flip:
        changes.append(mirrored())
    return on_batch(in_turn(changes), ctx.value_range) if changes else None


def flip_rotate_zoom(ctx: tlkit.AugmentContext, options: FlipRotateZoomOptions) -> Augment | None:
    """Mirror, rotate, zoom (Chollet 2021, Deep Learning with Python, 2nd edition, section 8.2.5).

    Returns:
        The policy; None if everything is switched off.
    """
    changes = _moves(flip=options.flip, rotate=options.rotate, zoom=options.zoom)
    return on_batch(in_turn(changes), ctx.value_range) if changes else None


def basic(ctx: tlkit.AugmentContext, options: BasicOptions) -> Augment | None:
    """Mirror, shift, rotate, zoom, then change brightness, contrast and saturation; return None if all are off."""
    color = options.color
    changes = [
        *_moves(flip=options.flip, shift=options.shift, rotate=options.rotate, zoom=options.zoom),
        *_colors(ctx, brightness=color / 2, contrast=color, saturation=color),
    ]
    return on_batch(in_turn(changes), ctx.value_range) if changes else None


def color_jitter(ctx: tlkit.AugmentContext, options: ColorJitterOptions) -> Augment | None:
    """Change brightness, contrast, saturation, then hue; return None if all are off. Masks stay as they are."""
    changes = _colors(
        ctx,
        brightness=options.brightness,
        contrast=options.contrast,
        saturation=options.saturation,
        hue=options.hue,
    )
    return on_batch(in_turn(changes), ctx.value_range, masks=False) if changes else None


def rand_augment(ctx: tlkit.AugmentContext, options: RandAugmentOptions) -> Augment:
    """RandAugment (Cubuk et al. 2019, arXiv:1909.13719): draw operations of keras-cv's standard policy per image."""
    images, masks = (
        keras_cv_layers().RandAugment.get_standard_policy(
            ctx.value_range, options.magnitude, options.magnitude_stddev, geometric=options.geometric
        )
        for _ in range(2)
    )
    changes = [_operation(image, mask) for image, mask in zip(images, masks, strict=True)]
    warp = drawn(changes, options.augmentations_per_image, options.rate)
    return on_batch(each_sample(warp), ctx.value_range, masks=options.geometric)


def _moves(*, flip: bool, rotate: float, zoom: float, shift: float = 0.0) -> list[Warp]:
    layers = keras_cv_layers()
    changes: list[Warp] = []
    if flip:
        changes.append(mirrored())
    if shift:
        changes.append(_shift(shift))
    if rotate:
        changes.append(_geometric(layers.RandomRotation, factor=rotate / 360))
    if zoom:
        changes.append(_geometric(layers.RandomZoom, height_factor=zoom))
    return changes


def _colors(
    ctx: tlkit.AugmentContext, *, brightness: float, contrast: float, saturation: float, hue: float = 0.0
) -> list[Warp]:
    layers = keras_cv_layers()
    changes: list[Warp] = []
    if brightness:
        changes.append(Change(layers.RandomBrightness(factor=brightness, value_range=ctx.value_range)))
    if contrast:
        changes.append(Change(layers.RandomContrast(factor=contrast, value_range=ctx.value_range)))
    if saturation:
        # For a drawn factor f the layer multiplies the saturation by f / (1 - f).
        low, high = (factor / (1 + factor) for factor in (1 - saturation, 1 + saturation))
        changes.append(Change(layers.RandomSaturation(factor=(low, high))))
    if hue:
        # The layer rotates the hue by up to half of its factor.
        changes.append(Change(layers.RandomHue(factor=2 * hue, value_range=ctx.value_range)))
    return changes


def _shift(share: float, fill_mode: str = "reflect", fill_value: float = 0.0, mask_fill_value: int = 0) -> Change:
    image, mask = (
        keras_cv_layers().RandomTranslation(
            height_factor=share,
            width_factor=share,
            fill_mode=fill_mode,
            fill_value=value,
            interpolation=interpolation,
        )
        for interpolation, value in (("bilinear", fill_value), ("nearest", float(mask_fill_value)))
    )
    return Change(image, mask)


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
