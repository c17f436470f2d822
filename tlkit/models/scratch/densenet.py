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
    """Dense blocks, in which each layer gets the outputs of all before it: L(L+1)/2 connections in a block of L.

    A layer is BatchNorm, ReLU, 1x1 convolution to 4 x growth channels, BatchNorm, ReLU, 3x3 convolution to growth
    channels. Between blocks a transition compresses the channels and halves the size.
    """
    net = Net(options, ctx)
    units = options.units or UNITS[options.depth]
    x = stem(net, net.scaled(images), 2 * options.growth, options.stem, bias=False)
    for stage, count in enumerate(units, 2):
        with net.block(f"conv{stage}"):
            for unit in range(1, count + 1):
                name = f"conv{stage}_block{unit}"
                new = net.activate(net.norm(x, f"{name}_0_bn"), f"{name}_0_relu")
                new = net.conv(new, 4 * options.growth, 1, name=f"{name}_1_conv", use_bias=False)
                new = net.activate(net.norm(new, f"{name}_1_bn"), f"{name}_1_relu")
                new = net.conv(new, options.growth, 3, name=f"{name}_2_conv", use_bias=False)
                x = net.concatenate([x, new], f"{name}_concat")
        if stage == len(units) + 1:
            break
        with net.block(f"pool{stage}"):
            x = net.activate(net.norm(x, f"pool{stage}_bn"), f"pool{stage}_relu")
            kept = max(1, int(x.shape[-1] * options.compression))
            x = net.conv(x, kept, 1, name=f"pool{stage}_conv", use_bias=False)
            x = net.average_pool(x, 2, 2, f"pool{stage}_pool")
    with net.block(f"conv{len(units) + 1}"):
        x = net.activate(net.norm(x, "bn"), "relu")
    return net.built(images, x)
