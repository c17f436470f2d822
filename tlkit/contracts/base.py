"""Types that several records share: options, task, label kind, split and image size."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Tensor = Any
"""A Keras or TensorFlow tensor; an alias, because importing TensorFlow takes seconds."""

Task = Literal["classification", "segmentation"]
"""What a model predicts: one or more classes per image, or one class per pixel."""

LabelKind = Literal["single", "binary", "multi"]
"""How images are labelled: one of several classes, one of two classes, or any number of classes."""

Split = Literal["train", "validation", "test"]
"""What an image is used for."""

ImageSize = tuple[int, int]
"""(height, width) in pixels."""

IGNORE = 255
"""Class number, in a decoded uint8 mask, of pixels that count neither in the loss nor in the metrics."""


class Options(BaseModel):
    """Base class of a record's options: the keys of its recipe table, each with a type, a default and a description.

    A recipe with an unknown key, or with a value of another type, is refused with the line of the key. The
    descriptions appear in ``tlkit plugins show``. Instances are immutable.

    Example::

        class LinearOptions(tlkit.Options):
            dropout: float = Field(0.2, ge=0, lt=1, description="fraction of features dropped before the dense layer")
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def tuples(value: Any) -> Any:
    """Replace lists by tuples at every depth, since pydantic's strict mode accepts no list for a tuple."""
    if isinstance(value, dict):
        return {key: tuples(item) for key, item in value.items()}
    return tuple(tuples(item) for item in value) if isinstance(value, list) else value


def named(value: Any) -> Any:
    """Expand a bare name to a table: ``"adam"`` means ``{ name = "adam" }``."""
    return {"name": value} if isinstance(value, str) else tuples(value)
