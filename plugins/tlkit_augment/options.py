"""The options of each policy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

import tlkit


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("expected the lower bound first")
    return pair


Fraction = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(ge=0.05, le=20)]
Length = Annotated[int, Field(ge=1, le=10)]
Alpha = Annotated[float, Field(ge=0.001, le=100)]
FillMode = Literal["nearest", "reflect", "constant"]

_FLIP = "mirror left and right, with probability one half"
_SHIFT = "shift by up to this fraction of the height and of the width"
_ROTATE = "rotate by up to this many degrees in either direction"
_ZOOM = "zoom in or out by up to this fraction, keeping the aspect ratio"


class NoneOptions(tlkit.Options, defer_build=True):
    """``none`` has no options."""


class FlipOptions(tlkit.Options, defer_build=True):
    """Options of ``flip``."""

    horizontal: bool = Field(True, description=_FLIP)
    vertical: bool = Field(False, description="mirror top and bottom, with probability one half")


class BasicOptions(tlkit.Options, defer_build=True):
    """Options of ``basic``; 0 switches a part off."""

    flip: bool = Field(True, description=_FLIP)
    shift: float = Field(0.1, ge=0, le=0.5, description=_SHIFT)
    rotate: float = Field(10.0, ge=0, le=180, description=_ROTATE)
    zoom: float = Field(0.1, ge=0, le=0.9, description=_ZOOM)
    color: float = Field(
        0.2,
        ge=0,
        le=1,
        description="strength of the colour changes: brightness changes by up to half of it (as a fraction of the "
        "value range), contrast and saturation by a factor of 1 ± it",
    )


class ShiftFlipOptions(tlkit.Options, defer_build=True):
    """Options of ``shift_flip``."""

    flip: bool = Field(True, description=_FLIP)
    shift: float = Field(0.125, ge=0, le=0.5, description=_SHIFT)
    fill_mode: FillMode = Field(
        "nearest",
        description="what fills the area beyond the border: nearest repeats the border's pixels, reflect mirrors the "
        "image, constant uses fill_value, and marks the area as ignored in masks",
    )
    fill_value: float = Field(0.0, ge=0, le=255, description='grey value beyond the border with fill_mode = "constant"')


class FlipRotateZoomOptions(tlkit.Options, defer_build=True):
    """Options of ``flip_rotate_zoom``; 0 switches a part off."""

    flip: bool = Field(True, description=_FLIP)
    rotate: float = Field(36.0, ge=0, le=180, description=_ROTATE)
    zoom: float = Field(0.2, ge=0, le=0.9, description=_ZOOM)


class ColorJitterOptions(tlkit.Options, defer_build=True):
    """Options of ``color_jitter``; 0 switches a part off."""

    brightness: float = Field(
        0.15, ge=0, le=1, description="brighten or darken by up to this fraction of the value range"
    )
    contrast: float = Field(0.3, ge=0, le=1, description="multiply the contrast by 1 ± up to this")
    saturation: float = Field(0.3, ge=0, le=1, description="multiply the saturation by 1 ± up to this")
    hue: float = Field(
        0.05, ge=0, le=0.5, description="rotate the hue by up to this fraction of the colour circle in either direction"
    )


class RandAugmentOptions(tlkit.Options, defer_build=True):
    """Options of ``rand_augment``."""

    magnitude: float = Field(0.3, ge=0, le=1, description="mean strength of the changes; 1 is the strongest")
    magnitude_stddev: float = Field(0.15, ge=0, le=1, description="standard deviation of the strength")
    augmentations_per_image: int = Field(3, ge=1, le=10, description="number of changes drawn per image")
    rate: float = Field(
        10 / 11, ge=0, le=1, description="probability that a drawn change is applied; 10/11 as in the paper"
    )
    geometric: bool = Field(True, description="include shear and shift, which move image and mask together")


class AugMixOptions(tlkit.Options, defer_build=True):
    """Options of ``aug_mix``."""

    severity: float = Field(
        0.3, ge=0.1, le=1, description="maximum strength of an operation; the paper's 3 of 10 is 0.3"
    )
    width: int = Field(3, ge=1, le=10, description="number of chains of operations to mix")
    depth: Annotated[tuple[Length, Length], AfterValidator(_ordered)] = Field(
        (1, 3), description="minimum and maximum number of operations in a chain"
    )
    alpha: Alpha = Field(
        1.0,
        description="parameter of the Dirichlet and Beta distributions that weight the chains and the original; 1: all "
        "mixtures are equally likely; larger values make the weights more even",
    )


class RandomErasingOptions(tlkit.Options, defer_build=True):
    """Options of ``random_erasing``."""

    rate: float = Field(0.5, ge=0, le=1, description="fraction of the images that lose a rectangle")
    area: Annotated[tuple[Fraction, Fraction], AfterValidator(_ordered)] = Field(
        (0.02, 0.4), description="minimum and maximum area of the rectangle, as a fraction of the image"
    )
    aspect: Annotated[tuple[Ratio, Ratio], AfterValidator(_ordered)] = Field(
        (0.3, 1 / 0.3), description="minimum and maximum height of the rectangle divided by its width"
    )
    fill: Literal["noise", "mean", "constant"] = Field(
        "noise",
        description="what the rectangle holds: noise per pixel and channel, the image's mean colour, or fill_value",
    )
    fill_value: float = Field(0.0, ge=0, le=255, description='grey value of the rectangle with fill = "constant"')
    mask: Literal["keep", "ignore"] = Field(
        "keep",
        description="what happens to the mask under the rectangle: keep it, so that the network learns to guess what "
        "is hidden, or ignore those pixels",
    )


class MixUpOptions(tlkit.Options, defer_build=True):
    """Options of ``mixup``."""

    alpha: Alpha = Field(
        0.2,
        description="parameter of the Beta distribution of an image's own weight: mostly near 0 or 1 for values below "
        "1, uniform at 1, mostly near one half above 1",
    )
    rate: float = Field(1.0, ge=0, le=1, description="fraction of the images that are mixed")


class CutMixOptions(tlkit.Options, defer_build=True):
    """Options of ``cutmix``."""

    alpha: Alpha = Field(
        1.0,
        description="parameter of the Beta distribution of the area an image keeps: mostly near none or all for values "
        "below 1, uniform at 1, mostly near one half above 1",
    )
    rate: float = Field(1.0, ge=0, le=1, description="fraction of the images that receive a piece of another")
