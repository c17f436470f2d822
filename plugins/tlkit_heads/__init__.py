"""Heads for classification and decoders for segmentation; ``_HEADS`` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import Field

import tlkit

Share = Annotated[float, Field(ge=0, lt=1)]
Channels = Annotated[int, Field(ge=1, le=8192)]
Activation = Literal["relu", "gelu", "silu", "elu", "selu", "tanh", "leaky_relu"]


class LinearOptions(tlkit.Options):
    """Options of ``linear``."""

    dropout: Share = Field(0.2, description="share of the pooled features that is dropped before the dense layer")


class MlpOptions(tlkit.Options):
    """Options of ``mlp``."""

    units: tuple[Channels, ...] = Field((256,), min_length=1, description="units of each hidden layer")
    activation: Activation = Field("relu", description="activation of the hidden layers")
    batch_norm: bool = Field(False, description="BatchNormalization between each hidden layer and its activation")
    dropout: Share = Field(0.5, description="share that is dropped behind each hidden layer")


class FlattenMlpOptions(tlkit.Options):
    """Options of ``flatten_mlp``."""

    units: tuple[Channels, ...] = Field(
        (4096, 4096), description="units of each hidden layer; VGG and AlexNet: 4096 twice"
    )
    activation: Activation = Field("relu", description="activation of the hidden layers")
    dropout: Share = Field(0.5, description="share that is dropped behind each hidden layer")


class LinearSegOptions(tlkit.Options):
    """Options of ``linear_seg``."""

    stride: Literal[2, 4, 8, 16, 32] = Field(
        32, description="stride of the feature map that is used; without one, the next finer"
    )
    dropout: Share = Field(0.0, description="share of the feature map's channels that is dropped")


class FpnOptions(tlkit.Options):
    """Options of ``fpn``."""

    pyramid_filters: Channels = Field(256, description="channels of the pyramid")
    filters: Channels = Field(128, description="channels of the convolutions behind it")
    dropout: Share = Field(0.0, description="share of the last feature map's channels that is dropped")


class DeepLabOptions(tlkit.Options):
    """Options of ``deeplabv3plus``."""

    filters: Channels = Field(256, description="channels of each branch and of the decoder")
    low_filters: Channels = Field(48, description="channels that the map at stride 4 is reduced to")
    rates: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        (6, 12, 18), description="dilation of each 3x3 branch; halve them for small images"
    )
    stride: Literal[8, 16, 32] = Field(16, description="where the branches work; coarser maps are resized to it")
    dropout: Share = Field(0.0, description="share of the last feature map's channels that is dropped")


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
    convs: Annotated[int, Field(ge=1, le=4)] = Field(
        1, description="transposed convolutions a stage; the last of them doubles the size"
    )
    logits_kernel: Literal[1, 3] = Field(1, description="of the convolution that gives the logits")


class _Build:
    """Calls ``build`` of a head's module, which is imported then."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, features: Mapping[int, Any], ctx: tlkit.HeadContext, options: Any) -> Any:
        return import_module(f"tlkit_heads.{self._name}").build(features, ctx, options)


_HEADS: tuple[tuple[str, tlkit.Task, type[tlkit.Options], str], ...] = (
    ("linear", "classification", LinearOptions, "global average pooling, dropout, one dense layer"),
    ("mlp", "classification", MlpOptions, "global average pooling and hidden dense layers"),
    ("flatten_mlp", "classification", FlattenMlpOptions, "hidden dense layers on the flattened feature map"),
    (
        "unet",
        "segmentation",
        UnetOptions,
        "decoder with skips from the backbone's strides (Ronneberger et al. 2015, arXiv:1505.04597)",
    ),
    ("transpose", "segmentation", TransposeOptions, "ladder of stride-2 transposed convolutions, without skips"),
    ("fpn", "segmentation", FpnOptions, "feature pyramid, its levels summed (Kirillov et al. 2019, arXiv:1901.02446)"),
    (
        "deeplabv3plus",
        "segmentation",
        DeepLabOptions,
        "parallel dilated convolutions and one skip (Chen et al. 2018, arXiv:1802.02611)",
    ),
    (
        "linear_seg",
        "segmentation",
        LinearSegOptions,
        "1x1 convolution and resizing (Long et al. 2015, arXiv:1411.4038)",
    ),
)


@tlkit.hookimpl
def tlkit_heads() -> list[tlkit.Head]:
    """The first-party heads."""
    return [
        tlkit.Head(name=name, summary=summary, task=task, options=options, build=_Build(name))
        for name, task, options, summary in _HEADS
    ]
