"""ResNet v1 and v2, and ResNet with squeeze-and-excitation."""

from __future__ import annotations

from typing import Any

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.scratch.options import ResNetOptions, ResNetV2Options, SeNetOptions
from tlkit.models.scratch.parts import Net, squeeze_excite

UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Depth → residual units of each stage: table 1 of arXiv:1512.03385."""


def build_resnet(images: Any, ctx: BackboneContext, options: ResNetOptions) -> BuiltBackbone:
    """Build residual units, with BatchNorm after each convolution (He et al. 2016, arXiv:1512.03385).

    The first unit of a stage has a projection on its shortcut and halves the size, in bottlenecks by the first 1x1
    convolution as in the paper; blocks ``conv1`` (the stem) to ``conv5``.
    """
    net = Net(options, ctx)
    units = options.units or UNITS[options.depth][: len(options.filters)]
    x = stem(net, net.scaled(images), options.filters[0], options.stem, options.bias)
    for stage, (count, filters) in enumerate(zip(units, options.filters, strict=False), 2):
        with net.block(f"conv{stage}"):
            for unit in range(1, count + 1):
                stride = 2 if unit == 1 and stage > 2 else 1
                x = _unit(net, x, filters, stride, f"conv{stage}_block{unit}", options, first=unit == 1)
    return net.built(images, x)


def build_senet(images: Any, ctx: BackboneContext, options: SeNetOptions) -> BuiltBackbone:
    """Build ResNet v1 with squeeze-and-excitation at the end of each branch (Hu et al. 2018, arXiv:1709.01507)."""
    return build_resnet(images, ctx, options)


def stem(net: Net, x: Any, filters: int, kind: str, bias: bool) -> Any:
    """Build the first convolution: 7x7 and pooling down to stride 4, or 3x3 at stride 1 for small images."""
    with net.block("conv1"):
        if kind == "cifar":
            x = net.conv(x, filters, 3, name="conv1_conv", use_bias=bias)
            return net.activate(net.norm(x, "conv1_bn"), "conv1_relu")
        x = net.pad(x, 3, "conv1_pad")
        x = net.conv(x, filters, 7, 2, name="conv1_conv", padding="valid", use_bias=bias)
        x = net.activate(net.norm(x, "conv1_bn"), "conv1_relu")
        x = net.pad(x, 1, "pool1_pad")
        return net.max_pool(x, 3, 2, "pool1_pool")


def _unit(net: Net, x: Any, filters: int, stride: int, name: str, options: ResNetOptions, *, first: bool) -> Any:
    bottleneck = options.depth >= 50
    wide = 4 * filters if bottleneck else filters
    shortcut = x
    if first and (bottleneck or stride > 1 or x.shape[-1] != wide):
        shortcut = net.conv(x, wide, 1, stride, name=f"{name}_0_conv", use_bias=options.bias)
        shortcut = net.norm(shortcut, f"{name}_0_bn")
    plan = [(filters, 1, stride), (filters, 3, 1), (wide, 1, 1)] if bottleneck else [(filters, 3, stride), (wide, 3, 1)]
    for number, (channels, kernel, step) in enumerate(plan, 1):
        x = net.conv(x, channels, kernel, step, name=f"{name}_{number}_conv", use_bias=options.bias)
        x = net.norm(x, f"{name}_{number}_bn")
        if number < len(plan):
            x = net.activate(x, f"{name}_{number}_relu")
    if isinstance(options, SeNetOptions):
        x = squeeze_excite(net, x, max(1, wide // options.ratio), f"{name}_se")
    return net.activate(net.sum([shortcut, x], f"{name}_add"), f"{name}_out")


def build_resnet_v2(images: Any, ctx: BackboneContext, options: ResNetV2Options) -> BuiltBackbone:
    """Build bottlenecks with BatchNorm and ReLU before each convolution, for small images.

    Three stages of (depth - 2) / 9 units at strides 1, 2 and 4 (He et al. 2016, arXiv:1603.05027); ResNet-164 has 16
    channels in the stem and 64, 128 and 256 after the stages. The very first unit takes the stem's BatchNorm and ReLU
    instead of its own.
    """
    net = Net(options, ctx)
    with net.block("conv1"):
        x = net.conv(net.scaled(images), options.filters, 3, name="conv1_conv", use_bias=False)
        x = net.activate(net.norm(x, "conv1_bn"), "conv1_relu")
    for stage, factor in ((2, 4), (3, 8), (4, 16)):
        with net.block(f"conv{stage}"):
            for unit in range(1, (options.depth - 2) // 9 + 1):
                stride = 2 if unit == 1 and stage > 2 else 1
                name = f"conv{stage}_block{unit}"
                activated = (stage, unit) == (2, 1)
                x = _unit_v2(net, x, factor * options.filters, stride, name, first=unit == 1, activated=activated)
    with net.block("post"):
        x = net.activate(net.norm(x, "post_bn"), "post_relu")
    return net.built(images, x)


def _unit_v2(net: Net, x: Any, wide: int, stride: int, name: str, *, first: bool, activated: bool) -> Any:
    narrow = wide // 4
    before = x if activated else net.activate(net.norm(x, f"{name}_0_bn"), f"{name}_0_relu")
    # Where the size or the channels change, the shortcut starts after the BatchNorm (the paper's figure 5).
    shortcut = net.conv(before, wide, 1, stride, name=f"{name}_0_conv", use_bias=False) if first else x
    x = net.conv(before, narrow, 1, stride, name=f"{name}_1_conv", use_bias=False)
    x = net.activate(net.norm(x, f"{name}_1_bn"), f"{name}_1_relu")
    x = net.conv(x, narrow, 3, name=f"{name}_2_conv", use_bias=False)
    x = net.activate(net.norm(x, f"{name}_2_bn"), f"{name}_2_relu")
    x = net.conv(x, wide, 1, name=f"{name}_3_conv", use_bias=False)
    return net.sum([shortcut, x], f"{name}_add")
