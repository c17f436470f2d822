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
    max_pixels: int = Field(
        178_956_970,
        ge=1,
        le=2 * 178_956_970,
        description="an image whose header has more pixels is not decoded; three bytes each are needed, and more for "
        "some formats; the default and the greatest value are Pillow's limits for a decompression bomb",
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


Fate = Literal["error", "skip"]
FolderFate = Literal["error", "keep"]
CheckAction = Literal["error", "skip", "keep"]


class CheckTable(Options):
    """``[check]``: what happens where something is found in the files, before the first step.

    ``error`` stops the run with the list; ``skip`` sets the files aside, which ``samples.csv`` writes down; ``keep``
    uses them and tells.
    """

    before_run: bool = Field(
        True, description="whether tlkit run checks the files first; what is known of unchanged files is not read again"
    )
    bad_name: Fate = Field("skip", description="files whose names, or whose folders' names, are not in UTF-8")
    unreadable: Fate = Field("skip", description="files without permission to read, or with an error of the disk")
    empty: Fate = Field("skip", description="files of no bytes")
    not_image: Fate = Field("skip", description="files that are no image by their content, or of another format")
    undecodable: Fate = Field("skip", description="damaged images")
    truncated: Fate = Field("skip", description="images that end too soon")
    huge: Fate = Field("skip", description="images of more pixels than input.max_pixels, by their header")
    nan: CheckAction = Field(
        "skip", description="images of floating point with NaN or infinite values; kept, they are 0"
    )
    constant: CheckAction = Field("keep", description="images of one colour")
    tiny: CheckAction = Field("keep", description="images with fewer pixels a side than tiny_side")
    odd_mode: CheckAction = Field("keep", description="CMYK, 16 bits, palette, floating point, alpha: converted to RGB")
    animated: CheckAction = Field("keep", description="animations and files of several pages: the first is used")
    lying_extension: CheckAction = Field("keep", description="files whose suffix names another format than they have")
    mask_missing: Fate = Field("skip", description="images without a mask, and masks without an image")
    mask_size: Fate = Field("skip", description="masks of another size than their images")
    mask_values: Fate = Field("skip", description="masks with values that the table of the data set lacks")
    mask_empty: CheckAction = Field("keep", description="masks of one class only, or in which every pixel is ignored")
    duplicate: CheckAction = Field(
        "keep", description="the same picture several times in one class and split; skip leaves the first of them"
    )
    conflict: CheckAction = Field(
        "keep",
        description="the same picture in several classes, or with different masks; skip sets all of them aside, for "
        "any may be wrong",
    )
    leak: CheckAction = Field(
        "keep",
        description="the same picture in several splits; skip leaves it in the test split, else in validation",
    )
    linked_folder: CheckAction = Field("error", description="a folder that is a link to another folder of the data set")
    link_cycle: CheckAction = Field("skip", description="a folder that is a link to one above it")
    junk: FolderFate = Field("keep", description="what operating systems and editors leave behind; it is never used")
    unused: FolderFate = Field("keep", description="other files and folders that the data set does not use")
    empty_folder: FolderFate = Field("keep", description="folders without a usable image; such a class is left out")
    too_few: FolderFate = Field("keep", description="classes with too few images for each split to have one")
    imbalance: FolderFate = Field("keep", description="classes that differ by more than imbalance_ratio")
    tiny_side: int = Field(8, ge=1, description="pixels a side below which an image is tiny")
    imbalance_ratio: float = Field(10.0, ge=1, description="images of the greatest class over those of the smallest")
    near: int = Field(
        24,
        ge=0,
        le=32,
        description="of the 256 bits of the perceptual hash, how many may differ between files of the same picture; "
        "copies of other size and quality differ by up to 18, other pictures by 68 and more",
    )
    group_duplicates: bool = Field(
        True, description="whether files of the same picture stay on one side when tlkit makes the split"
    )


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
    check: CheckTable
    file: Path | None
    values: Mapping[str, Any]
    text: str
