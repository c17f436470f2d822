"""Data sets: lists of samples with labels or masks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tlkit.contracts.base import Options, Split, Task
from tlkit.contracts.options_class import ANY_OPTIONS, OptionsClass

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
class DrawnMask:
    """A mask that a data set draws from annotations, such as polygons.

    Args:
        source: the annotation file, for messages.
        read: ``read()`` → bytes that determine the mask completely, such as its shapes, class numbers, height and width
            as JSON. tlkit hashes them and caches the mask by their digest: change them when the drawing changes. Called
            in threads. Raises ``DataError`` if they can't be read.
        draw: ``draw(content)`` → uint8 (H, W), class numbers and ``IGNORE``, of what ``read`` returned. Called in
            threads. Raises ``DataError`` if there is no such mask; the message names ``source``.
    """

    source: Path
    read: Callable[[], bytes]
    draw: Callable[[bytes], np.ndarray]


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and its target.

    Args:
        key: unique in its data set and the same on every machine, such as the path relative to the data set's folder
            with ``/`` between its parts.
        image: the image's file, or a row of ``SampleSet.images``.
        label: class number; a tuple of class numbers in a multi-label data set; None for segmentation, or if unknown.
        mask: the mask's file, a row of ``SampleSet.masks``, or annotations to draw; None for classification.
        split: the split that the data set prescribes; None: tlkit splits it.
        group: name of a group whose samples all stay in one split, such as a patient; None: in no group.
    """

    key: str
    image: Path | int
    label: int | tuple[int, ...] | None = None
    mask: Path | int | DrawnMask | None = None
    split: Split | None = None
    group: str | None = None

    @classmethod
    def below(
        cls,
        folder: str,
        key: str,
        label: int | tuple[int, ...] | None = None,
        split: Split | None = None,
        group: str | None = None,
    ) -> Sample:
        """Return the sample of an image in a file whose path in a folder is its key; quicker than by a path.

        Args:
            folder: the folder as ``str(Path(...))`` has it.
            key: the path in the folder.
            label: as of a sample.
            split: as of a sample.
            group: as of a sample.
        """
        plain = "//" not in key and "/." not in key and key[:1] not in ("/", ".") and key[-1:] != "/"
        if not plain or os.sep != "/" or folder in (".", "") or folder[-1:] == "/":
            return cls(key, Path(folder) / key, label, None, split, group)
        return cls(key, _before(folder + "/"), label, None, split, group)  # type: ignore[arg-type]


class _Before(str):
    """The part of a path before the key of its sample."""

    __slots__ = ()


_before = lru_cache(1024)(_Before)
"""Few, of many samples: each is kept once."""


class _Image:
    """The field ``image`` of a sample, which keeps only what a path has before the key: a path takes a kilobyte.

    Args:
        slot: where a sample keeps it.
    """

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, sample: Sample | None, kind: type[Sample] | None = None) -> Any:
        if sample is None:
            return self
        kept = self._slot.__get__(sample)
        return Path(kept + sample.key) if type(kept) is _Before else kept

    def __set__(self, sample: Sample, image: Path | int | _Before) -> None:
        key = sample.key
        if type(image) is _Before:
            self._slot.__set__(sample, image)
        elif type(image) is _PATH and type(key) is str and key and (text := str(image)).endswith(key):
            self._slot.__set__(sample, _before(text[: -len(key)]))
        else:
            self._slot.__set__(sample, image)


def image_text(sample: Sample) -> str | None:
    """Return the path of a sample's image as text, without making a path of it; None if it is no file."""
    kept = _SLOT.__get__(sample)
    return kept + sample.key if type(kept) is _Before else str(kept) if isinstance(kept, Path) else None


_PATH = type(Path())
_SLOT: Any = vars(Sample)["image"]


def keep_before_key(kind: type, field: str) -> None:
    """Let a dataclass with slots, one of them ``key``, keep of a path only what the key does not say."""
    setattr(kind, field, _Image(vars(kind)[field]))


keep_before_key(Sample, "image")


MaskValue = int | float | tuple[int, int, int]
"""A pixel value of a mask: grey value or palette index, perhaps negative, a decimal or NaN; or (red, green, blue)."""

MaskChannel = Literal["auto", "red", "green", "blue", "alpha"]
"""The channel of a mask file that holds its values; ``auto``: all colours together, or the grey value."""


@dataclass(frozen=True)
class MaskTable:
    """Which class each pixel value of a mask file means.

    Args:
        values: grey value or palette index, or (red, green, blue), → class number or ``IGNORE``. All keys are of one
            kind.
        default: class number of all values not in the table; None: such a value is an error.
        channel: the channel that holds the values; with one that is not ``auto``, all keys are numbers.
        nearest: whether a value not in the table means the same as the nearest one that is in it.
    """

    values: Mapping[MaskValue, int]
    default: int | None = None
    channel: MaskChannel = "auto"
    nearest: bool = False


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
        sources: files that the data set read or that its masks come from, such as annotations and lists of splits.
        notes: what the user should know, such as the number of shapes that could not be used.
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
    sources: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    colors: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Detected:
    """What a data set recognised in a folder or file; ``tlkit init`` prints it and writes a recipe from it.

    Args:
        title: one line, such as ``COCO annotations: 2 files, 120 images``.
        task: the task of the recipe.
        options: the keys of ``[data]`` besides ``name``, with plain values as TOML has them. Paths are the given path,
            or paths below it.
        comments: key of ``options`` → comment beside it in the recipe; other key → a commented line, such as an option
            that the user may want.
        counts: split (``""`` where tlkit draws the splits) → class → number of images that have it.
        images: the image files that a run would use.
        sizes: (width, height) of images that are no files.
        splits: split (``""`` where tlkit draws them) → number of images; None: the sums of ``counts``, where each image
            has one class.
        tasks: all tasks that the annotations allow.
        multi_label: whether images can have several labels.
        notes: messages for the user: what can't be used, other readings, and the key that decides.
    """

    title: str
    task: Task
    options: Mapping[str, Any]
    comments: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, int]]
    images: tuple[Path, ...]
    sizes: tuple[tuple[int, int], ...] = ()
    splits: Mapping[str, int] | None = None
    tasks: tuple[Task, ...] = ()
    multi_label: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A source of images and their targets.

    Args:
        name: the name in ``[data] name = "…"``.
        summary: one line for ``tlkit plugins``.
        options: class of its options; or ``lazy`` of one, which is imported when it is needed.
        open: ``open(ctx, options)`` → ``SampleSet``. It lists the files and reads no images; ``tlkit.files`` has the
            functions for that. Raises ``DataError`` if the data can't be used.
        tasks: the tasks it supports.
        detect: ``detect(path, task)`` → ``Detected`` if a folder or file is laid out for this data set, otherwise None;
            ``task`` is what the user wants to learn, or None. It reads no images. Raises ``DataError`` if the path is
            laid out so, but can't be used.
        relocate: ``relocate(options, path)`` → the options that read other data at ``path`` in the same form, for
            ``tlkit evaluate --data``. What belongs to the data itself must not stay: other paths, columns or lists of
            splits and groups, limits. Raises ``DataError`` if the path can't be such data. None: ``path`` is replaced,
            and every other option that is a path gets its default.
    """

    name: str
    summary: str
    options: OptionsClass = ANY_OPTIONS
    open: Callable[[DatasetContext, Any], SampleSet]
    tasks: tuple[Task, ...]
    detect: Callable[[Path, Task | None], Detected | None] | None = None
    relocate: Callable[[Any, Path], Options] | None = None
