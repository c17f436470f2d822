"""AlexNet (Krizhevsky, Sutskever & Hinton 2012, doi:10.1145/3065386)."""

from __future__ import annotations

from typing import Any

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.scratch.options import AlexNetOptions
from tlkit.models.scratch.parts import Net


def build_alexnet(images: Any, ctx: BackboneContext, options: AlexNetOptions) -> BuiltBackbone:
    """Five convolutions; overlapping 3x3 pooling of stride 2 behind the first, second and fifth.

    Images of 227 pixels give 6x6 at the end. The paper's response normalisation is left out, as its successors found it
    of no use (arXiv:1409.1556, section 4). The top of 4096, dropout, 4096, dropout is the head ``flatten_mlp``.
    """
    net = Net(options, ctx)
    x = net.scaled(images)
    plan = (
        (11, 4, "valid", 1),
        (5, 1, "same", options.groups),
        (3, 1, "same", 1),
        (3, 1, "same", options.groups),
        (3, 1, "same", options.groups),
    )
    for number, (filters, (kernel, stride, padding, groups)) in enumerate(zip(options.filters, plan, strict=True), 1):
        with net.block(f"conv{number}"):
            x = net.conv(x, filters, kernel, stride, name=f"conv{number}", padding=padding, groups=groups)
            x = net.activate(x, f"conv{number}_relu")
            if number in (1, 2, 5):
                x = net.max_pool(x, 3, 2, f"pool{number}")
    return net.built(images, x)
