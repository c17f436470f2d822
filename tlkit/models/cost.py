"""What layers cost: their weights, and the operations that they do for an image."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from tlkit.models.assemble import Network

_HEAVY = 10
"""A head is called heavy that has so many times the weights, or does so many times the operations, of its backbone."""


def operations_per_image(layers: Iterable[Any]) -> int:
    """Return the multiplications and additions of convolutions and dense layers for an image.

    Two are counted per weight and output position; a transposed convolution thus counts too much, by its strides.

    Args:
        layers: layers of a functional model, each called once.
    """
    total = 0
    for layer in layers:
        kernels = [each for each in layer.weights if "kernel" in each.name]
        output = layer.output if kernels else None
        shape = getattr(output[0] if isinstance(output, list | tuple) else output, "shape", ())[1:-1]
        positions = math.prod(size or 1 for size in shape)
        total += sum(2 * math.prod(kernel.shape) * positions for kernel in kernels)
    return int(total)


def heavy_head(network: Network) -> str:
    """Return how much a network's head outweighs its backbone, as the end of a sentence; empty below ten times.

    Such a head decides how long an epoch takes, however small the backbone is.
    """
    names = set(network.head_layers)
    head = [layer for layer in network.model.layers if layer.name in names]
    backbone = [layer for layer in network.model.layers if layer.weights and layer.name not in names]
    ratios = {
        "the weights": sum(each.count_params() for each in head)
        / max(sum(each.count_params() for each in backbone), 1),
        "the operations": operations_per_image(head) / max(operations_per_image(backbone), 1),
    }
    heavy = [f"{ratio:.0f} times {what}" for what, ratio in ratios.items() if ratio >= _HEAVY]
    return " and ".join(heavy)
