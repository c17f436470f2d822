"""Augmentation policies on keras-cv 0.9's layers: ``none``, ``flip``, ``basic`` and ``rand_augment``.

keras-cv lives in this package and nowhere else, and is imported when a policy is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import Field

import tlkit

Augment = Callable[[dict[str, Any], Any], dict[str, Any]]


class NoneOptions(tlkit.Options):
    """``none`` has no options."""


class FlipOptions(tlkit.Options):
    """Options of ``flip``."""

    horizontal: bool = Field(True, description="mirror left and right, for half of the images")
    vertical: bool = Field(False, description="mirror top and bottom, for half of the images")


class BasicOptions(tlkit.Options):
    """Options of ``basic``; 0 switches a part off."""

    flip: bool = Field(True, description="mirror left and right, for half of the images")
    shift: float = Field(0.1, ge=0, le=0.5, description="shift by up to this share of the height and of the width")
    rotate: float = Field(10.0, ge=0, le=180, description="rotate by up to this many degrees either way")
    zoom: float = Field(0.1, ge=0, le=0.9, description="zoom in or out by up to this share, both sides alike")
    color: float = Field(
        0.2,
        ge=0,
        le=1,
        description="strength of the colour changes: brightness ± half of it (of the value range), "
        "contrast and saturation times 1 ± it",
    )


class RandAugmentOptions(tlkit.Options):
    """Options of ``rand_augment``."""

    magnitude: float = Field(0.3, ge=0, le=1, description="mean strength of the changes, 1 is the strongest")
    magnitude_stddev: float = Field(0.15, ge=0, le=1, description="standard deviation of the strength")
    augmentations_per_image: int = Field(3, ge=1, le=10, description="how many changes are drawn for each image")
    rate: float = Field(
        10 / 11, ge=0, le=1, description="probability that a drawn change is made; 10/11 as in the paper"
    )
    geometric: bool = Field(True, description="shear and shift as well, image and mask alike")


def build_none(ctx: tlkit.AugmentContext, options: NoneOptions) -> None:
    """Nothing is to be done."""


def build_flip(ctx: tlkit.AugmentContext, options: FlipOptions) -> Augment | None:  # noqa: ARG001
    """Mirror images and masks; None when both directions are switched off."""
    from tlkit_augment.policies import flip

    return flip(options)


def build_basic(ctx: tlkit.AugmentContext, options: BasicOptions) -> Augment | None:
    """Mirror, shift, rotate, zoom and recolour a little; None when everything is switched off."""
    from tlkit_augment.policies import basic

    return basic(ctx, options)


def build_rand_augment(ctx: tlkit.AugmentContext, options: RandAugmentOptions) -> Augment:
    """RandAugment (Cubuk et al. 2019, arXiv:1909.13719) with keras-cv's standard operations."""
    from tlkit_augment.policies import rand_augment

    return rand_augment(ctx, options)


@tlkit.hookimpl
def tlkit_augmentations() -> Iterable[tlkit.Augmentation]:
    """The policies of this package."""
    return [
        tlkit.Augmentation(name="none", summary="leave the images as they are", options=NoneOptions, build=build_none),
        tlkit.Augmentation(
            name="flip", summary="mirror half of the images, masks alike", options=FlipOptions, build=build_flip
        ),
        tlkit.Augmentation(
            name="basic",
            summary="mirror, shift, rotate, zoom and mild colour; masks alike, borders are reflected",
            options=BasicOptions,
            build=build_basic,
        ),
        tlkit.Augmentation(
            name="rand_augment",
            summary="RandAugment: some random changes for each image; masks alike, borders are reflected",
            options=RandAugmentOptions,
            build=build_rand_augment,
        ),
    ]
