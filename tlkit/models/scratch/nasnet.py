"""NASNet-A (Zoph et al. 2018, arXiv:1707.07012): normal and reduction cells that a search found on CIFAR-10."""

from __future__ import annotations

from typing import Any

from keras import layers

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.scratch.options import NasNetOptions
from tlkit.models.scratch.parts import Net


def build_nasnet(images: Any, ctx: BackboneContext, options: NasNetOptions) -> BuiltBackbone:
    """A stem with two reduction cells, then three stacks of normal cells with a reduction cell between two stacks.

    Each cell gets the outputs of the two cells before it (the paper's figures 2 and 4); strides 2 to 32. As in the
    published networks, a reduction cell's second input is the one in front of the cell, not of the stack.
    """
    net = Net(options, ctx)
    filters = options.penultimate_filters // 24
    x = net.scaled(images)
    with net.block("stem"):
        x = net.conv(x, options.stem_filters, 3, 2, name="stem_conv", padding="valid", use_bias=False)
        x = net.norm(x, "stem_bn")
        x, before = _reduction(net, x, None, filters // 4, "stem_cell1"), x
        x, before = _reduction(net, x, before, filters // 2, "stem_cell2"), x
    for stack in (1, 2, 3):
        channels = filters * 2 ** (stack - 1)
        with net.block(f"stack{stack}"):
            if stack > 1:
                x, before = _reduction(net, x, before, channels, f"stack{stack}_reduce"), x
            for number in range(1, options.repeats + 1):
                x, before = _normal(net, x, before, channels, f"stack{stack}_cell{number}"), x
    with net.block("stack3"):
        x = net.activate(x, "top_relu")
    return net.built(images, x)


def _normal(net: Net, x: Any, before: Any, filters: int, name: str) -> Any:
    before = _fitted(net, before, x, filters, name)
    now = _squeezed(net, x, filters, name)
    pairs = [
        [_separable(net, now, filters, 5, f"{name}_left1"), _separable(net, before, filters, 3, f"{name}_right1")],
        [_separable(net, before, filters, 5, f"{name}_left2"), _separable(net, before, filters, 3, f"{name}_right2")],
        [net.average_pool(now, 3, 1, f"{name}_left3", "same"), before],
        [
            net.average_pool(before, 3, 1, f"{name}_left4", "same"),
            net.average_pool(before, 3, 1, f"{name}_right4", "same"),
        ],
        [_separable(net, now, filters, 3, f"{name}_left5"), now],
    ]
    sums = [net.join(pair, f"{name}_add{number}") for number, pair in enumerate(pairs, 1)]
    return net.concatenate([before, *sums], f"{name}_concat")


def _reduction(net: Net, x: Any, before: Any | None, filters: int, name: str) -> Any:
    before = _fitted(net, before, x, filters, name)
    now = _squeezed(net, x, filters, name)
    padded = net.pad_for_stride(now, 3, f"{name}_pad")
    first = net.join(
        [
            _separable(net, now, filters, 5, f"{name}_left1", 2),
            _separable(net, before, filters, 7, f"{name}_right1", 2),
        ],
        f"{name}_add1",
    )
    second = net.join(
        [net.max_pool(padded, 3, 2, f"{name}_left2"), _separable(net, before, filters, 7, f"{name}_right2", 2)],
        f"{name}_add2",
    )
    third = net.join(
        [net.average_pool(padded, 3, 2, f"{name}_left3"), _separable(net, before, filters, 5, f"{name}_right3", 2)],
        f"{name}_add3",
    )
    fourth = net.join([second, net.average_pool(first, 3, 1, f"{name}_left4", "same")], f"{name}_add4")
    fifth = net.join(
        [_separable(net, first, filters, 3, f"{name}_left5"), net.max_pool(padded, 3, 2, f"{name}_right5")],
        f"{name}_add5",
    )
    return net.concatenate([second, third, fourth, fifth], f"{name}_concat")


def _squeezed(net: Net, x: Any, filters: int, name: str) -> Any:
    x = net.activate(x, f"{name}_relu")
    return net.norm(net.conv(x, filters, 1, name=f"{name}_conv", use_bias=False), f"{name}_bn")


def _fitted(net: Net, before: Any | None, x: Any, filters: int, name: str) -> Any:
    """The output of the cell before the last, at the size and with the channels of this one."""
    if before is None:
        return x
    name = f"{name}_fit"
    if before.shape[1:3] == x.shape[1:3]:
        if before.shape[-1] == filters:
            return before
        before = net.activate(before, f"{name}_relu")
        return net.norm(net.conv(before, filters, 1, name=f"{name}_conv", use_bias=False), f"{name}_bn")
    before = net.activate(before, f"{name}_relu")
    # Every other pixel, once from the first and once from the second, so that nothing is left out.
    shifted = net.pad(before, ((0, 1), (0, 1)), f"{name}_pad")
    shifted = net.add(layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_crop"), shifted)
    halves = []
    for number, half in enumerate((before, shifted), 1):
        half = net.average_pool(half, 1, 2, f"{name}_pool{number}")
        halves.append(net.conv(half, filters // 2, 1, name=f"{name}_conv{number}", use_bias=False))
    return net.norm(net.concatenate(halves, f"{name}_concat"), f"{name}_bn")


def _separable(net: Net, x: Any, filters: int, kernel: int, name: str, stride: int = 1) -> Any:
    """ReLU, separable convolution, BatchNorm, twice."""
    x = net.activate(x, f"{name}_relu1")
    padding = "same"
    if stride == 2:
        x, padding = net.pad_for_stride(x, kernel, f"{name}_pad"), "valid"
    x = net.separable(x, filters, kernel, stride, name=f"{name}_conv1", padding=padding)
    x = net.activate(net.norm(x, f"{name}_bn1"), f"{name}_relu2")
    x = net.separable(x, filters, kernel, name=f"{name}_conv2")
    return net.norm(x, f"{name}_bn2")
