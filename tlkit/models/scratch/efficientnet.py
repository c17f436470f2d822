"""EfficientNet (Tan & Le 2019, arXiv:1905.11946): one network, scaled in width, depth and resolution together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.scratch.options import EfficientNetOptions
from tlkit.models.scratch.parts import Net


@dataclass(frozen=True)
class _Stage:
    kernel: int
    repeats: int
    filters: int
    expansion: int
    stride: int


STAGES = (
    _Stage(3, 1, 16, 1, 1),
    _Stage(3, 2, 24, 6, 2),
    _Stage(5, 2, 40, 6, 2),
    _Stage(3, 3, 80, 6, 2),
    _Stage(5, 3, 112, 6, 1),
    _Stage(5, 4, 192, 6, 2),
    _Stage(3, 1, 320, 6, 1),
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
"""Variant → width, depth, resolution as they were published: the rule's, rounded by hand."""


def compound(phi: float) -> tuple[float, float, int]:
    """Width and depth factors and image side of the compound coefficient: 1.1^phi, 1.2^phi, 224 x 1.15^phi."""
    return WIDTH**phi, DEPTH**phi, round(224 * RESOLUTION**phi)


def round_filters(filters: float) -> int:
    """The nearest multiple of 8 that is not below nine tenths."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def build_efficientnet(images: Any, ctx: BackboneContext, options: EfficientNetOptions) -> BuiltBackbone:
    """Stages of inverted residuals with depthwise convolutions and squeeze-and-excitation; strides 2 to 32."""
    width, depth, _ = VARIANTS[options.variant] if options.phi is None else compound(options.phi)
    net = Net(options, ctx)
    x = net.scaled(images)
    with net.block("stem"):
        x = _conv(net, x, round_filters(32 * width), 3, 2, "stem")
    repeats = [math.ceil(depth * stage.repeats) for stage in STAGES]
    done, total = 0, sum(repeats)
    for number, (stage, count) in enumerate(zip(STAGES, repeats, strict=True), 1):
        with net.block(f"block{number}"):
            for unit in range(count):
                name = f"block{number}{chr(ord('a') + unit)}"
                stride = stage.stride if unit == 0 else 1
                x = _unit(
                    net, x, stage, round_filters(stage.filters * width), stride, options.drop_path * done / total, name
                )
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


def _unit(net: Net, x: Any, stage: _Stage, filters: int, stride: int, rate: float, name: str) -> Any:
    """Expand, depthwise convolution, squeeze and excite, project; the input is added where the shapes allow it."""
    before, channels = x, x.shape[-1]
    if stage.expansion > 1:
        x = net.conv(x, channels * stage.expansion, 1, name=f"{name}_expand_conv", use_bias=False)
        x = net.activate(net.norm(x, f"{name}_expand_bn"), f"{name}_expand_activation", "silu")
    padding = "same"
    if stride == 2:
        x, padding = net.pad_for_stride(x, stage.kernel, f"{name}_dwconv_pad"), "valid"
    x = net.depthwise(x, stage.kernel, stride, name=f"{name}_dwconv", padding=padding)
    x = net.activate(net.norm(x, f"{name}_bn"), f"{name}_activation", "silu")
    x = net.squeeze_excite(x, max(1, channels // 4), f"{name}_se", "silu")
    x = net.conv(x, filters, 1, name=f"{name}_project_conv", use_bias=False)
    x = net.norm(x, f"{name}_project_bn")
    if stride > 1 or channels != filters:
        return x
    return net.join([net.drop_path(x, rate, f"{name}_drop"), before], f"{name}_add")
