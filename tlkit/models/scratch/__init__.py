"""Backbones from scratch: the architectures of the textbooks. Imports nothing heavy."""

from __future__ import annotations

from tlkit.contracts import Backbone, lazy

_BUILDERS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "vgg": (
        ("small_cnn", "SmallCnnOptions", "blocks of convolution, ReLU and max pooling"),
        ("vgg", "VggOptions", "VGG-11 to VGG-19, or any list of blocks (arXiv:1409.1556)"),
    ),
    "resnet": (
        ("resnet", "ResNetOptions", "ResNet v1 of any depth, for large and small images (arXiv:1512.03385)"),
        ("resnet_v2", "ResNetV2Options", "pre-activation ResNet for small images (arXiv:1603.05027)"),
        ("senet", "SeNetOptions", "ResNet with squeeze-and-excitation (arXiv:1709.01507)"),
    ),
    "xception": (
        ("xception", "XceptionOptions", "Xception, 36 convolutions (arXiv:1610.02357)"),
        ("mini_xception", "MiniXceptionOptions", "the small Xception of Deep Learning with Python"),
    ),
    "densenet": (("densenet", "DenseNetOptions", "DenseNet of any depth (arXiv:1608.06993)"),),
    "nasnet": (("nasnet", "NasNetOptions", "NASNet-A, normal and reduction cells (arXiv:1707.07012)"),),
    "efficientnet": (("efficientnet", "EfficientNetOptions", "EfficientNet by its compound rule (arXiv:1905.11946)"),),
    "alexnet": (("alexnet", "AlexNetOptions", "AlexNet, overlapping pooling (doi:10.1145/3065386)"),),
    "encoders": (
        ("unet_encoder", "UnetEncoderOptions", "the contracting path of U-Net (arXiv:1505.04597)"),
        ("strided_encoder", "StridedEncoderOptions", "pairs of convolutions, one of stride 2, no pooling"),
    ),
}
"""Module → name, options and summary of each backbone in it."""


def scratch_backbones() -> list[Backbone]:
    """Return the records of all builders."""
    return [
        Backbone(
            name=name,
            summary=f"from scratch: {summary}",
            options=lazy(f"tlkit.models.scratch.options:{options}"),
            build=lazy(f"tlkit.models.scratch.{module}:build_{name}"),
            takes_standardized=True,
        )
        for module, backbones in _BUILDERS.items()
        for name, options, summary in backbones
    ]
