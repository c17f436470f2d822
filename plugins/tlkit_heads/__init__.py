"""Heads: ``linear`` and ``mlp`` for classification, ``unet`` and ``transpose`` for segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

import tlkit

Share = Annotated[float, Field(ge=0, lt=1)]
Channels = Annotated[int, Field(ge=1, le=8192)]


class LinearOptions(tlkit.Options):
    """Options of ``linear``."""

    dropout: Share = Field(0.2, description="share of the pooled features that is dropped before the dense layer")


class MlpOptions(tlkit.Options):
    """Options of ``mlp``."""

    units: tuple[Channels, ...] = Field((256,), min_length=1, description="units of each hidden layer")
    activation: Literal["relu", "gelu", "silu", "elu", "selu", "tanh", "leaky_relu"] = Field(
        "relu", description="activation of the hidden layers"
    )
    batch_norm: bool = Field(False, description="BatchNormalization between each hidden layer and its activation")
    dropout: Share = Field(0.5, description="share that is dropped behind each hidden layer")


class DecoderOptions(tlkit.Options):
    """What the segmentation heads have in common."""

    filters: tuple[Channels, ...] = Field(
        (256, 128, 64, 32, 16),
        min_length=1,
        description="channels of the decoder, coarse to fine; the last are those at stride 1, the ones before at "
        "stride 2, and so on; coarser stages than given have the first",
    )
    output_stride: Literal[1, 2, 4, 8] = Field(
        1, description="stride, in pixels of the image, at which the decoder ends; the rest is bilinear resizing"
    )
    batch_norm: bool = Field(True, description="BatchNormalization behind each convolution")
    dropout: Share = Field(0.0, description="share of the last feature map's channels that is dropped")


class UnetOptions(DecoderOptions):
    """Options of ``unet``."""

    upsampling: Literal["bilinear", "nearest", "transpose"] = Field(
        "bilinear", description="how a feature map is doubled in size; transpose: a learnt 2x2 Conv2DTranspose"
    )


class TransposeOptions(DecoderOptions):
    """Options of ``transpose``."""

    kernel_size: Literal[2, 3, 4, 5] = Field(
        4, description="of the transposed convolutions; sizes that 2 does not divide leave checkerboards"
    )


def _linear(features: Mapping[int, Any], ctx: tlkit.HeadContext, options: LinearOptions) -> Any:
    from tlkit_heads.linear import build

    return build(features, ctx, options)


def _mlp(features: Mapping[int, Any], ctx: tlkit.HeadContext, options: MlpOptions) -> Any:
    from tlkit_heads.mlp import build

    return build(features, ctx, options)


def _unet(features: Mapping[int, Any], ctx: tlkit.HeadContext, options: UnetOptions) -> Any:
    from tlkit_heads.unet import build

    return build(features, ctx, options)


def _transpose(features: Mapping[int, Any], ctx: tlkit.HeadContext, options: TransposeOptions) -> Any:
    from tlkit_heads.transpose import build

    return build(features, ctx, options)


@tlkit.hookimpl
def tlkit_heads() -> list[tlkit.Head]:
    """The first-party heads."""
    return [
        tlkit.Head(
            name="linear",
            summary="global average pooling, dropout, one dense layer",
            task="classification",
            options=LinearOptions,
            build=_linear,
        ),
        tlkit.Head(
            name="mlp",
            summary="global average pooling and hidden dense layers",
            task="classification",
            options=MlpOptions,
            build=_mlp,
        ),
        tlkit.Head(
            name="unet",
            summary="decoder with skips from the backbone's strides (Ronneberger et al. 2015, arXiv:1505.04597)",
            task="segmentation",
            options=UnetOptions,
            build=_unet,
        ),
        tlkit.Head(
            name="transpose",
            summary="ladder of stride-2 transposed convolutions, without skips",
            task="segmentation",
            options=TransposeOptions,
            build=_transpose,
        ),
    ]
