"""Data sets: lists of samples with labels or masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.contracts.base import Options, Split, Task

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class DatasetContext:
    """What a data set is opened for.

    Args:
        task: the recipe's task.
        seed: the recipe's seed, for data that is generated.
    """

    task: Task
    seed: int


@dataclass(frozen=True)
class Sample:
    """One image and its target.

    Args:
        key: unique in its data set and the same on every machine, such as the path relative to the data set's folder
            with ``/`` between its parts.
        image: the image's file, or a row of ``SampleSet.images``.
        label: class number; a tuple of class numbers in a multi-label data set; None for segmentation, or if unknown.
        mask: the mask's file, or a row of ``SampleSet.masks``; None for classification.
        split: the split that the data set prescribes; None: tlkit splits it.
        group: name of a group whose samples all stay in one split, such as a patient; None: in no group.
    """

    key: str
    image: Path | int
    label: int | tuple[int, ...] | None = None
    mask: Path | int | None = None
    split: Split | None = None
    group: str | None = None


@dataclass(frozen=True)
class MaskTable:
    """Which class each pixel value of a mask file means.

    Args:
        values: grey value or palette index, or (red, green, blue), → class number or ``IGNORE``. All keys are of one
            kind.
        default: class number of all values not in the table; None: such a value is an error.
    """

    values: Mapping[int | tuple[int, int, int], int]
    default: int | None = None


@dataclass(frozen=True)
class SetAside:
    """A file that can't be used.

    Args:
        key: as in ``Sample``.
        reason: why it can't be used, in a few words.
    """

    key: str
    reason: str


@dataclass(frozen=True)
class SampleSet:
    """What ``Dataset.open`` returns.

    Args:
        samples: the samples, in the same order every time.
        classes: class names in the order of the class numbers.
        multi_label: whether an image can have several labels.
        images: uint8 (N, H, W, 3) or (N, H, W), for samples whose image is a row; None: images are files.
        masks: uint8 (N, H, W), class numbers and ``IGNORE``, for samples whose mask is a row; None: masks are files.
        mask_table: the meaning of the pixels of mask files.
        set_aside: files that were found but can't be used.
        root: the folder that the keys are relative to; None if the data is generated.
        colors: class number → (red, green, blue) for pictures; other classes get a colour from tlkit's palette.
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
    """A source of images and their targets.

    Args:
        name: the name in ``[data] name = "…"``.
        summary: one line for ``tlkit plugins``.
        options: class of its options.
        open: ``open(ctx, options)`` → ``SampleSet``. It lists the files and reads no images; ``tlkit.files`` has the
            functions for that. Raises ``DataError`` if the data can't be used.
        tasks: the tasks it supports.
        relocate: ``relocate(options, path)`` → the options that read other data at ``path`` in the same form, for
            ``tlkit evaluate --data``. What belongs to the data itself must not stay: other paths, columns or lists of
            splits and groups, limits. Raises ``DataError`` if the path can't be such data. None: ``path`` is replaced,
            and every other option that is a path gets its default.
    """

    name: str
    summary: str
    options: type[Options]
    open: Callable[[DatasetContext, Any], SampleSet]
    tasks: tuple[Task, ...]
    relocate: Callable[[Any, Path], Options] | None = None
