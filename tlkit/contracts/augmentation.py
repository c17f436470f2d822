"""Augmentation policies: random changes of training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tlkit.contracts.base import IGNORE, ImageSize, Task, Tensor
from tlkit.contracts.options_class import ANY_OPTIONS, OptionsClass


@dataclass(frozen=True)
class AugmentContext:
    """What an augmentation is built for.

    Args:
        task: the recipe's task.
        image_size: height and width of the images in pixels.
        classes: number of classes.
        value_range: range of the images' values; always (0, 255).
        ignore: class number of ignored pixels in masks.
    """

    task: Task
    image_size: ImageSize
    classes: int
    value_range: tuple[float, float] = (0.0, 255.0)
    ignore: int = IGNORE


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """A policy that changes training images at random.

    ``build(ctx, options)`` returns a function ``augment(batch, seed)`` → batch, or None if there is nothing to do. The
    function is traced into the input pipeline. It must return the entries it was given, in the same shapes and dtypes:

    - ``images``: float32 (N, H, W, 3) in 0–255.
    - ``labels``: int32 (N,); float32 (N, classes) if an image can have several labels or an earlier policy of the
      recipe mixed them.
    - ``segmentation_masks``: int32 (N, H, W, 1), class numbers and ``ctx.ignore``.

    ``seed`` is an int32 tensor (2,), the address of this batch's random draws: the same seed must give the same
    result, whatever ran before. Draw with TensorFlow's stateless functions.

    Args:
        name: the name in ``[augment] name = "…"``.
        summary: one line for ``tlkit plugins``.
        options: class of its options; or ``lazy`` of one, which is imported when it is needed.
        build: ``build(ctx, options)``, see above.
        tasks: the tasks it supports.
        soft_labels: whether it mixes targets. If so, it receives and returns ``labels`` as float32 (N, classes), or
            ``segmentation_masks`` as float32 (N, H, W, classes). Both are one-hot when they arrive; an ignored pixel
            is all zero. A pixel whose classes add up to less than 1 counts that much less in the loss.
    """

    name: str
    summary: str
    options: OptionsClass = ANY_OPTIONS
    build: Callable[[AugmentContext, Any], Callable[[dict[str, Tensor], Tensor], dict[str, Tensor]] | None]
    tasks: tuple[Task, ...] = ("classification", "segmentation")
    soft_labels: bool = False
