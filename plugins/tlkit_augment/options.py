"""Options of the policies. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

import tlkit

Share = Annotated[float, Field(ge=0, le=1)]
Border = Literal["reflect", "nearest", "constant"]
_BORDER = "what stands outside the image: its mirror image, its nearest pixel, or black (ignored in masks)"


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
    """Options of ``shift_flip``; as they stand, those that are usual for CIFAR (He et al. 2016, arXiv:1512.03385)."""

    shift: float = Field(0.125, ge=0, le=0.5, description="shift by up to this share of the height and of the width")
    flip: bool = Field(True, description="mirror left and right, for half of the images")
    border: Border = Field("nearest", description=_BORDER)


class FlipRotateZoomOptions(tlkit.Options):
    """Options of ``flip_rotate_zoom``; as they stand, those of Chollet, Deep Learning with Python, section 8.2.5."""

    flip: bool = Field(True, description="mirror left and right, for half of the images")
    rotate: float = Field(36.0, ge=0, le=180, description="rotate by up to this many degrees either way")
    zoom: float = Field(0.2, ge=0, le=0.9, description="zoom in or out by up to this share, both sides alike")
    border: Border = Field("reflect", description=_BORDER)


class ColorJitterOptions(tlkit.Options):
    """Options of ``color_jitter``; 0 switches a part off."""

    brightness: Share = Field(0.2, description="added: up to this share of the value range either way")
    contrast: Share = Field(0.2, description="contrast times 1 ± this")
    saturation: Share = Field(0.2, description="saturation times 1 ± this")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.05, description="turned by up to this share of the colour circle either way"
    )


class RandAugmentOptions(tlkit.Options):
    """Options of ``rand_augment``."""

    magnitude: Share = Field(0.3, description="mean strength of the changes, 1 is the strongest")
    magnitude_stddev: Share = Field(0.15, description="standard deviation of the strength")
    augmentations_per_image: int = Field(3, ge=1, le=10, description="how many changes are drawn for each image")
    rate: Share = Field(10 / 11, description="probability that a drawn change is made; 10/11 as in the paper")
    geometric: bool = Field(True, description="shear and shift as well, image and mask alike")


class AugMixOptions(tlkit.Options):
    """Options of ``aug_mix``."""

    severity: float = Field(3.0, gt=0, le=10, description="strength of the changes, up to 10")
    width: int = Field(3, ge=1, le=8, description="chains of changes that are mixed")
    depth: int = Field(3, ge=1, le=8, description="changes in a chain, at the most; each chain has 1 to so many")
    alpha: float = Field(1.0, gt=0, description="of the Dirichlet and Beta distributions of the shares")


class RandomErasingOptions(tlkit.Options):
    """Options of ``random_erasing``."""

    rate: Share = Field(0.5, description="probability that an image loses a rectangle")
    area: tuple[Share, Share] = Field((0.02, 0.33), description="least and greatest share of the image's area")
    aspect: tuple[float, float] = Field((0.3, 3.3), description="least and greatest height over width of the rectangle")
    fill: Literal["noise", "grey", "black"] = Field("noise", description="what stands in the rectangle")
    mask: Literal["keep", "ignore"] = Field(
        "keep", description="what becomes of a mask's pixels there: still to be predicted, or ignored"
    )

    @model_validator(mode="after")
    def _rising(self) -> RandomErasingOptions:
        for name in ("area", "aspect"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}: expected 0 < least <= greatest, received {low:g} and {high:g}")
        return self


class MixUpOptions(tlkit.Options):
    """Options of ``mixup``."""

    alpha: float = Field(0.2, gt=0, le=10, description="of the Beta distribution of the shares; 1 is uniform")
    rate: Share = Field(1.0, description="probability that an image is mixed")


class CutMixOptions(tlkit.Options):
    """Options of ``cutmix``."""

    alpha: float = Field(1.0, gt=0, le=10, description="of the Beta distribution of the pasted area; 1 is uniform")
    rate: Share = Field(0.5, description="probability that an image gets a rectangle of another")
