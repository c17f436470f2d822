"""EfficientNet (Tan & Le 2019, arXiv:1905.11946): one network, scaled in width, depth and resolution together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.scratch.options import EfficientNetOptions
from tlkit.models.scratch.parts import Net, squeeze_excite


@dataclass(frozen=True)
class _Stage:
    """A row of table 1: MBConv units with an expansion of the channels and a kernel size."""

    expansion: int
    kernel: int
    filters: int
    repeats: int
    stride: int


STAGES = (
    # expansion, kernel, channels, layers, stride of the first layer
    _Stage(1, 3, 16, 1, 1),
    _Stage(6, 3, 24, 2, 2),
    _Stage(6, 5, 40, 2, 2),
    _Stage(6, 3, 80, 3, 2),
    _Stage(6, 5, 112, 3, 1),
    _Stage(6, 5, 192, 4, 2),
    _Stage(6, 3, 320, 1, 1),
)
"""The seven stages of B0: the paper's table 1."""

DEPTH, WIDTH, RESOLUTION = 1.2, 1.1, 1.15
"""The bases of the compound rule, found by a grid search for B0 (the paper's section 4)."""

VARIANTS = {
    "B0": (1.0, 1.0, 224),
    "B1": (1.0, 1.1, 240),
    "B2": (1.1, 1.2, 260),
    "B3": (1.2, 1.4, 300),
    "B4": (1.4, 1.8, 380),
    "B5": (1.6, 2.2, 456),
    "B6": (1.8, 2.6, 528),
    "B7": (2.0, 3.1, 600),
}
"""Variant → width, depth, resolution as they were published: the rule's values, rounded by hand."""


def compound(phi: float) -> tuple[float, float, int]:
    """Return width factor, depth factor and image side of a compound coefficient: 1.1^phi, 1.2^phi, 224 x 1.15^phi."""
    return WIDTH**phi, DEPTH**phi, round(224 * RESOLUTION**phi)


def round_filters(filters: float) -> int:
    """Round to the nearest multiple of 8 that is not below nine tenths of ``filters``."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def build_efficientnet(images: Any, ctx: BackboneContext, options: EfficientNetOptions) -> BuiltBackbone:
    """Build stages of inverted residuals with depthwise convolutions and squeeze-and-excitation; strides 2 to 32."""
    width, depth, _ = VARIANTS[options.variant] if options.phi is None else compound(options.phi)
    net = Net(options, ctx)
    x = net.scaled(images)
    with net.block("stem"):
        x = _conv(net, x, round_filters(32 * width), 3, 2, "stem")
    repeats = [math.ceil(depth * stage.repeats) for stage in STAGES]
    done, total = 0, sum(repeats)
    for number, (stage, count) in enumerate(zip(STAGES, repeats, strict=True), 1):
        filters = round_filters(stage.filters * width)
        with net.block(f"block{number}"):
            for unit in range(count):
                name = f"block{number}{chr(ord('a') + unit)}"
                stride = stage.stride if unit == 0 else 1
                branch = _mbconv(net, x, stage, filters, stride, name)
                if stride == 1 and x.shape[-1] == filters:
                    branch = _drop_path(net, branch, options.drop_path * done / total, f"{name}_drop")
                    branch = net.sum([branch, x], f"{name}_add")
                x = branch
                done += 1
    with net.block("top"):
        x = _conv(net, x, round_filters(1280 * width), 1, 1, "top")
    return net.built(images, x)


def _conv(net: Net, x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    if stride == 2:
        x, padding = net.pad_for_stride(x, kernel, f"{name}_conv_pad"), "valid"
    else:
        padding = "same"
    x = net.conv(x, filters, kernel, stride, name=f"{name}_conv", padding=padding, use_bias=False)
    return net.activate(net.norm(x, f"{name}_bn"), f"{name}_activation", "silu")


def _mbconv(net: Net, x: Any, stage: _Stage, filters: int, stride: int, name: str) -> Any:
    """Expand, depthwise convolution, squeeze and excite, project."""
    channels = x.shape[-1]
    if stage.expansion > 1:
        x = net.conv(x, channels * stage.expansion, 1, name=f"{name}_expand_conv", use_bias=False)
        x = net.activate(net.norm(x, f"{name}_expand_bn"), f"{name}_expand_activation", "silu")
    padding = "same"
    if stride == 2:
        x, padding = net.pad_for_stride(x, stage.kernel, f"{name}_dwconv_pad"), "valid"
    x = net.depthwise(x, stage.kernel, stride, name=f"{name}_dwconv", padding=padding)
    x = net.activate(net.norm(x, f"{name}_bn"), f"{name}_activation", "silu")
    x = squeeze_excite(net, x, max(1, channels // 4), f"{name}_se", "silu")
    x = net.conv(x, filters, 1, name=f"{name}_project_conv", use_bias=False)
    return net.norm(x, f"{name}_project_bn")


def _drop_path(net: Net, x: Any, rate: float, name: str) -> Any:
    """Drop a branch for whole samples (stochastic depth, Huang et al. 2016, arXiv:1603.09382)."""
    return net.dropout(x, rate, name, noise_shape=(None, 1, 1, 1)) if rate else x
