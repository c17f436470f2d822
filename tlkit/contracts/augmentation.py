"""Augmentation policies: random changes of training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlkit.contracts.base import Tensor
from tlkit.contracts.base import IGNORE, ImageSize, Options, Task


@dataclass(frozen=True)
class AugmentContext:
    """What an augmentation works on.

    Args:
        task: of the recipe.
        image_size: (height, width) of the images.
        classes: number of classes.
        value_range: of the images' values, always (0, 255).
        ignore: class number of ignored pixels in the masks.
    """

    task: Task
    image_size: ImageSize
    classes: int
    value_range: tuple[float, float] = (0.0, 255.0)
    ignore: int = IGNORE


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What changes training images at random.

    Args:
        name: the name in ``[augment] name = "…"``.
        summary: one line for ``tlkit plugins``.
        options: its options.
        build: ``build(ctx, options)`` → a function ``augment(batch, seed)`` → batch, traced into the input pipeline,
            or None when nothing is to be done. ``batch`` is a dict: ``images`` float32 (N, H, W, 3) in 0–255;
            ``labels`` int32 (N,), or float32 (N, classes) when there are several an image or a policy before this one
            has mixed them; ``segmentation_masks`` int32 (N, H, W, 1), class numbers and ``ctx.ignore``. ``seed`` is an
            int32 tensor (2,), the address of this batch's draws: the same seed must give the same result, whatever
            ran before.
        tasks: the tasks that it can serve.
        soft_labels: whether it mixes targets. It is then given, and returns, ``labels`` float32 one-hot (N, classes),
            or ``segmentation_masks`` float32 one-hot (N, H, W, classes) in which an ignored pixel is all zero; a
            pixel whose classes add up to less than 1 counts that much less.
    """

    name: str
    summary: str
    options: type[Options]
    build: Callable[[AugmentContext, Any], Callable[[dict[str, Tensor], Tensor], dict[str, Tensor]] | None]
    tasks: tuple[Task, ...] = ("classification", "segmentation")
    soft_labels: bool = False
