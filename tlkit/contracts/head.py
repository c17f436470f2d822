"""Heads: what turns feature maps into logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlkit.contracts.base import Tensor
from tlkit.contracts.base import ImageSize, Options, Task


@dataclass(frozen=True)
class HeadContext:
    """What a head is built for.

    Args:
        task: of the recipe.
        classes: class names, in the order of the class numbers.
        units: how many logits to return: 1 for two classes of a classification, else one a class.
        image_size: (height, width) of the (padded) model input in pixels.
        seed: for the initialisers.
    """

    task: Task
    classes: tuple[str, ...]
    units: int
    image_size: ImageSize
    seed: int


@dataclass(frozen=True, kw_only=True)
class Head:
    """What turns feature maps into logits.

    Args:
        name: the name in ``[head] name = "…"``.
        summary: one line for ``tlkit plugins``.
        task: the task that it serves.
        options: its options.
        build: ``build(features, ctx, options)`` → logits, without activation. ``features`` maps stride → symbolic
            feature map; for segmentation each is exactly (N, H/stride, W/stride, channels). Classification returns
            (N, units); segmentation (N, h, w, units) at any stride: the core resizes it to the input.
    """

    name: str
    summary: str
    task: Task
    options: type[Options]
    build: Callable[[Mapping[int, Tensor], HeadContext, Any], Tensor]
