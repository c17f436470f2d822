"""VGG (Simonyan & Zisserman 2015, arXiv:1409.1556), and plain convolution, ReLU, pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.scratch.options import SmallCnnOptions, VggOptions
from tlkit.models.scratch.parts import Net

CONVS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Depth → 3x3 convolutions of each block: the paper's table 1, networks A, B, D and E."""


def build_vgg(images: Any, ctx: BackboneContext, options: VggOptions) -> BuiltBackbone:
    """Build blocks of 3x3 convolutions, each with 2x2 max pooling at its end; strides 2 to 32."""
    net = Net(options, ctx)
    convs = options.convs or CONVS[options.depth][: len(options.filters)]
    x = _blocks(net, net.scaled(images), convs, options)
    return net.built(images, x)


def build_small_cnn(images: Any, ctx: BackboneContext, options: SmallCnnOptions) -> BuiltBackbone:
    """Build the blocks of VGG with any kernel size, and dropout after each; 32 and 64 channels for Fashion-MNIST."""
    net = Net(options, ctx)
    convs = (options.convs,) * len(options.filters)
    x = _blocks(net, net.scaled(images), convs, options, options.kernel, options.dropout)
    return net.built(images, x)


def _blocks(
    net: Net, x: Any, convs: Sequence[int], options: VggOptions | SmallCnnOptions, kernel: int = 3, dropout: float = 0.0
) -> Any:
    for number, (count, channels) in enumerate(zip(convs, options.filters, strict=True), 1):
        with net.block(f"block{number}"):
            for conv in range(1, count + 1):
                name = f"block{number}_conv{conv}"
                x = net.conv(x, channels, kernel, name=name, use_bias=not options.batch_norm)
                x = net.norm(x, f"{name}_bn") if options.batch_norm else x
                x = net.activate(x, f"{name}_relu")
            x = net.max_pool(x, 2, 2, f"block{number}_pool")
            if dropout:
                x = net.dropout(x, dropout, f"block{number}_dropout")
    return x
