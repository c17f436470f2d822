"""Xception (Chollet 2017, arXiv:1610.02357) in full and the small one of Deep Learning with Python."""

from __future__ import annotations

from typing import Any

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.scratch.options import MiniXceptionOptions, XceptionOptions
from tlkit.models.scratch.parts import Net


def build_xception(images: Any, ctx: BackboneContext, options: XceptionOptions) -> BuiltBackbone:
    """The paper's 36 convolutions: entry flow (blocks 1-4), middle flow, exit flow; strides 2 to 32."""
    net = Net(options, ctx)
    x = net.scaled(images)
    with net.block("block1"):
        for number, (filters, stride) in enumerate(((32, 2), (64, 1)), 1):
            name = f"block1_conv{number}"
            x = net.conv(x, filters, 3, stride, name=name, padding="valid", use_bias=False)
            x = net.activate(net.norm(x, f"{name}_bn"), f"{name}_act")
    for number, filters in ((2, 128), (3, 256), (4, 728)):
        x = _reducing(net, x, (filters, filters), f"block{number}", relu_first=number > 2)
    for number in range(5, 5 + options.middle):
        with net.block(f"block{number}"):
            shortcut = x
            for conv in (1, 2, 3):
                x = net.activate(x, f"block{number}_sepconv{conv}_act")
                x = net.separable(x, 728, 3, name=f"block{number}_sepconv{conv}")
                x = net.norm(x, f"block{number}_sepconv{conv}_bn")
            x = net.join([x, shortcut], f"block{number}_add")
    last = 5 + options.middle
    x = _reducing(net, x, (728, 1024), f"block{last}", relu_first=True)
    with net.block(f"block{last + 1}"):
        for conv, filters in ((1, 1536), (2, 2048)):
            name = f"block{last + 1}_sepconv{conv}"
            x = net.separable(x, filters, 3, name=name)
            x = net.activate(net.norm(x, f"{name}_bn"), f"{name}_act")
    return net.built(images, x)


def _reducing(net: Net, x: Any, filters: tuple[int, int], name: str, relu_first: bool) -> Any:
    """Two separable convolutions and pooling beside a strided 1x1 convolution."""
    with net.block(name):
        shortcut = net.conv(x, filters[1], 1, 2, name=f"{name}_shortcut", use_bias=False)
        shortcut = net.norm(shortcut, f"{name}_shortcut_bn")
        for conv, channels in enumerate(filters, 1):
            if relu_first or conv == 2:
                x = net.activate(x, f"{name}_sepconv{conv}_act")
            x = net.separable(x, channels, 3, name=f"{name}_sepconv{conv}")
            x = net.norm(x, f"{name}_sepconv{conv}_bn")
        x = net.max_pool(x, 3, 2, f"{name}_pool", padding="same")
        return net.join([x, shortcut], f"{name}_add")


def build_mini_xception(images: Any, ctx: BackboneContext, options: MiniXceptionOptions) -> BuiltBackbone:
    """A 5x5 convolution, then pairs of separable convolutions, BatchNorm and ReLU in front, with strided residuals."""
    net = Net(options, ctx)
    x = net.scaled(images)
    with net.block("block1"):
        x = net.conv(x, 32, 5, name="block1_conv", padding="valid", use_bias=False)
    for number, filters in enumerate(options.filters, 2):
        with net.block(f"block{number}"):
            shortcut = x
            for conv in (1, 2):
                name = f"block{number}_sepconv{conv}"
                x = net.activate(net.norm(x, f"{name}_bn"), f"{name}_act")
                x = net.separable(x, filters, 3, name=name)
            x = net.max_pool(x, 3, 2, f"block{number}_pool", padding="same")
            shortcut = net.conv(shortcut, filters, 1, 2, name=f"block{number}_shortcut", use_bias=False)
            x = net.join([x, shortcut], f"block{number}_add")
    return net.built(images, x)
