"""Data sets: lists of samples with labels or masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Tensor = Any
    """A keras or tensorflow tensor; not imported here because TensorFlow takes seconds to import."""
from tlkit.contracts.base import Options, Split, Task


@dataclass(frozen=True)
class DatasetContext:
    """What a data set is opened for.

    Args:
        task: of the recipe.
        seed: of the recipe, for data that is made.
    """

    task: Task
    seed: int


@dataclass(frozen=True)
class Sample:
    """One image and its target.

    Args:
        key: unique in its data set and the same on every machine, such as the path below the data set's folder with
            ``/`` between its parts.
        image: the image's file, or a row of ``SampleSet.images``.
        label: class number; the class numbers of a multi-label data set; None for segmentation or when unknown.
        mask: the mask's file, or a row of ``SampleSet.masks``; None for classification.
        split: the split that the data set prescribes; None: the core splits.
        group: samples of one group never stand on two sides of a split; None: in no group.
    """

    key: str
    image: Path | int
    label: int | tuple[int, ...] | None = None
    mask: Path | int | None = None
    split: Split | None = None
    group: str | None = None


@dataclass(frozen=True)
class MaskTable:
    """How a mask's pixels name classes.

    Args:
        values: pixel value (grey value or palette index), or (red, green, blue), → class number, or ``IGNORE``. All
            keys are of one kind.
        default: class number of values that are not in the table; None: such a value is an error.
    """

    values: Mapping[int | tuple[int, int, int], int]
    default: int | None = None


@dataclass(frozen=True)
class SetAside:
    """A file that is not used.

    Args:
        key: as in ``Sample``.
        reason: why, in a few words.
    """

    key: str
    reason: str


@dataclass(frozen=True)
class SampleSet:
    """What ``Dataset.open`` returns.

    Args:
        samples: in a stable order.
        classes: class names in the order of the class numbers.
        multi_label: whether an image can have several labels.
        images: uint8 (N, H, W, 3) or (N, H, W), for samples whose image is a row.
        masks: uint8 (N, H, W) class numbers and ``IGNORE``, for samples whose mask is a row.
        mask_table: for masks that are files.
        set_aside: files that were seen and can't be used.
        root: the folder that the keys are relative to; None when the data is made.
        colors: class number → (red, green, blue) for pictures; classes not in it get a colour of the palette.
    """

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    multi_label: bool = False
    images: np.ndarray | None = None
    masks: np.ndarray | None = None
    mask_table: MaskTable | None = None
    set_aside: tuple[SetAside, ...] = ()
    root: Path | None = None
    colors: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Where images and targets come from.

    Args:
        name: the name in ``[data] name = "…"``.
        summary: one line for ``tlkit plugins``.
        options: its options.
        open: ``open(ctx, options)`` → the samples. Reads listings, not images. Raises ``DataError``.
        tasks: the tasks that it can serve.
    """

    name: str
    summary: str
    options: type[Options]
    open: Callable[[DatasetContext, Any], SampleSet]
    tasks: tuple[Task, ...]
