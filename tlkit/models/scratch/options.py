"""Options of the backbones from scratch. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tlkit.contracts import BackboneOptions

Channels = Annotated[int, Field(ge=1, le=8192)]
Count = Annotated[int, Field(ge=1, le=512)]
Share = Annotated[float, Field(ge=0, lt=1)]
Initializer = Literal[
    "he_normal", "he_uniform", "glorot_uniform", "glorot_normal", "lecun_normal", "truncated_normal", "random_normal"
]


class ScratchOptions(BackboneOptions, defer_build=True):
    """Options that all backbones from scratch have."""

    weights: str = Field("none", description='"none" (random), a weights file, or the folder of an earlier run')
    scaling: Literal["symmetric", "unit", "none"] = Field(
        "symmetric", description="scaling of RGB in 0-255 inside the model: to -1 to 1, to 0 to 1, or none"
    )
    l2: float = Field(0.0, ge=0, description="weight of the squared kernel weights in the loss")
    initializer: Initializer = Field("he_normal", description="initializer of the convolutions' kernels")
    batch_norm_momentum: float = Field(0.9, ge=0, lt=1, description="momentum of the moving statistics")
    batch_norm_epsilon: float = Field(1e-5, gt=0, description="added to the variance")


class SmallCnnOptions(ScratchOptions):
    """Convolution, ReLU, max pooling."""

    filters: tuple[Channels, ...] = Field((32, 64), min_length=1, max_length=6, description="channels of each block")
    convs: Count = Field(1, description="convolutions per block")
    kernel: Literal[1, 3, 5, 7] = Field(3, description="side of the convolutions' kernels")
    batch_norm: bool = Field(False, description="BatchNormalization between convolution and ReLU")
    dropout: Share = Field(0.0, description="share of the values that is dropped after each block")


class VggOptions(ScratchOptions):
    """VGG (Simonyan & Zisserman 2015, arXiv:1409.1556)."""

    depth: Literal[11, 13, 16, 19] = Field(
        16, description="the paper's network A, B, D or E, by its number of weight layers"
    )
    convs: tuple[Count, ...] | None = Field(
        None, min_length=1, max_length=6, description="convolutions of each block, instead of those of the depth"
    )
    filters: tuple[Channels, ...] = Field(
        (64, 128, 256, 512, 512), min_length=1, max_length=6, description="channels of each block"
    )
    batch_norm: bool = Field(False, description="BatchNormalization between convolution and ReLU")
    initializer: Initializer = Field("glorot_uniform", description="initializer of the convolutions' kernels")

    @model_validator(mode="after")
    def _as_many(self) -> VggOptions:
        if self.convs is not None and len(self.convs) != len(self.filters):
            raise ValueError(
                f"convs has {len(self.convs)} blocks and filters {len(self.filters)}; expected the same number of both"
            )
        return self


class ResNetOptions(ScratchOptions):
    """ResNet v1 (He et al. 2016, arXiv:1512.03385)."""

    depth: Literal[18, 34, 50, 101, 152] = Field(50, description="18 and 34 have basic blocks, the others bottlenecks")
    units: tuple[Count, ...] | None = Field(
        None, min_length=1, max_length=5, description="residual units of each stage, instead of those of the depth"
    )
    filters: tuple[Channels, ...] = Field(
        (64, 128, 256, 512),
        min_length=1,
        max_length=5,
        description="channels of each stage; bottlenecks output 4 x as many",
    )
    stem: Literal["imagenet", "cifar"] = Field(
        "imagenet", description="7x7 convolution and pooling down to stride 4; or, for images of 32 pixels, 3x3 alone"
    )
    bias: bool = Field(True, description="biases in the convolutions, as keras.applications has them")
    l2: float = Field(1e-4, ge=0, description="weight of the squared kernel weights in the loss")


class SeNetOptions(ResNetOptions):
    """SE-ResNet (Hu et al. 2018, arXiv:1709.01507)."""

    ratio: Annotated[int, Field(ge=1, le=64)] = Field(
        16, description="reduction ratio: channels per unit of the narrow layer"
    )
    bias: bool = Field(False, description="biases in the convolutions")


class ResNetV2Options(ScratchOptions):
    """Pre-activation ResNet for small images (He et al. 2016, arXiv:1603.05027)."""

    depth: Annotated[int, Field(ge=11, le=1001)] = Field(
        164, description="weight layers, 9n + 2: 29, 56, 110, 164, 1001"
    )
    filters: Channels = Field(16, description="channels of the stem; the stages output 4, 8 and 16 times as many")
    l2: float = Field(1e-4, ge=0, description="weight of the squared kernel weights in the loss")

    @model_validator(mode="after")
    def _whole_units(self) -> ResNetV2Options:
        if (self.depth - 2) % 9:
            below = (self.depth - 2) // 9 * 9 + 2
            raise ValueError(f"depth: expected 9n + 2, received {self.depth}; the nearest are {below} and {below + 9}")
        return self


class XceptionOptions(ScratchOptions):
    """Xception (Chollet 2017, arXiv:1610.02357)."""

    initializer: Initializer = Field("glorot_uniform", description="initializer of the convolutions' kernels")
    batch_norm_momentum: float = Field(0.99, ge=0, lt=1, description="momentum of the moving statistics")
    batch_norm_epsilon: float = Field(1e-3, gt=0, description="added to the variance")
    middle: Count = Field(8, description="units of the middle flow")


class MiniXceptionOptions(XceptionOptions):
    """The small Xception of Chollet, Deep Learning with Python (2nd ed. 2021), section 9.3.5."""

    filters: tuple[Channels, ...] = Field(
        (32, 64, 128, 256, 512), min_length=1, max_length=5, description="channels of each residual pair"
    )
    scaling: Literal["symmetric", "unit", "none"] = Field(
        "unit", description="scaling of RGB in 0-255 inside the model: to -1 to 1, to 0 to 1, or none"
    )


class DenseNetOptions(ScratchOptions):
    """DenseNet (Huang et al. 2017, arXiv:1608.06993)."""

    depth: Literal[121, 169, 201, 264] = Field(121, description="the paper's network, by its number of weight layers")
    units: tuple[Count, ...] | None = Field(
        None, min_length=1, max_length=5, description="layers of each dense block, instead of those of the depth"
    )
    growth: Channels = Field(32, description="channels that each layer adds")
    compression: float = Field(0.5, gt=0, le=1, description="share of the channels after a transition")
    stem: Literal["imagenet", "cifar"] = Field(
        "imagenet", description="7x7 convolution and pooling down to stride 4; or, for images of 32 pixels, 3x3 alone"
    )


class NasNetOptions(ScratchOptions):
    """NASNet-A (Zoph et al. 2018, arXiv:1707.07012)."""

    penultimate_filters: Annotated[int, Field(ge=24, le=8064)] = Field(
        1056, description="channels of the last feature map, a multiple of 24; 1056 is NASNet-Mobile, 4032 NASNet-Large"
    )
    repeats: Count = Field(4, description="normal cells between two reductions; 4 in Mobile, 6 in Large")
    stem_filters: Channels = Field(32, description="channels of the first convolution; 32 in Mobile, 96 in Large")
    batch_norm_momentum: float = Field(0.9997, ge=0, lt=1, description="momentum of the moving statistics")
    batch_norm_epsilon: float = Field(1e-3, gt=0, description="added to the variance")

    @model_validator(mode="after")
    def _divides(self) -> NasNetOptions:
        if self.penultimate_filters % 24:
            raise ValueError(f"penultimate_filters: expected a multiple of 24, received {self.penultimate_filters}")
        return self


class EfficientNetOptions(ScratchOptions):
    """EfficientNet (Tan & Le 2019, arXiv:1905.11946)."""

    variant: Literal["B0", "B1", "B2", "B3", "B4", "B5", "B6", "B7"] = Field(
        "B0", description="the paper's networks; their image sizes are 224, 240, 260, 300, 380, 456, 528 and 600"
    )
    phi: float | None = Field(
        None, ge=-3, le=10, description="compound coefficient: width 1.1^phi, depth 1.2^phi; instead of the variant"
    )
    drop_path: Share = Field(0.2, description="drop rate of the last unit's branch; the rate grows linearly with depth")
    batch_norm_momentum: float = Field(0.99, ge=0, lt=1, description="momentum of the moving statistics")
    batch_norm_epsilon: float = Field(1e-3, gt=0, description="added to the variance")


class AlexNetOptions(ScratchOptions):
    """AlexNet (Krizhevsky et al. 2012) on one GPU."""

    filters: tuple[Channels, Channels, Channels, Channels, Channels] = Field(
        (96, 256, 384, 384, 256), description="channels of the five convolutions"
    )
    groups: Literal[1, 2] = Field(
        1, description="2: the second, fourth and fifth convolution in two halves, as on the paper's two GPUs"
    )
    l2: float = Field(5e-4, ge=0, description="weight of the squared kernel weights in the loss")


class UnetEncoderOptions(ScratchOptions):
    """The contracting path of U-Net (Ronneberger et al. 2015, arXiv:1505.04597), with padding."""

    filters: tuple[Channels, ...] = Field(
        (64, 128, 256, 512, 1024), min_length=2, max_length=7, description="channels of each stage"
    )
    batch_norm: bool = Field(False, description="BatchNormalization between convolution and ReLU")


class StridedEncoderOptions(ScratchOptions):
    """The encoder of Chollet, Deep Learning with Python (2nd ed. 2021), section 9.2."""

    filters: tuple[Channels, ...] = Field(
        (64, 128, 256),
        min_length=1,
        max_length=6,
        description="channels of each pair; its first convolution halves the size",
    )
    scaling: Literal["symmetric", "unit", "none"] = Field(
        "unit", description="scaling of RGB in 0-255 inside the model: to -1 to 1, to 0 to 1, or none"
    )
    initializer: Initializer = Field("glorot_uniform", description="initializer of the convolutions' kernels")
