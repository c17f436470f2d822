"""NASNet-A (Zoph et al. 2018, arXiv:1707.07012): normal and reduction cells that a search found on CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras import layers

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.scratch.options import NasNetOptions
from tlkit.models.scratch.parts import Net

Branch = tuple[str, str, int]
"""The input tensor, the operation on it, and the side of its window."""

NORMAL: Sequence[tuple[Branch, Branch]] = (
    (("now", "separable", 5), ("before", "separable", 3)),
    (("before", "separable", 5), ("before", "separable", 3)),
    (("now", "average", 3), ("before", "identity", 1)),
    (("before", "average", 3), ("before", "average", 3)),
    (("now", "separable", 3), ("now", "identity", 1)),
)
"""The sums of a normal cell: the paper's figure 4. ``now`` is the output of the cell before it, ``before`` that of the
one before that; both are squeezed to the cell's channels."""

REDUCTION: Sequence[tuple[Branch, Branch]] = (
    (("now", "separable", 5), ("before", "separable", 7)),
    (("now", "max", 3), ("before", "separable", 7)),
    (("now", "average", 3), ("before", "separable", 5)),
    (("sum2", "identity", 1), ("sum1", "average", 3)),
    (("sum1", "separable", 3), ("now", "max", 3)),
)
"""The sums of a reduction cell. Operations on ``now`` and ``before`` have stride 2, those on earlier sums stride 1."""


def build_nasnet(images: Any, ctx: BackboneContext, options: NasNetOptions) -> BuiltBackbone:
    """Build a stem with two reduction cells, then three stacks of normal cells with a reduction cell between stacks.

    Each cell takes the outputs of the two cells before it (the paper's figures 2 and 4); strides 2 to 32. As in the
    published networks, the second input of a reduction cell is the cell before the last, not the input of the stack.
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
    tensors = {"before": before, "now": _squeezed(net, x, filters, name)}
    pairs = [
        [_operation(net, tensors, branch, filters, f"{name}_{side}{number}") for side, branch in _sides(pair)]
        for number, pair in enumerate(NORMAL, 1)
    ]
    sums = [net.sum(pair, f"{name}_add{number}") for number, pair in enumerate(pairs, 1)]
    return net.concatenate([before, *sums], f"{name}_concat")


def _reduction(net: Net, x: Any, before: Any | None, filters: int, name: str) -> Any:
    tensors = {"before": _fitted(net, before, x, filters, name), "now": _squeezed(net, x, filters, name)}
    tensors["padded"] = net.pad_for_stride(tensors["now"], 3, f"{name}_pad")
    for number, pair in enumerate(REDUCTION, 1):
        branches = [
            _operation(net, tensors, branch, filters, f"{name}_{side}{number}", reduce=branch[0] in ("now", "before"))
            for side, branch in _sides(pair)
        ]
        tensors[f"sum{number}"] = net.sum(branches, f"{name}_add{number}")
    return net.concatenate([tensors[f"sum{number}"] for number in (2, 3, 4, 5)], f"{name}_concat")


def _sides(pair: tuple[Branch, Branch]) -> list[tuple[str, Branch]]:
    """Return the branches with the side in their layers' names; the branch beside an identity is the left one."""
    first, second = pair
    return [("left", first), ("left" if first[1] == "identity" else "right", second)]


def _operation(
    net: Net, tensors: Mapping[str, Any], branch: Branch, filters: int, name: str, *, reduce: bool = False
) -> Any:
    source, operation, kernel = branch
    x = tensors[source]
    if operation == "identity":
        return x
    if operation == "separable":
        return _separable(net, x, filters, kernel, name, 2 if reduce else 1)
    pool = net.max_pool if operation == "max" else net.average_pool
    return pool(tensors["padded"], kernel, 2, name) if reduce else pool(x, kernel, 1, name, "same")


def _squeezed(net: Net, x: Any, filters: int, name: str) -> Any:
    x = net.activate(x, f"{name}_relu")
    return net.norm(net.conv(x, filters, 1, name=f"{name}_conv", use_bias=False), f"{name}_bn")


def _fitted(net: Net, before: Any | None, x: Any, filters: int, name: str) -> Any:
    """Bring the output of the cell before the last to the size of ``x`` and to the channels of this cell."""
    if before is None:
        return x
    name = f"{name}_fit"
    if before.shape[1:3] == x.shape[1:3]:
        return before if before.shape[-1] == filters else _squeezed(net, before, filters, name)
    before = net.activate(before, f"{name}_relu")
    # Every other pixel, once from the first and once from the second, so that nothing is left out.
    shifted = net.pad(before, ((0, 1), (0, 1)), f"{name}_pad")
    shifted = net.add(layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_crop"), shifted)
    halves = []
    for number, half in enumerate((before, shifted), 1):
        half = net.average_pool(half, 1, 2, f"{name}_pool{number}")
        halves.append(net.conv(half, filters // 2, 1, name=f"{name}_conv{number}", use_bias=False))
    return net.norm(net.concatenate(halves, f"{name}_concat"), f"{name}_bn")


def _separable(net: Net, x: Any, filters: int, kernel: int, name: str, stride: int) -> Any:
    """ReLU, separable convolution, BatchNorm, twice; the first convolution has the stride."""
    x = net.activate(x, f"{name}_relu1")
    padding = "same"
    if stride == 2:
        x, padding = net.pad_for_stride(x, kernel, f"{name}_pad"), "valid"
    x = net.separable(x, filters, kernel, stride, name=f"{name}_conv1", padding=padding)
    x = net.activate(net.norm(x, f"{name}_bn1"), f"{name}_relu2")
    x = net.separable(x, filters, kernel, name=f"{name}_conv2")
    return net.norm(x, f"{name}_bn2")
