"""Xception (Chollet 2017, arXiv:1610.02357), and the small one of Deep Learning with Python."""

from __future__ import annotations

from typing import Any

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.scratch.options import MiniXceptionOptions, XceptionOptions
from tlkit.models.scratch.parts import Net

STEM = ((32, 2), (64, 1))
"""Channels and stride of the two plain convolutions (this and the following: the paper's figure 5)."""
ENTRY = (128, 256, 728)
"""Channels of the entry flow's residual pairs of separable convolutions."""
MIDDLE = (728, 728, 728)
"""Channels of a unit of the middle flow."""
EXIT = ((728, 1024), (1536, 2048))
"""Channels of the exit flow: a residual pair, and a pair without a shortcut."""


def build_xception(images: Any, ctx: BackboneContext, options: XceptionOptions) -> BuiltBackbone:
    """Build the paper's 36 convolutions: entry flow (blocks 1-4), middle flow, exit flow; strides 2 to 32."""
    net = Net(options, ctx)
    x = net.scaled(images)
    with net.block("block1"):
        for number, (filters, stride) in enumerate(STEM, 1):
            name = f"block1_conv{number}"
            x = net.conv(x, filters, 3, stride, name=name, padding="valid", use_bias=False)
            x = net.activate(net.norm(x, f"{name}_bn"), f"{name}_act")
    for number, filters in enumerate(ENTRY, 2):
        x = _reducing(net, x, (filters, filters), f"block{number}", relu_first=number > 2)
    for number in range(5, 5 + options.middle):
        with net.block(f"block{number}"):
            shortcut = x
            for conv, filters in enumerate(MIDDLE, 1):
                x = net.activate(x, f"block{number}_sepconv{conv}_act")
                x = _separable(net, x, filters, f"block{number}_sepconv{conv}")
            x = net.sum([x, shortcut], f"block{number}_add")
    last = 5 + options.middle
    x = _reducing(net, x, EXIT[0], f"block{last}", relu_first=True)
    with net.block(f"block{last + 1}"):
        for conv, filters in enumerate(EXIT[1], 1):
            name = f"block{last + 1}_sepconv{conv}"
            x = net.activate(_separable(net, x, filters, name), f"{name}_act")
    return net.built(images, x)


def _separable(net: Net, x: Any, filters: int, name: str) -> Any:
    return net.norm(net.separable(x, filters, 3, name=name), f"{name}_bn")


def _reducing(net: Net, x: Any, filters: tuple[int, int], name: str, *, relu_first: bool) -> Any:
    """Two separable convolutions and pooling beside a strided 1x1 convolution."""
    with net.block(name):
        shortcut = net.conv(x, filters[1], 1, 2, name=f"{name}_shortcut", use_bias=False)
        shortcut = net.norm(shortcut, f"{name}_shortcut_bn")
        for conv, channels in enumerate(filters, 1):
            if relu_first or conv == 2:
                x = net.activate(x, f"{name}_sepconv{conv}_act")
            x = _separable(net, x, channels, f"{name}_sepconv{conv}")
        x = net.max_pool(x, 3, 2, f"{name}_pool", padding="same")
        return net.sum([x, shortcut], f"{name}_add")


def build_mini_xception(images: Any, ctx: BackboneContext, options: MiniXceptionOptions) -> BuiltBackbone:
    """Build a 5x5 convolution, then pairs of separable convolutions with strided residuals.

    BatchNorm and ReLU come before each separable convolution.
    """
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
            x = net.sum([x, shortcut], f"block{number}_add")
    return net.built(images, x)
