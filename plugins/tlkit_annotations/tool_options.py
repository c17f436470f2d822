"""The options of the formats of single tools."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tlkit_annotations.options import LABELS, AnnotationOptions, ClassOptions
from tlkit_annotations.shapes import Overlap


class VocOptions(ClassOptions):
    """Options of ``voc``."""

    labels: Literal["multi", "largest", "only"] = Field("multi", description=LABELS)
    unannotated: Literal["background", "leave_out"] = Field(
        "background",
        description="classification: images without an object in their XML file have no label (in a multi-label data "
        "set), or are left out",
    )


class RoboflowOptions(ClassOptions):
    """Options of ``roboflow``."""

    labels: Literal["multi", "only"] = Field(
        "multi",
        description="classification by a table: labels of an image: all its classes (multi-label), or its only class, "
        "leaving out images with several",
    )


class CvatOptions(AnnotationOptions):
    """Options of ``cvat``."""

    overlap: Overlap = Field(
        "later",
        description="segmentation: which of two shapes has the pixels in both: the one of the higher z order, or the "
        'later one, as in CVAT; the earlier one; the one with fewer pixels; "ignore": they are ignored if the classes '
        "differ",
    )
    boxes: bool = Field(False, description="segmentation: draw boxes as filled rectangles")


class TaggedOptions(AnnotationOptions):
    """Options of ``supervisely``."""

    overlap: Overlap = Field(
        "later",
        description="segmentation: which of two objects has the pixels in both: the later one in the file, as in "
        'Supervisely; the earlier one; the one with fewer pixels; "ignore": they are ignored if the classes differ',
    )
    source: Literal["objects", "tags"] = Field(
        "objects", description="classification: what labels an image: the classes of its objects, or its tags"
    )


class LabelStudioOptions(AnnotationOptions):
    """Options of ``label_studio``."""

    overlap: Overlap = Field(
        "later",
        description="segmentation: which of two regions has the pixels in both: the later one in the file, the earlier "
        'one, or the one with fewer pixels; "ignore": they are ignored if the classes differ',
    )
    twice: Literal["merge", "first", "last"] = Field(
        "last", description="of an image that several people annotated: use the last annotation, the first, or all"
    )
    source: Literal["regions", "choices"] = Field(
        "regions", description="classification: what labels an image: the classes of its regions, or its choices"
    )


class ImageFolderOptions(ClassOptions):
    """Options of ``imagefolder``."""

    label: str | None = Field(
        None,
        description="classification: column with the label or labels; none: label, class, … or the only one",
    )
    labels: Literal["auto", "multi", "only"] = Field(
        "auto",
        description="classification: whether an image has several labels (multi-label) or one; auto: several where the "
        "column has lists",
    )
    mask: str | None = Field(
        None, description="segmentation: column with the mask's path; none: mask_file_name, mask, …"
    )
    values: dict[str, str] = Field(
        default_factory=dict, description='segmentation: table from pixel value such as "255" to class name'
    )
