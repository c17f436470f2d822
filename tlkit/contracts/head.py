"""Heads: layers that turn feature maps into logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tlkit.contracts.base import ImageSize, Task, Tensor
from tlkit.contracts.options_class import ANY_OPTIONS, OptionsClass


@dataclass(frozen=True)
class HeadContext:
    """What a head is built for.

    Args:
        task: the recipe's task.
        classes: class names in the order of the class numbers.
        units: number of logits per image or pixel: 1 for a classification with two classes, otherwise one per class.
        image_size: height and width in pixels of the model's (padded) input.
        seed: seed for initializers and dropout layers that take one.
    """

    task: Task
    classes: tuple[str, ...]
    units: int
    image_size: ImageSize
    seed: int


@dataclass(frozen=True, kw_only=True)
class Head:
    """Layers that turn a backbone's feature maps into logits.

    Args:
        name: the name in ``[head] name = "…"``.
        summary: one line for ``tlkit plugins``.
        task: the task it is for.
        options: class of its options; or ``lazy`` of one, which is imported when it is needed.
        build: ``build(features, ctx, options)`` → logits, without activation. ``features`` maps stride → symbolic
            feature map; for segmentation each is exactly (N, H/stride, W/stride, channels). A classification head
            returns (N, units); a segmentation head returns (N, h, w, units) at any stride, and the core resizes it to
            the image. Name the layers, so that they have the same names in every process.
    """

    name: str
    summary: str
    task: Task
    options: OptionsClass = ANY_OPTIONS
    build: Callable[[Mapping[int, Tensor], HeadContext, Any], Tensor]
