"""The types that all records share: options, task, label kind, split and image size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    Tensor = Any
    """A keras or tensorflow tensor; not imported here because TensorFlow takes seconds to import."""

Task = Literal["classification", "segmentation"]
LabelKind = Literal["single", "binary", "multi"]
Split = Literal["train", "validation", "test"]
ImageSize = tuple[int, int]

IGNORE = 255
"""Class number in a decoded mask (uint8) of a pixel that counts neither in the loss nor in a metric."""


class Options(BaseModel):
    """Base class of a plugin's options: the keys of its recipe table, typed, with a default and a description each.

    Unknown keys, and values of another type, are refused with the recipe's line. Example::

        class LinearOptions(Options):
            dropout: float = Field(0.2, ge=0, lt=1, description="share of features dropped before the dense layer")
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def tuples(value: Any) -> Any:
    """Lists as tuples, at every depth: pydantic's strict mode takes no list for a tuple behind a before-validator."""
    if isinstance(value, dict):
        return {key: tuples(item) for key, item in value.items()}
    return tuple(tuples(item) for item in value) if isinstance(value, list) else value


def named(value: Any) -> Any:
    """A bare name as a table: ``"adam"`` means ``{ name = "adam" }``."""
    return {"name": value} if isinstance(value, str) else tuples(value)
