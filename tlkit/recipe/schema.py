"""The tables of a recipe that belong to the core, and the checked recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from tlkit.contracts import (
    AnyEarlyStop,
    Augmentation,
    Backbone,
    Dataset,
    Head,
    Options,
    Record,
    Schedule,
    Task,
    named,
    tuples,
)

R = TypeVar("R", bound=Record, covariant=True)

PLUGIN_TABLES: Mapping[str, type] = {
    "data": Dataset,
    "backbone": Backbone,
    "head": Head,
    "augment": Augmentation,
    "schedule": Schedule,
}
"""Recipe table → the kind of record that its ``name`` selects."""


def _square(value: Any) -> Any:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else tuples(value)


Pixels = Annotated[int, Field(ge=8, le=8192)]


def _part(value: int | float) -> int | float:
    if not (0 <= value < 1 or (isinstance(value, int) and value >= 1)):
        raise ValueError("expected a share of at least 0 and less than 1, or a whole number of images")
    return value or 0.0


Part = Annotated[
    int | float,
    AfterValidator(_part),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "exclusiveMaximum": 1}, {"type": "integer", "minimum": 1}]}
    ),
]
"""A share of the images, or a whole number of them, as scikit-learn's ``test_size``."""


class InputTable(Options):
    """``[input]``: how images become batches, and which of them train."""

    image_size: Annotated[
        tuple[Pixels, Pixels], BeforeValidator(_square, json_schema_input_type=int | tuple[int, int])
    ] = Field((224, 224), description="height and width in pixels, or one number for both")
    resize: Literal["stretch", "crop", "pad"] = Field(
        "stretch",
        description="stretch: to the size; crop: the shorter side to the size, then the middle; "
        "pad: the longer side to the size, then black borders (ignored in masks)",
    )
    batch_size: int = Field(32, ge=1, description="images a training step")
    normalize: Literal["none", "center", "standardize"] = Field(
        "none",
        description="by the training images' mean and standard deviation of each channel, kept in the model; center: "
        "(x - mean) / 127.5; standardize: (x - mean) / std; for backbones from scratch, instead of their own scaling",
    )
    validation: Part = Field(
        0.2,
        description="share of the images that are not test images, or how many (a whole number; with groups, the "
        "nearest that whole groups give)",
    )
    test: Part = Field(
        0.0,
        description="share of all images, or how many, as validation; not used where the data set has a test split of "
        "its own",
    )
    group_pattern: str | None = Field(
        None,
        description="regular expression on the sample's key; what its first group matches names the sample's group, "
        "and a group stays on one side of a split",
    )
    samples: Path | None = Field(None, description="a samples.csv of an earlier run: its splits are used again")
    max_bad_share: float = Field(
        0.05, ge=0, le=1, description="share of files that may be undecodable before the run stops"
    )

    @field_validator("group_pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                compiled = re.compile(value)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
            if compiled.groups < 1:
                raise ValueError("expected a regular expression with a group in parentheses that names the group")
        return value


class Loss(Options):
    """A Keras loss by name; further keys are its arguments."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: str = Field(description='such as "categorical_focal_crossentropy", as keras.losses.get takes it')

    @property
    def arguments(self) -> dict[str, Any]:
        """The further keys: keyword arguments of the Keras class."""
        return dict(self.model_extra or {})


class TrainTable(Options):
    """``[train]``: what holds for all phases."""

    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32", description="of the computation; variables and logits stay float32"
    )
    monitor: str = Field(
        "auto",
        description="what early stop, best weights and plateau look at, a column of metrics.csv; "
        'auto: "val_loss" for classification (of few images, accuracy is mostly noise), "val_mean_iou" for '
        'segmentation, "loss" without validation images',
    )
    mode: Literal["auto", "min", "max"] = Field("auto", description="whether less or more is better; auto: by the name")
    early_stop: AnyEarlyStop | None = Field(
        None, description="a patience in epochs, or a table with patience and min_delta; none: never"
    )
    restore_best: bool = Field(
        True, description="end each phase with the best weights: of an epoch, or those that it began with"
    )
    cache: Literal["auto", "on", "off"] = Field(
        "auto",
        description="whether what a frozen backbone makes of the images is kept, on disk, instead of computed in every "
        "epoch; auto: where a short trial shows that it pays",
    )
    views: int = Field(
        4,
        ge=1,
        le=1000,
        description="how many augmented passes of the images are kept; epoch e takes pass e mod this number",
    )
    cache_budget: float = Field(10.0, gt=0, description="gigabytes that kept features may take")
    checkpoint_minutes: float = Field(
        5.0,
        gt=0,
        description="a run that was stopped goes on from its last checkpoint, which is at most so old; one is also "
        "written at the end of an epoch, unless writing took more than a fiftieth of the time since the last",
    )
    checkpoint_steps: int | None = Field(
        None, ge=1, description="write a checkpoint after so many steps and each epoch, however long that takes"
    )
    ema: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="momentum of an exponential moving average of the weights, such as 0.999; validation, the best "
        "weights and the end of each phase are then of the average; none: no averaging",
    )
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(ge=0)]] = Field(
        "none", description='"none", "balanced" (inverse frequency), or a table of class name = weight'
    )
    loss: Annotated[Loss, BeforeValidator(named, json_schema_input_type=str | Loss)] | None = Field(
        None, description="a Keras loss by name or as a table; none: the cross-entropy that fits the labels"
    )
    metrics: tuple[str, ...] = Field((), description="further Keras metrics by name, a column each in metrics.csv")


@dataclass(frozen=True)
class Selection(Generic[R]):
    """A record and its typed options, as a plugin table of a recipe selects them."""

    record: R
    options: Any


@dataclass(frozen=True)
class Recipe:
    """A recipe that was found valid.

    Args:
        file: where it was read from, None for one given as a mapping.
        values: the recipe as nested plain values (what JSON can hold), with all defaults filled in.
        text: its TOML text with the overrides applied, comments kept.
        augment: the policies in their order; one in a table ``[augment]``, several in an array ``[[augment]]``.
    """

    name: str
    task: Task
    seed: int
    data: Selection[Dataset]
    input: InputTable
    backbone: Selection[Backbone]
    head: Selection[Head]
    augment: tuple[Selection[Augmentation], ...]
    schedule: Selection[Schedule]
    train: TrainTable
    file: Path | None
    values: Mapping[str, Any]
    text: str
