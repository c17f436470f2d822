"""The families of keras.applications as one table. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Preprocessing = Literal["caffe", "tf", "torch", "inside"]


@dataclass(frozen=True)
class Application:
    """A model of keras.applications.

    Args:
        name: its name in keras.applications.
        family: its module in keras.applications.
        preprocessing: which of Keras's three kinds of preprocessing it needs; ``inside``: the network does it itself.
        summary: one line that names the paper.
        minimum: the smallest height and width in pixels that Keras accepts without the top.
    """

    name: str
    family: str
    preprocessing: Preprocessing
    summary: str
    minimum: int = 32


def _family(family: str, preprocessing: Preprocessing, paper: str, *names: str, minimum: int = 32) -> list[Application]:
    return [Application(name, family, preprocessing, f"{name}, {paper}", minimum) for name in names]


APPLICATIONS: tuple[Application, ...] = (
    *_family("vgg16", "caffe", "Simonyan and Zisserman 2014, arXiv:1409.1556", "VGG16"),
    *_family("vgg19", "caffe", "Simonyan and Zisserman 2014, arXiv:1409.1556", "VGG19"),
    *_family("resnet", "caffe", "He et al. 2015, arXiv:1512.03385", "ResNet50", "ResNet101", "ResNet152"),
    *_family("resnet_v2", "tf", "He et al. 2016, arXiv:1603.05027", "ResNet50V2", "ResNet101V2", "ResNet152V2"),
    *_family("xception", "tf", "Chollet 2016, arXiv:1610.02357", "Xception", minimum=71),
    *_family("inception_v3", "tf", "Szegedy et al. 2015, arXiv:1512.00567", "InceptionV3", minimum=75),
    *_family("inception_resnet_v2", "tf", "Szegedy et al. 2016, arXiv:1602.07261", "InceptionResNetV2", minimum=75),
    *_family("mobilenet", "tf", "Howard et al. 2017, arXiv:1704.04861", "MobileNet"),
    *_family("mobilenet_v2", "tf", "Sandler et al. 2018, arXiv:1801.04381", "MobileNetV2"),
    *_family("mobilenet_v3", "inside", "Howard et al. 2019, arXiv:1905.02244", "MobileNetV3Small", "MobileNetV3Large"),
    *_family("densenet", "torch", "Huang et al. 2016, arXiv:1608.06993", "DenseNet121", "DenseNet169", "DenseNet201"),
    *_family("nasnet", "tf", "Zoph et al. 2017, arXiv:1707.07012", "NASNetMobile", "NASNetLarge"),
    *_family(
        "efficientnet",
        "inside",
        "Tan and Le 2019, arXiv:1905.11946",
        *(f"EfficientNetB{number}" for number in range(8)),
    ),
    *_family(
        "efficientnet_v2",
        "inside",
        "Tan and Le 2021, arXiv:2104.00298",
        *(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    ),
    *_family(
        "convnext",
        "inside",
        "Liu et al. 2022, arXiv:2201.03545",
        *(f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")),
    ),
)

BLOCKS: dict[str, tuple[tuple[str, str], ...]] = {
    "vgg16": ((r"(block\d)_", r"\1"),),
    "vgg19": ((r"(block\d)_", r"\1"),),
    "resnet": ((r"(conv\d)_", r"\1"),),
    "resnet_v2": ((r"(conv\d)_", r"\1"),),
    "xception": ((r"(block\d+)_", r"\1"),),
    "inception_v3": ((r"(mixed\d+)$", r"\1"),),
    "inception_resnet_v2": (
        (r"(mixed_\d[ab])$", r"\1"),
        (r"(block(?:35|17|8)_\d+)_(?:conv|ac)$", r"\1"),
        (r"(conv_7b)_ac$", r"\1"),
    ),
    "mobilenet": ((r"conv_(?:dw|pw|pad)_(\d+)", r"block\1"), (r"conv1", "stem")),
    "mobilenet_v2": (
        (r"(block_\d+)_", r"\1"),
        (r"expanded_conv_", "block_0"),
        (r"(?:bn_)?Conv1", "stem"),
        (r"Conv_1", "Conv_1"),
    ),
    "mobilenet_v3": (
        (r"expanded_conv_(\d+)_", r"block\1"),
        (r"expanded_conv_", "block0"),
        (r"conv_1", "top"),
        (r"conv", "stem"),
    ),
    "densenet": (
        (r"(conv\d)[_/]", r"\1"),
        (r"pool2_", "conv3"),
        (r"pool3_", "conv4"),
        (r"pool4_", "conv5"),
    ),
    "efficientnet": ((r"(block\d)[a-z]+_", r"\1"), (r"stem_", "stem"), (r"top_", "top")),
    "efficientnet_v2": ((r"(block\d)[a-z]+_", r"\1"), (r"stem_", "stem"), (r"top_", "top")),
    "convnext": (
        (r".*_stage_(\d)_", r"stage\1"),
        (r".*_downsampling_block_0", "stage1"),
        (r".*_downsampling_block_1", "stage2"),
        (r".*_downsampling_block_2", "stage3"),
        (r".*_(?:pre)?stem", "stem"),
    ),
}
"""Family → (pattern at the start of a layer's name, its block). NASNet's names don't show it: blocks by stride."""

ENDS_BLOCK = ("inception_v3", "inception_resnet_v2")
"""Families in which the matching layer is the last of its block, so that unmatched layers belong to the next match."""
