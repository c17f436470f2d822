"""What ``tlkit init`` found in a folder or a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from tlkit.contracts import Detected
from tlkit.data.images.mask_classes import MaskClasses
from tlkit.data.init.sample_files import Headers
from tlkit.errors import DataError

Layout = Literal["classes", "masks", "oxford_pets", "detected"]

IMAGE_FOLDERS = ("images", "image", "img", "imgs", "photos", "jpegimages", "inputs")
MASK_FOLDERS = (
    "masks",
    "mask",
    "labels",
    "label",
    "annotations",
    "annotation",
    "segmentation",
    "segmentations",
    "segmentationclass",
    "trimaps",
    "gt",
    "ground_truth",
    "groundtruth",
)
LAYOUTS = (
    "tlkit init recognises these layouts:\n"
    "  one folder per class:  cats/*.jpg  dogs/*.jpg     (or train/cats/*.jpg, with val/ and test/ beside train/)\n"
    "  images and masks:      images/a.jpg  masks/a.png  (or images/train/a.jpg  masks/train/a.png)\n"
    "  CamVid:                train/a.png  trainannot/a.png  (and many other layouts of images and masks)\n"
    "  annotations:           COCO, LabelMe, CVAT, Pascal VOC, Roboflow, Label Studio, Supervisely, Hugging Face\n"
    "  tables and arrays:     photos.csv  cells.npz\n"
    'For any other layout, list the images in a CSV file and write a recipe with the data set "csv"; see '
    "tlkit plugins show dataset csv"
)


class FewClassesError(DataError):
    """A folder has class folders, but too few of them have images to learn from."""


class NoClassesError(DataError):
    """A folder has images, but no class folders."""


@dataclass(frozen=True)
class MaskSurvey:
    """The masks of a folder.

    Args:
        options: the keys of ``[data]`` that say where images and masks are, how they are paired and read.
        values: the values, or colours, of the masks that were opened.
        names: value as a recipe writes it → class name, from a file beside the masks.
        names_file: that file.
    """

    options: Mapping[str, Any]
    values: MaskClasses
    names: Mapping[str, str] = field(default_factory=dict)
    names_file: Path | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of images and masks; with ``{split}`` in a path, the folder above it."""
        return tuple(
            Path(*takewhile(lambda part: "{split}" not in part, Path(self.options[key]).parts))
            for key in ("images", "masks")
        )


@dataclass(frozen=True)
class Survey:
    """The contents of a folder.

    Args:
        root: the folder.
        layout: how it is laid out.
        counts: split ("" without splits) → class → number of images; for masks, the class is "".
        headers: the headers of the images that were opened.
        masks: what the masks show, in a layout with masks.
        notes: messages for the user.
        dataset: the name of the data set that recognised the layout, where a data set did.
        detected: what that data set recognised.
        options: for class folders, the options of the data set ``folder`` besides ``path``.
        comments: key of ``options`` → comment beside it in the recipe.
        problems: what keeps the images from being used, with what to do about it.
    """

    root: Path
    layout: Layout
    counts: dict[str, dict[str, int]]
    headers: Headers
    masks: MaskSurvey | None = None
    notes: tuple[str, ...] = ()
    dataset: str = ""
    detected: Detected | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    comments: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def splits(self) -> Mapping[str, int]:
        """Split ("" without splits) → number of images."""
        if self.detected is not None and self.detected.splits is not None:
            return self.detected.splits
        return {split: sum(classes.values()) for split, classes in self.counts.items()}

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the class folders, sorted."""
        return tuple(sorted({name for each in self.counts.values() for name in each}))

    @property
    def total(self) -> int:
        """The number of images."""
        return sum(self.splits.values())
