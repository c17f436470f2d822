"""The tables of a recipe that the core defines, and the validated recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field

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
)
from tlkit.recipe.check_table import CheckTable
from tlkit.recipe.cluster_table import ClusterTable
from tlkit.recipe.input_table import InputTable
from tlkit.recipe.sweep_table import Sweep, SweepTable
from tlkit.recipe.track_table import TrackTable

R = TypeVar("R", bound=Record, covariant=True)


class TopKeys(Options, defer_build=True):
    """The keys above all tables."""

    name: str = Field(
        description="name of the recipe, of letters, digits, dots, dashes and underscores; by default its runs go to "
        "the folders runs/<name>-1, runs/<name>-2 and so on",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$",
        max_length=200,
    )
    task: Task = Field(
        description='"classification": find the class, or classes, of an image; "segmentation": find the class of each '
        "of its pixels"
    )
    seed: int = Field(
        0, ge=0, lt=2**31, description="seed of all random draws: the split, initial weights, shuffling, augmentation"
    )
    plugins: tuple[Path, ...] = Field(
        (),
        max_length=100,
        description="plugin files, relative to the recipe; they are code, and are loaded only if you allow it: see "
        "--allow-plugins",
    )


class Loss(Options, defer_build=True):
    """A Keras loss by name; the other keys are its arguments."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: str = Field(description='name of the loss as in keras.losses.get, such as "categorical_focal_crossentropy"')

    @property
    def arguments(self) -> dict[str, Any]:
        """The other keys, keyword arguments of the Keras class."""
        return dict(self.model_extra or {})


class TrainTable(Options, defer_build=True):
    """``[train]``: settings that hold for all phases of the schedule."""

    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32",
        description="number format of the computation; the mixed formats are faster where the processor supports them; "
        "variables and logits stay float32",
    )
    monitor: str = Field(
        "auto",
        description="the column of metrics.csv by which early_stop, restore_best and the plateau curve compare epochs; "
        'auto: "val_loss" for classification (on few images accuracy is mostly noise), "val_mean_iou" for '
        'segmentation, "loss" without validation images',
    )
    mode: Literal["auto", "min", "max"] = Field(
        "auto",
        description="whether smaller (min) or larger (max) values of monitor are better; auto: by its name, smaller "
        "for losses and errors, larger for accuracies and scores",
    )
    early_stop: AnyEarlyStop | None = Field(
        None,
        description="a patience in epochs, or a table with patience and min_delta: a phase ends early after this many "
        "epochs without an improvement of monitor; a schedule may set its own; default: no early stopping",
    )
    restore_best: bool = Field(
        True,
        description="end each phase with the weights of its best epoch by monitor, or with those that it started from "
        "if no epoch improved on them; false: with the weights of its last epoch",
    )
    cache: Literal["auto", "on", "off"] = Field(
        "auto",
        description="cache the features that a frozen backbone computes, instead of computing them in every epoch; "
        "auto: if it saves time, by a count of operations and bytes; on: whenever there is room; off: never, and don't "
        "cache decoded images and converted backbones either",
    )
    engine: Literal["auto", "tensorflow", "litert", "openvino"] = Field(
        "auto",
        description="what computes the frozen part of the network; auto: LiteRT on a processor where it is installed "
        "and the images repay converting the network, by a count of operations and weights, else TensorFlow; openvino: "
        "OpenVINO, of the extra tlkit[openvino]; before another engine than TensorFlow is used, their features are "
        "compared on a few images, and TensorFlow is used if they differ by more than 1e-5 of the largest value",
    )
    engine_precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="number format in which the engine computes the frozen part; bfloat16: with engine = "
        '"openvino" only, on processors that have it; twice as fast, but features differ by about 1 %',
    )
    views: int = Field(
        4,
        ge=1,
        le=1000,
        description="number of augmented passes over the training images whose features are cached; epoch e takes pass "
        "e mod views, so more passes mean more variety, time and disk space",
    )
    cache_budget: float = Field(
        10.0, gt=0, description="largest size in gigabytes (10^9 bytes) of the cached features of a phase"
    )
    checkpoint_minutes: float = Field(
        5.0,
        gt=0,
        description="minutes between checkpoints, from which tlkit resume continues an interrupted run; there is also "
        "one after each epoch, but never so many that writing them takes more than a fiftieth of the time",
    )
    checkpoint_steps: int | None = Field(
        None,
        ge=1,
        description="number of training steps between checkpoints, instead of checkpoint_minutes; there is also one "
        "after each epoch, however long writing takes; default: by time",
    )
    ema: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="momentum of an exponential moving average of the weights, such as 0.999; validation, the best "
        "weights and the weights at the end of each phase are those of the average; default: no averaging",
    )
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(ge=0, le=1e9)]] = Field(
        "none",
        description="weight of each class in the loss; balanced: inversely proportional to the number of its training "
        "images or pixels; or a table of class name = weight, 1 for classes that it does not name",
    )
    loss: Annotated[Loss, BeforeValidator(named, json_schema_input_type=str | Loss)] | None = Field(
        None,
        description="a Keras loss by name, or a table with its name and arguments; default: the cross-entropy that "
        "fits the labels",
    )
    metrics: tuple[str, ...] = Field(
        (),
        description="names of Keras metrics to compute besides the standard ones; each gets a column in metrics.csv",
    )


PLUGIN_TABLES: Mapping[str, type] = {
    "data": Dataset,
    "backbone": Backbone,
    "head": Head,
    "augment": Augmentation,
    "schedule": Schedule,
}
"""Recipe table → the kind of record that its ``name`` selects."""

CORE_TABLES: Mapping[str, type[Options]] = {
    "input": InputTable,
    "train": TrainTable,
    "check": CheckTable,
    "track": TrackTable,
    "sweep": SweepTable,
    "cluster": ClusterTable,
}
"""Recipe table → its keys."""

TABLES = ("data", "input", "check", "backbone", "head", "augment", "schedule", "train", "track", "sweep", "cluster")
OPTIONAL_TABLES = ("input", "check", "augment", "train", "track", "sweep", "cluster")


@dataclass(frozen=True)
class Selection(Generic[R]):
    """A record that a table of a recipe selects, and its typed options."""

    record: R
    options: Any


@dataclass(frozen=True)
class Recipe:
    """A valid recipe.

    Args:
        augment: the policies in the order in which they are applied.
        file: the file that it was read from; None for a recipe from a text.
        values: the recipe as nested plain values, as JSON has them, with all defaults filled in.
        text: its TOML text with the overrides applied and its comments preserved.
        plugins: the plugin files that it names, relative to its file.
        track: the trackers that record the run. It is in ``values`` if the recipe has such a table.
        sweep: what ``tlkit sweep`` tries; None without a table ``[sweep]``. It is not in ``values``, because no run
            depends on it.
        cluster: the workers that do the work. It is not in ``values``, because no result depends on it.
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
    plugins: tuple[Path, ...] = ()
    sweep: Sweep | None = None
    track: TrackTable = field(default_factory=TrackTable)
    cluster: ClusterTable = field(default_factory=ClusterTable)
