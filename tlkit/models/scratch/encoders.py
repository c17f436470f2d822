"""Encoders that were designed for segmentation."""

from __future__ import annotations

from typing import Any

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.scratch.options import StridedEncoderOptions, UnetEncoderOptions
from tlkit.models.scratch.parts import Net


def build_unet_encoder(images: Any, ctx: BackboneContext, options: UnetEncoderOptions) -> BuiltBackbone:
    """Build two 3x3 convolutions per stage, with 2x2 max pooling between stages (arXiv:1505.04597); strides 2, 4, …"""
    net = Net(options, ctx)
    x = net.scaled(images)
    for number, filters in enumerate(options.filters, 1):
        with net.block(f"block{number}"):
            if number > 1:
                x = net.max_pool(x, 2, 2, f"block{number}_pool")
            for conv in (1, 2):
                name = f"block{number}_conv{conv}"
                x = net.conv(x, filters, 3, name=name, use_bias=not options.batch_norm)
                x = net.norm(x, f"{name}_bn") if options.batch_norm else x
                x = net.activate(x, f"{name}_relu")
    return net.built(images, x)


def build_strided_encoder(images: Any, ctx: BackboneContext, options: StridedEncoderOptions) -> BuiltBackbone:
    """Build pairs of 3x3 convolutions with ReLU, the first of stride 2, without pooling: 64-64-128-128-256-256."""
    net = Net(options, ctx)
    x = net.scaled(images)
    for number, filters in enumerate(options.filters, 1):
        with net.block(f"block{number}"):
            for conv, stride in ((1, 2), (2, 1)):
                name = f"block{number}_conv{conv}"
                x = net.activate(net.conv(x, filters, 3, stride, name=name), f"{name}_relu")
    return net.built(images, x)
