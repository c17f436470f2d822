"""The model card, ``model.json``: what a user of ``model.keras`` must know."""

from __future__ import annotations

import math
from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tlkit.contracts import IGNORE, LabelKind, Task

FORMAT: Literal[1] = 1

_Byte = Annotated[int, Field(ge=0, le=255)]

_Fold = Annotated[str, Field(pattern=r"^fold-[1-9][0-9]{0,4}$")]


class Part(BaseModel):
    """The backbone or head of a model.

    Args:
        name: its name in the recipe.
        options: its options, with all defaults.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    options: dict[str, Any]


class Card(BaseModel):
    """The content of ``model.json``.

    Args:
        format: the version of the file's layout.
        tlkit: the version of tlkit that wrote it.
        name: the recipe's name.
        task: the recipe's task.
        classes: the class names in the order of the logits.
        label_kind: "single": softmax over the logits; "binary": one logit, whose sigmoid is the probability of class 1;
            "multi": one sigmoid per logit.
        image_size: (height, width) of the model's input in pixels.
        resize: how images are brought to that size.
        value_range: the (lowest, highest) value that becomes 0 and 255 in images of more than 8 bits per channel; None:
            the range of their number format.
        bands: the bands that become red, green and blue, or grey, counted from 0; empty: the colours of the file.
        orientation: whether images are turned as their EXIF orientation says.
        colors: (red, green, blue) of each class in pictures and palettes, 0-255.
        preprocessing: what the model expects as input, in words.
        backbone: the backbone.
        head: the head.
        folds: for the folder of a cross-validation, the run folders in it whose models are used together: a prediction
            is the mean of their probabilities. Empty for a single model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    format: Literal[1] = FORMAT
    tlkit: str
    name: str
    task: Task
    classes: Annotated[tuple[str, ...], Field(min_length=1, max_length=100_000)]
    label_kind: LabelKind
    image_size: tuple[Annotated[int, Field(ge=1, le=16_384)], Annotated[int, Field(ge=1, le=16_384)]]
    resize: Literal["stretch", "crop", "pad"]
    value_range: tuple[float, float] | None = None
    bands: tuple[Annotated[int, Field(ge=0)], ...] = ()
    orientation: Literal["exif", "stored"] = "exif"
    colors: tuple[tuple[_Byte, _Byte, _Byte], ...]
    preprocessing: str = "in the model: it takes raw RGB, float32 (N, height, width, 3), 0-255, and gives probabilities"
    backbone: Part
    head: Part
    folds: Annotated[tuple[_Fold, ...], Field(max_length=1000)] = ()

    @model_validator(mode="after")
    def _classes_fit(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            name = next(name for name, count in Counter(self.classes).items() if count > 1)
            raise ValueError(f"classes: {name!r} is listed twice")
        if len(self.colors) != len(self.classes):
            raise ValueError(f"colors: expected one per class, {len(self.classes)}, received {len(self.colors)}")
        if self.value_range is not None and not -math.inf < self.value_range[0] < self.value_range[1] < math.inf:
            raise ValueError(f"value_range: expected two numbers, the lower one first, received {self.value_range}")
        if len(self.bands) not in (0, 1, 3):
            raise ValueError(f"bands: expected none, 1 or 3, received {len(self.bands)}")
        if self.task == "classification" and self.label_kind == "binary" and len(self.classes) != 2:
            raise ValueError(f'label_kind: "binary" needs 2 classes, received {len(self.classes)}')
        if self.task == "segmentation" and (self.label_kind != "single" or len(self.classes) > IGNORE):
            raise ValueError(f'task: "segmentation" needs label_kind "single" and at most {IGNORE} classes')
        return self
