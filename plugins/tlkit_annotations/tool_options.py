"""The options of the formats of single tools."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tlkit_annotations.options import ClassOptions

_LABELS = (
    "classification: labels of an image: all its classes (multi-label), the class with the largest area, or its only "
    "class, leaving out images with several"
)


class VocOptions(ClassOptions):
    """Options of ``voc``."""

    labels: Literal["multi", "largest", "only"] = Field("multi", description=_LABELS)
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
