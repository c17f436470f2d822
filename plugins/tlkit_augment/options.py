"""The options of each policy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

import tlkit


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("expected the lower bound first")
    return pair


Share = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(ge=0.05, le=20)]
Length = Annotated[int, Field(ge=1, le=10)]
FillMode = Literal["nearest", "reflect", "constant"]


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


class ShiftFlipOptions(tlkit.Options):
    """Options of ``shift_flip``."""

    flip: bool = Field(True, description="mirror left and right, for half of the images")
    shift: float = Field(0.125, ge=0, le=0.5, description="shift by up to this share of the height and of the width")
    fill_mode: FillMode = Field(
        "nearest",
        description="what is beyond the border: nearest repeats its pixels, reflect mirrors the image, "
        "constant is fill_value, and ignored in masks",
    )
    fill_value: float = Field(0.0, ge=0, le=255, description="grey value beyond the border with fill_mode constant")


class FlipRotateZoomOptions(tlkit.Options):
    """Options of ``flip_rotate_zoom``; 0 switches a part off."""

    flip: bool = Field(True, description="mirror left and right, for half of the images")
    rotate: float = Field(36.0, ge=0, le=180, description="rotate by up to this many degrees either way")
    zoom: float = Field(0.2, ge=0, le=0.9, description="zoom in or out by up to this share, both sides alike")


class ColorJitterOptions(tlkit.Options):
    """Options of ``color_jitter``; 0 switches a part off."""

    brightness: float = Field(0.15, ge=0, le=1, description="brighten or darken by up to this share of the value range")
    contrast: float = Field(0.3, ge=0, le=1, description="contrast times 1 ± up to this")
    saturation: float = Field(0.3, ge=0, le=1, description="saturation times 1 ± up to this")
    hue: float = Field(
        0.05, ge=0, le=0.5, description="turn the hue by up to this share of the colour circle either way"
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


class AugMixOptions(tlkit.Options):
    """Options of ``aug_mix``."""

    severity: float = Field(
        0.3, ge=0.1, le=1, description="greatest strength of an operation; the paper's 3 of 10 is 0.3"
    )
    width: int = Field(3, ge=1, le=10, description="how many chains of operations are mixed")
    depth: Annotated[tuple[Length, Length], AfterValidator(_ordered)] = Field(
        (1, 3), description="least and greatest number of operations in a chain"
    )
    alpha: float = Field(
        1.0,
        ge=0.001,
        le=100,
        description="of the Dirichlet and Beta distributions that weigh chains and original; 1 makes all mixtures "
        "equally likely, more evens them out",
    )


class RandomErasingOptions(tlkit.Options):
    """Options of ``random_erasing``."""

    rate: float = Field(0.5, ge=0, le=1, description="share of the images that lose a rectangle")
    area: Annotated[tuple[Share, Share], AfterValidator(_ordered)] = Field(
        (0.02, 0.4), description="least and greatest area of the rectangle as a share of the image"
    )
    aspect: Annotated[tuple[Ratio, Ratio], AfterValidator(_ordered)] = Field(
        (0.3, 1 / 0.3), description="least and greatest height of the rectangle divided by its width"
    )
    fill: Literal["noise", "mean", "constant"] = Field(
        "noise",
        description="noise in each pixel and channel, the mean colour of the image, or fill_value everywhere",
    )
    fill_value: float = Field(0.0, ge=0, le=255, description="grey value of the rectangle with fill constant")
    mask: Literal["keep", "ignore"] = Field(
        "keep",
        description="whether the mask below the rectangle stays, so that the network guesses what is hidden, "
        "or is ignored",
    )


class MixUpOptions(tlkit.Options):
    """Options of ``mixup``."""

    alpha: float = Field(
        0.2,
        ge=0.001,
        le=100,
        description="of the Beta distribution of an image's own weight: below 1 it is mostly near 0 or 1, "
        "at 1 uniform, above mostly near one half",
    )
    rate: float = Field(1.0, ge=0, le=1, description="share of the images that are mixed")


class CutMixOptions(tlkit.Options):
    """Options of ``cutmix``."""

    alpha: float = Field(
        1.0,
        ge=0.001,
        le=100,
        description="of the Beta distribution of the area that stays an image's own: below 1 it is mostly near none "
        "or all, at 1 uniform, above mostly near one half",
    )
    rate: float = Field(1.0, ge=0, le=1, description="share of the images that get a piece of another")
