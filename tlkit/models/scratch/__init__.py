"""Backbones from scratch: the architectures of the textbooks. Imports nothing heavy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tlkit.contracts import Backbone, BackboneContext, BuiltBackbone
from tlkit.models.scratch import options as _options

_BUILDERS: tuple[tuple[str, str, type[_options.ScratchOptions], str], ...] = (
    ("small_cnn", "vgg", _options.SmallCnnOptions, "blocks of convolution, ReLU and max pooling"),
    ("vgg", "vgg", _options.VggOptions, "VGG-11 to VGG-19, or any list of blocks (arXiv:1409.1556)"),
    (
        "resnet",
        "resnet",
        _options.ResNetOptions,
        "ResNet v1 of any depth, for large and small images (arXiv:1512.03385)",
    ),
    ("resnet_v2", "resnet", _options.ResNetV2Options, "pre-activation ResNet for small images (arXiv:1603.05027)"),
    ("senet", "resnet", _options.SeNetOptions, "ResNet with squeeze-and-excitation (arXiv:1709.01507)"),
    ("xception", "xception", _options.XceptionOptions, "Xception, 36 convolutions (arXiv:1610.02357)"),
    ("mini_xception", "xception", _options.MiniXceptionOptions, "the small Xception of Deep Learning with Python"),
    ("densenet", "densenet", _options.DenseNetOptions, "DenseNet of any depth (arXiv:1608.06993)"),
    ("nasnet", "nasnet", _options.NasNetOptions, "NASNet-A, normal and reduction cells (arXiv:1707.07012)"),
    (
        "efficientnet",
        "efficientnet",
        _options.EfficientNetOptions,
        "EfficientNet by its compound rule (arXiv:1905.11946)",
    ),
    ("alexnet", "alexnet", _options.AlexNetOptions, "AlexNet, overlapping pooling (doi:10.1145/3065386)"),
    ("unet_encoder", "encoders", _options.UnetEncoderOptions, "the contracting path of U-Net (arXiv:1505.04597)"),
    (
        "strided_encoder",
        "encoders",
        _options.StridedEncoderOptions,
        "pairs of convolutions, one of stride 2, no pooling",
    ),
)


class _Build:
    """Calls ``build_<name>`` of a family's module, which is imported then."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, images: Any, ctx: BackboneContext, options: _options.ScratchOptions) -> BuiltBackbone:
        build = getattr(import_module(f"tlkit.models.scratch.{self._module}"), f"build_{self._name}")
        built: BuiltBackbone = build(images, ctx, options)
        return built


def scratch_backbones() -> list[Backbone]:
    """The records of all builders."""
    return [
        Backbone(
            name=name,
            summary=f"from scratch: {summary}",
            options=options,
            build=_Build(module, name),
            takes_standardized=True,
        )
        for name, module, options, summary in _BUILDERS
    ]
