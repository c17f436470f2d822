"""The options of the core's own backbones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tlkit.contracts import BackboneOptions

_ALPHA = "multiplies the channels of every layer: "
_SIZE = "side in pixels of the images that the published weights were trained on; no effect with other weights"


def _among(*allowed: float) -> AfterValidator:
    def check(value: float) -> float:
        if value not in allowed:
            raise ValueError(f"expected one of {', '.join(map(str, allowed))}")
        return value

    return AfterValidator(check)


class MobileNetOptions(BackboneOptions, defer_build=True):
    """Width of MobileNet (Howard et al. 2017, arXiv:1704.04861)."""

    alpha: Annotated[float, _among(0.25, 0.5, 0.75, 1.0)] = Field(1.0, description=f"{_ALPHA}0.25, 0.5, 0.75 or 1.0")
    weights_size: Literal[128, 160, 192, 224] = Field(224, description=_SIZE)


class MobileNetV2Options(BackboneOptions, defer_build=True):
    """Width of MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381)."""

    alpha: Annotated[float, _among(0.35, 0.5, 0.75, 1.0, 1.3, 1.4)] = Field(
        1.0, description=f"{_ALPHA}0.35, 0.5, 0.75, 1.0, 1.3 or 1.4"
    )
    weights_size: Literal[96, 128, 160, 192, 224] = Field(224, description=_SIZE)


class MobileNetV3Options(BackboneOptions, defer_build=True):
    """Variants of MobileNetV3 (Howard et al. 2019, arXiv:1905.02244)."""

    alpha: Annotated[float, _among(0.75, 1.0)] = Field(1.0, description=f"{_ALPHA}0.75 or 1.0")
    minimalistic: bool = Field(False, description="without squeeze-and-excitation, hard-swish and 5x5 convolutions")


class SmallEncoderOptions(BackboneOptions, defer_build=True):
    """A small encoder from scratch."""

    weights: str = Field("none", description='"none" (random), a weights file, or the folder of an earlier run')
    filters: tuple[int, ...] = Field(
        (16, 32, 64, 96), min_length=1, max_length=6, description="channels of each stage; each halves the size"
    )
    convs: int = Field(2, ge=1, description="convolutions per stage")
