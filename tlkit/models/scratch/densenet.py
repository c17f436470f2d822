"""DenseNet (Huang et al. 2017, arXiv:1608.06993)."""

from __future__ import annotations

from typing import Any

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.scratch.options import DenseNetOptions
from tlkit.models.scratch.parts import Net
from tlkit.models.scratch.resnet import stem

UNITS = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32), 264: (6, 12, 64, 48)}
"""Depth → layers of each dense block: the paper's table 1."""


def build_densenet(images: Any, ctx: BackboneContext, options: DenseNetOptions) -> BuiltBackbone:
    """Build dense blocks with transitions between them.

    In a dense block each layer takes the outputs of all layers before it: L(L+1)/2 connections in a block of L.
    """
    net = Net(options, ctx)
    units = options.units or UNITS[options.depth]
    last = len(units) + 1
    x = stem(net, net.scaled(images), 2 * options.growth, options.stem, bias=False)
    for stage, count in enumerate(units, 2):
        with net.block(f"conv{stage}"):
            for unit in range(1, count + 1):
                new = _layer(net, x, options.growth, f"conv{stage}_block{unit}")
                x = net.concatenate([x, new], f"conv{stage}_block{unit}_concat")
        if stage < last:
            x = _transition(net, x, options.compression, f"pool{stage}")
    with net.block(f"conv{last}"):
        x = net.activate(net.norm(x, "bn"), "relu")
    return net.built(images, x)


def _layer(net: Net, x: Any, growth: int, name: str) -> Any:
    """BatchNorm, ReLU, 1x1 convolution to 4 x growth channels, then the same with a 3x3 one to growth channels."""
    x = net.activate(net.norm(x, f"{name}_0_bn"), f"{name}_0_relu")
    x = net.conv(x, 4 * growth, 1, name=f"{name}_1_conv", use_bias=False)
    x = net.activate(net.norm(x, f"{name}_1_bn"), f"{name}_1_relu")
    return net.conv(x, growth, 3, name=f"{name}_2_conv", use_bias=False)


def _transition(net: Net, x: Any, compression: float, name: str) -> Any:
    """Compress the channels and halve the size."""
    with net.block(name):
        x = net.activate(net.norm(x, f"{name}_bn"), f"{name}_relu")
        x = net.conv(x, max(1, int(x.shape[-1] * compression)), 1, name=f"{name}_conv", use_bias=False)
        return net.average_pool(x, 2, 2, f"{name}_pool")
