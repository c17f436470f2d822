"""Augmentation policies on keras-cv 0.9's layers, and policies that mix images.

keras-cv lives in this package and nowhere else, and is imported when a policy is built.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import tlkit
from tlkit_augment.options import (
    AugMixOptions,
    BasicOptions,
    ColorJitterOptions,
    CutMixOptions,
    FlipOptions,
    FlipRotateZoomOptions,
    MixUpOptions,
    NoneOptions,
    RandAugmentOptions,
    RandomErasingOptions,
    ShiftFlipOptions,
)

if TYPE_CHECKING:
    from tlkit_augment.warps import Augment


def build_none(ctx: tlkit.AugmentContext, options: NoneOptions) -> None:
    """Nothing is to be done."""


def build_flip(ctx: tlkit.AugmentContext, options: FlipOptions) -> Augment | None:  # noqa: ARG001
    """Mirror images and masks; None when both directions are switched off."""
    from tlkit_augment.policies import flip

    return flip(options)


def build_shift_flip(ctx: tlkit.AugmentContext, options: ShiftFlipOptions) -> Augment | None:
    """Shift and mirror images and masks; None when both are switched off."""
    from tlkit_augment.policies import shift_flip

    return shift_flip(ctx, options)


def build_flip_rotate_zoom(ctx: tlkit.AugmentContext, options: FlipRotateZoomOptions) -> Augment | None:
    """Mirror, rotate and zoom images and masks; None when everything is switched off."""
    from tlkit_augment.policies import flip_rotate_zoom

    return flip_rotate_zoom(ctx, options)


def build_basic(ctx: tlkit.AugmentContext, options: BasicOptions) -> Augment | None:
    """Mirror, shift, rotate, zoom and recolour a little; None when everything is switched off."""
    from tlkit_augment.policies import basic

    return basic(ctx, options)


def build_color_jitter(ctx: tlkit.AugmentContext, options: ColorJitterOptions) -> Augment | None:
    """Change brightness, contrast, saturation and hue; None when everything is switched off."""
    from tlkit_augment.policies import color_jitter

    return color_jitter(ctx, options)


def build_rand_augment(ctx: tlkit.AugmentContext, options: RandAugmentOptions) -> Augment:
    """RandAugment (Cubuk et al. 2019, arXiv:1909.13719) with keras-cv's standard operations."""
    from tlkit_augment.policies import rand_augment

    return rand_augment(ctx, options)


def build_aug_mix(ctx: tlkit.AugmentContext, options: AugMixOptions) -> Augment:
    """AugMix (Hendrycks et al. 2020, arXiv:1912.02781); for segmentation without its geometric operations."""
    from tlkit_augment.augmix import aug_mix

    return aug_mix(ctx, options)


def build_random_erasing(ctx: tlkit.AugmentContext, options: RandomErasingOptions) -> Augment | None:
    """Random erasing (Zhong et al. 2017, arXiv:1708.04896); None at rate 0."""
    from tlkit_augment.erasing import random_erasing

    return random_erasing(ctx, options)


def build_mixup(ctx: tlkit.AugmentContext, options: MixUpOptions) -> Augment | None:
    """mixup (Zhang et al. 2018, arXiv:1710.09412); None at rate 0."""
    from tlkit_augment.mixing import mixup

    return mixup(ctx, options)


def build_cutmix(ctx: tlkit.AugmentContext, options: CutMixOptions) -> Augment | None:  # noqa: ARG001
    """CutMix (Yun et al. 2019, arXiv:1905.04899); None at rate 0."""
    from tlkit_augment.mixing import cutmix

    return cutmix(options)


@tlkit.hookimpl
def tlkit_augmentations() -> Iterable[tlkit.Augmentation]:
    """The policies of this package."""
    return [
        tlkit.Augmentation(name="none", summary="leave the images as they are", options=NoneOptions, build=build_none),
        tlkit.Augmentation(
            name="flip", summary="mirror half of the images, masks alike", options=FlipOptions, build=build_flip
        ),
        tlkit.Augmentation(
            name="shift_flip",
            summary="shift by up to an eighth and mirror, as for ResNets on CIFAR; masks alike",
            options=ShiftFlipOptions,
            build=build_shift_flip,
        ),
        tlkit.Augmentation(
            name="flip_rotate_zoom",
            summary="mirror, rotate and zoom; masks alike, borders are reflected",
            options=FlipRotateZoomOptions,
            build=build_flip_rotate_zoom,
        ),
        tlkit.Augmentation(
            name="basic",
            summary="mirror, shift, rotate, zoom and mild colour; masks alike, borders are reflected",
            options=BasicOptions,
            build=build_basic,
        ),
        tlkit.Augmentation(
            name="color_jitter",
            summary="brightness, contrast, saturation and hue",
            options=ColorJitterOptions,
            build=build_color_jitter,
        ),
        tlkit.Augmentation(
            name="rand_augment",
            summary="RandAugment: some random changes for each image; masks alike, borders are reflected",
            options=RandAugmentOptions,
            build=build_rand_augment,
        ),
        tlkit.Augmentation(
            name="aug_mix",
            summary="AugMix: each image mixed with chains of changes of itself; with masks, changes of colour only",
            options=AugMixOptions,
            build=build_aug_mix,
        ),
        tlkit.Augmentation(
            name="random_erasing",
            summary="overwrite a rectangle of some images with noise or a colour",
            options=RandomErasingOptions,
            build=build_random_erasing,
        ),
        tlkit.Augmentation(
            name="mixup",
            summary="weighted means of two images and of their labels or masks",
            options=MixUpOptions,
            build=build_mixup,
            soft_labels=True,
        ),
        tlkit.Augmentation(
            name="cutmix",
            summary="paste a rectangle of another image and its mask; labels are mixed by area",
            options=CutMixOptions,
            build=build_cutmix,
            soft_labels=True,
        ),
    ]
