"""AlexNet (Krizhevsky, Sutskever & Hinton 2012, doi:10.1145/3065386)."""

from __future__ import annotations

from typing import Any

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.scratch.options import AlexNetOptions
from tlkit.models.scratch.parts import Net

LAYERS = (
    # kernel, stride, padding, in two halves on the paper's two GPUs, followed by pooling
    (11, 4, "valid", False, True),
    (5, 1, "same", True, True),
    (3, 1, "same", False, False),
    (3, 1, "same", True, False),
    (3, 1, "same", True, True),
)
"""The five convolutions: the paper's section 3.5 and figure 2."""


def build_alexnet(images: Any, ctx: BackboneContext, options: AlexNetOptions) -> BuiltBackbone:
    """Build five convolutions, with overlapping 3x3 pooling of stride 2 after the first, second and fifth.

    Images of 227 pixels give 6x6 at the end. The paper's response normalization is left out, since its successors found
    it to be of no use (arXiv:1409.1556, section 4). The top of 4096, dropout, 4096, dropout is the head
    ``flatten_mlp``.
    """
    net = Net(options, ctx)
    x = net.scaled(images)
    for number, (filters, layer) in enumerate(zip(options.filters, LAYERS, strict=True), 1):
        kernel, stride, padding, halved, pooled = layer
        groups = options.groups if halved else 1
        with net.block(f"conv{number}"):
            x = net.conv(x, filters, kernel, stride, name=f"conv{number}", padding=padding, groups=groups)
            x = net.activate(x, f"conv{number}_relu")
            if pooled:
                x = net.max_pool(x, 3, 2, f"pool{number}")
    return net.built(images, x)
