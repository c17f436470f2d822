"""The options that all annotation formats share, and those of each format."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

import tlkit
from tlkit_annotations.shapes import Overlap

LABELS = (
    "classification: labels of an image: all its classes (multi-label), the class with the largest area, or its only "
    "class, leaving out images with several"
)


class ClassOptions(tlkit.Options, defer_build=True):
    """Options of every format: where the files are, and which classes are learnt."""

    path: Path = Field(description="folder with the annotations and images, or an annotation file")
    images: Path | None = Field(None, description="folder of the images; none: found in the data's folder")
    classes: tuple[str, ...] = Field(
        (), description="class names to use, in this order; empty: all that are annotated. Others become background"
    )
    merge: dict[str, str] = Field(
        default_factory=dict, description="table from a class name of the annotations to the class it counts as"
    )
    ignore: tuple[str, ...] = Field(
        (),
        description="class names whose pixels count neither in the loss nor in the metrics; in classification, they "
        "are no labels",
    )
    background: str = Field(
        "background",
        description='segmentation: class of the pixels in no shape; "": those pixels are ignored, and there is no such '
        "class",
    )


class AnnotationOptions(ClassOptions):
    """Options of every format with shapes or labels."""

    overlap: Overlap = Field(
        "smaller",
        description="segmentation: which of two shapes has the pixels in both: the one with fewer pixels, the later or "
        'the earlier one in the file; "ignore": they are ignored if the classes differ',
    )
    unannotated: Literal["background", "ignore", "leave_out"] = Field(
        "background",
        description="images without annotations are: all background (in classification: without a label, or of the "
        "class that background names), ignored pixels, or left out",
    )
    labels: Literal["multi", "largest", "only"] = Field("multi", description=LABELS)
    twice: Literal["merge", "first", "last"] = Field(
        "merge", description="of an image annotated twice, in two files or entries: use both, the first or the last"
    )


class CocoOptions(AnnotationOptions):
    """Options of ``coco``."""

    files: dict[str, Literal["train", "validation", "test", ""]] = Field(
        default_factory=dict,
        description='table from an annotation file below path to its split, "" for none; empty: all files that are '
        "found, with the splits that their names or folders say",
    )
    crowd: Literal["ignore", "background", "object"] = Field(
        "ignore", description="segmentation: what regions of many objects (iscrowd = 1) count as"
    )
    categories: Literal["name", "supercategory"] = Field("name", description="which name of a category is its class")


class LabelmeOptions(AnnotationOptions):
    """Options of ``labelme``."""

    overlap: Overlap = Field(
        "later",
        description="segmentation: which of two shapes has the pixels in both: the later one, as in labelme, or the "
        'earlier one, or the one with fewer pixels; "ignore": they are ignored if the classes differ',
    )
    unannotated: Literal["background", "ignore", "leave_out"] = Field(
        "leave_out",
        description="images without a JSON file are: left out, all background (in classification: without a label, or "
        "of the class that background names), or ignored pixels",
    )
    source: Literal["shapes", "flags"] = Field(
        "shapes", description="classification: what labels an image: its shapes, or the flags of its file that are true"
    )
