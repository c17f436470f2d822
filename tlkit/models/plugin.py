"""The core's own backbones, offered through the same hook as those of plugins. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tlkit.contracts import Backbone, BackboneOptions, lazy
from tlkit.hookspecs import hookimpl
from tlkit.models.families import APPLICATIONS
from tlkit.models.scratch import scratch_backbones

_ALPHA = "multiplies the channels of every layer: "
_SIZE = "side in pixels of the images that the published weights were trained on; no effect with other weights"


def _among(*allowed: float) -> AfterValidator:
    def check(value: float) -> float:
        if value not in allowed:
            raise ValueError(f"expected one of {', '.join(map(str, allowed))}")
        return value

    return AfterValidator(check)


class MobileNetOptions(BackboneOptions):
    """Width of MobileNet (Howard et al. 2017, arXiv:1704.04861)."""

    alpha: Annotated[float, _among(0.25, 0.5, 0.75, 1.0)] = Field(1.0, description=f"{_ALPHA}0.25, 0.5, 0.75 or 1.0")
    weights_size: Literal[128, 160, 192, 224] = Field(224, description=_SIZE)


class MobileNetV2Options(BackboneOptions):
    """Width of MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381)."""

    alpha: Annotated[float, _among(0.35, 0.5, 0.75, 1.0, 1.3, 1.4)] = Field(
        1.0, description=f"{_ALPHA}0.35, 0.5, 0.75, 1.0, 1.3 or 1.4"
    )
    weights_size: Literal[96, 128, 160, 192, 224] = Field(224, description=_SIZE)


class MobileNetV3Options(BackboneOptions):
    """Variants of MobileNetV3 (Howard et al. 2019, arXiv:1905.02244)."""

    alpha: Annotated[float, _among(0.75, 1.0)] = Field(1.0, description=f"{_ALPHA}0.75 or 1.0")
    minimalistic: bool = Field(False, description="without squeeze-and-excitation, hard-swish and 5x5 convolutions")


class SmallEncoderOptions(BackboneOptions):
    """A small encoder from scratch."""

    weights: str = Field("none", description='"none" (random), a weights file, or the folder of an earlier run')
    filters: tuple[int, ...] = Field(
        (16, 32, 64, 96), min_length=1, max_length=6, description="channels of each stage; each halves the size"
    )
    convs: int = Field(2, ge=1, description="convolutions per stage")


_OPTIONS: Mapping[str, type[BackboneOptions]] = {
    "mobilenet": MobileNetOptions,
    "mobilenet_v2": MobileNetV2Options,
    "mobilenet_v3": MobileNetV3Options,
}
_FOLD_RESCALING = lazy("tlkit.models.applications:fold_efficientnet_rescaling")


@hookimpl
def tlkit_backbones() -> list[Backbone]:
    """Offer the models of keras.applications under their Keras names, and the backbones built from scratch."""
    applications = [
        Backbone(
            name=application.name,
            summary=application.summary,
            options=_OPTIONS.get(application.family, BackboneOptions),
            build=partial(lazy("tlkit.models.applications:build_application"), application),
            pretrained=partial(lazy("tlkit.models.applications:pretrained_file"), application),
            loaded=_FOLD_RESCALING if application.family == "efficientnet" else None,
        )
        for application in APPLICATIONS
    ]
    encoder = Backbone(
        name="small_encoder",
        summary="from scratch: stages of 3x3 convolution, BatchNorm and ReLU, each at half the size of the last",
        options=SmallEncoderOptions,
        build=lazy("tlkit.models.encoder:build_small_encoder"),
        takes_standardized=True,
    )
    return [*applications, encoder, *scratch_backbones()]
