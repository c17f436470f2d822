"""The options of each head."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

import tlkit

Fraction = Annotated[float, Field(ge=0, lt=1)]
Channels = Annotated[int, Field(ge=1, le=8192)]
ChannelDropout = Annotated[
    Fraction, Field(description="fraction of the last feature map's channels dropped before the logits")
]
Activation = Literal["relu", "gelu", "silu", "elu", "selu", "tanh", "leaky_relu"]


class LinearOptions(tlkit.Options, defer_build=True):
    """Options of ``linear``."""

    dropout: Fraction = Field(0.2, description="fraction of the pooled features dropped before the dense layer")


class MlpOptions(tlkit.Options, defer_build=True):
    """Options of ``mlp``."""

    units: tuple[Channels, ...] = Field((256,), min_length=1, description="units of each hidden layer")
    activation: Activation = Field("relu", description="activation of the hidden layers")
    batch_norm: bool = Field(False, description="add BatchNormalization between each hidden layer and its activation")
    dropout: Fraction = Field(0.5, description="fraction of the units dropped after each hidden layer")


class FlattenMlpOptions(tlkit.Options, defer_build=True):
    """Options of ``flatten_mlp``."""

    units: tuple[Channels, ...] = Field(
        (4096, 4096), description="units of each hidden layer; VGG and AlexNet have two of 4096"
    )
    activation: Activation = Field("relu", description="activation of the hidden layers")
    dropout: Fraction = Field(0.5, description="fraction of the units dropped after each hidden layer")


class LinearSegOptions(tlkit.Options, defer_build=True):
    """Options of ``linear_seg``."""

    stride: Literal[2, 4, 8, 16, 32] = Field(
        32, description="stride of the feature map to classify; the next finer one if the backbone lacks it"
    )
    dropout: ChannelDropout = 0.0


class FpnOptions(tlkit.Options, defer_build=True):
    """Options of ``fpn``."""

    pyramid_filters: Channels = Field(256, description="channels of the pyramid's levels")
    filters: Channels = Field(128, description="channels of the 3x3 convolutions after the pyramid")
    dropout: ChannelDropout = 0.0


class DeepLabOptions(tlkit.Options, defer_build=True):
    """Options of ``deeplabv3plus``."""

    filters: Channels = Field(256, description="channels of each branch and of the decoder")
    low_filters: Channels = Field(48, description="channels to which the feature map at stride 4 is reduced")
    rates: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        (6, 12, 18), description="dilation rate of each 3x3 branch; halve them for small images"
    )
    stride: Literal[8, 16, 32] = Field(
        16, description="stride at which the branches work; coarser feature maps are resized to it"
    )
    dropout: ChannelDropout = 0.0


class DecoderOptions(tlkit.Options, defer_build=True):
    """Options of the heads that double the feature map stage by stage."""

    filters: tuple[Channels, ...] = Field(
        (256, 128, 64, 32, 16),
        min_length=1,
        description="channels of the decoder's stages, from coarse to fine: the last value is for stride 1, the one "
        "before it for stride 2, and so on; coarser stages than listed use the first value",
    )
    output_stride: Literal[1, 2, 4, 8] = Field(
        1, description="stride, in pixels of the image, at which the decoder ends; the rest is bilinear resizing"
    )
    batch_norm: bool = Field(True, description="add BatchNormalization after each convolution")
    dropout: ChannelDropout = 0.0


class UnetOptions(DecoderOptions):
    """Options of ``unet``."""

    upsampling: Literal["bilinear", "nearest", "transpose"] = Field(
        "bilinear",
        description="how a feature map is doubled in size: by interpolation, or by a learned 2x2 Conv2DTranspose",
    )
    join: Literal["concatenate", "add"] = Field(
        "concatenate",
        description="how a doubled feature map and the backbone's map of the same stride are joined: concatenated, as "
        "in the paper; or added, after a 1x1 convolution has brought each to the stage's channels, which is faster",
    )
    convs: Annotated[int, Field(ge=1, le=4)] = Field(2, description="3x3 convolutions per stage")
    convolution: Literal["dense", "separable"] = Field(
        "dense",
        description="whether each 3x3 convolution is one over all channels, or a depthwise 3x3 convolution followed by "
        "a 1x1 convolution",
    )


class TransposeOptions(DecoderOptions):
    """Options of ``transpose``."""

    kernel_size: Literal[2, 3, 4, 5] = Field(
        4, description="kernel size of the transposed convolutions; odd sizes cause checkerboard artifacts"
    )
    convs: Annotated[int, Field(ge=1, le=4)] = Field(
        1, description="transposed convolutions per stage; the last one doubles the size"
    )
    logits_kernel: Literal[1, 3] = Field(1, description="kernel size of the convolution that computes the logits")
