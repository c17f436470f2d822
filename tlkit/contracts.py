"""What plugins and core exchange: frozen records, typed options and plain data. Imports nothing heavy.

Plugins return values, the core acts on them: a schedule returns phases, a head returns a tensor, an augmentation
returns a function on a batch, a data set returns a list of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

if TYPE_CHECKING:
    import numpy as np

    Tensor = Any
    """A keras or tensorflow tensor; not imported here because TensorFlow takes seconds to import."""

Task = Literal["classification", "segmentation"]
LabelKind = Literal["single", "binary", "multi"]
Split = Literal["train", "validation", "test"]
BatchNormPolicy = Literal["frozen", "statistics", "train"]
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


# Backbones --------------------------------------------------------------------------------------------------------


class BackboneOptions(Options):
    """Options that every backbone has; a backbone's own options derive from this class."""

    weights: str = Field(
        "imagenet",
        description='"imagenet", "none" (random), a weights file (.weights.h5 or .h5), or the folder of an earlier run',
    )


@dataclass(frozen=True)
class BackboneContext:
    """What a backbone is built for.

    Args:
        image_size: (height, width) in pixels of the images that it gets, padding included.
        seed: for the initialisers.
        standardized: whether the images come centred and scaled by the training set's statistics instead of in 0-255;
            scaling of the backbone's own has to be left out then.
    """

    image_size: ImageSize
    seed: int
    standardized: bool = False


@dataclass(frozen=True)
class Block:
    """A named stretch of a backbone that a schedule can unfreeze from.

    Args:
        name: such as ``conv5`` or ``block4``, as the architecture's own layers are called.
        layers: names of the layers in it, in graph order.
        stride: at which most of its layers work, in input pixels.
    """

    name: str
    layers: tuple[str, ...]
    stride: int


@dataclass(frozen=True)
class BuiltBackbone:
    """What ``Backbone.build`` returns.

    Args:
        features: stride → symbolic feature map (N, about H/stride, about W/stride, channels). The greatest stride is
            the backbone's output.
        blocks: from the input to the output; every layer that has weights is in exactly one.
    """

    features: Mapping[int, Tensor]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class PretrainedFile:
    """Where a backbone's published weights are.

    Args:
        url: of the file.
        file_name: its name in the cache folder, which is ``$KERAS_HOME/models``.
        digest: ``md5:…`` or ``sha256:…`` of the file, None where the publisher gives none.
    """

    url: str
    file_name: str
    digest: str | None


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network that turns images into feature maps.

    Args:
        name: the name in ``[backbone] name = "…"``.
        summary: one line for ``tlkit plugins``.
        options: a subclass of ``BackboneOptions``.
        build: ``build(images, ctx, options)``: ``images`` is a symbolic tensor (N, H, W, 3) of raw RGB, float32 in
            0–255; preprocessing is part of what is built. Weights are initialised at random; the core loads them.
        pretrained: ``pretrained(options)`` tells where the ImageNet weights of this variant are; None when there are
            none. It may raise ``DataError`` for a variant that has none.
        loaded: ``loaded(layers, options)`` is called after a published file or a user's weights file was loaded, with
            layer name → layer, for what the file's format needs; None where nothing is to be done.
        takes_standardized: whether ``build`` heeds ``ctx.standardized``; ``[input] normalize`` is refused otherwise.
    """

    name: str
    summary: str
    options: type[BackboneOptions]
    build: Callable[[Tensor, BackboneContext, Any], BuiltBackbone]
    pretrained: Callable[[Any], PretrainedFile] | None = None
    loaded: Callable[[Mapping[str, Any], Any], None] | None = None
    takes_standardized: bool = False


# Heads ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HeadContext:
    """What a head is built for.

    Args:
        task: of the recipe.
        classes: class names, in the order of the class numbers.
        units: how many logits to return: 1 for two classes of a classification, else one a class.
        image_size: (height, width) of the (padded) model input in pixels.
        seed: for the initialisers.
    """

    task: Task
    classes: tuple[str, ...]
    units: int
    image_size: ImageSize
    seed: int


@dataclass(frozen=True, kw_only=True)
class Head:
    """What turns feature maps into logits.

    Args:
        name: the name in ``[head] name = "…"``.
        summary: one line for ``tlkit plugins``.
        task: the task that it serves.
        options: its options.
        build: ``build(features, ctx, options)`` → logits, without activation. ``features`` maps stride → symbolic
            feature map; for segmentation each is exactly (N, H/stride, W/stride, channels). Classification returns
            (N, units); segmentation (N, h, w, units) at any stride: the core resizes it to the input.
    """

    name: str
    summary: str
    task: Task
    options: type[Options]
    build: Callable[[Mapping[int, Tensor], HeadContext, Any], Tensor]


# Augmentation -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AugmentContext:
    """What an augmentation works on.

    Args:
        task: of the recipe.
        image_size: (height, width) of the images.
        classes: number of classes.
        value_range: of the images' values, always (0, 255).
        ignore: class number of ignored pixels in the masks.
    """

    task: Task
    image_size: ImageSize
    classes: int
    value_range: tuple[float, float] = (0.0, 255.0)
    ignore: int = IGNORE


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What changes training images at random.

    Args:
        name: the name in ``[augment] name = "…"``.
        summary: one line for ``tlkit plugins``.
        options: its options.
        build: ``build(ctx, options)`` → a function ``augment(batch, seed)`` → batch, traced into the input pipeline,
            or None when nothing is to be done. ``batch`` is a dict: ``images`` float32 (N, H, W, 3) in 0–255;
            ``labels`` int32 (N,), or float32 (N, classes) when there are several an image or a policy before this one
            has mixed them; ``segmentation_masks`` int32 (N, H, W, 1), class numbers and ``ctx.ignore``. ``seed`` is an
            int32 tensor (2,), the address of this batch's draws: the same seed must give the same result, whatever
            ran before.
        tasks: the tasks that it can serve.
        soft_labels: whether it mixes targets. It is then given, and returns, ``labels`` float32 one-hot (N, classes),
            or ``segmentation_masks`` float32 one-hot (N, H, W, classes) in which an ignored pixel is all zero; a
            pixel whose classes add up to less than 1 counts that much less.
    """

    name: str
    summary: str
    options: type[Options]
    build: Callable[[AugmentContext, Any], Callable[[dict[str, Tensor], Tensor], dict[str, Tensor]] | None]
    tasks: tuple[Task, ...] = ("classification", "segmentation")
    soft_labels: bool = False


# Schedules --------------------------------------------------------------------------------------------------------


class Optimizer(Options):
    """A Keras optimizer by name, with its options.

    The further keys are the arguments of the Keras class; they are checked when the optimizer is made.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: str = Field("adam", description="adam, adamw, sgd, rmsprop, …, as keras.optimizers.get takes it")

    @property
    def arguments(self) -> dict[str, Any]:
        """The further keys: keyword arguments of the Keras class."""
        return dict(self.model_extra or {})


class Curve(Options):
    """Base class of learning-rate curves. The rate of the phase is multiplied by a factor in 0–1."""


class Constant(Curve):
    """The same rate throughout, after an optional warm-up."""

    name: Literal["constant"] = "constant"
    warmup_epochs: float = Field(0.0, ge=0, description="epochs in which the rate rises linearly from 0")


class Cosine(Curve):
    """Half a cosine from the rate to ``final`` times the rate (Loshchilov and Hutter 2017, arXiv:1608.03983)."""

    name: Literal["cosine"]
    warmup_epochs: float = Field(0.0, ge=0, description="epochs in which the rate rises linearly from 0")
    final: float = Field(0.0, ge=0, le=1, description="share of the rate that is left at the end")


class Step(Curve):
    """The rate is multiplied by ``factor`` at the beginning of each of the epochs ``at`` (counted from 0)."""

    name: Literal["step"]
    at: tuple[int, ...] = Field(description="epochs of the phase at whose beginning the rate changes")
    factor: float = Field(0.1, gt=0, le=1, description="what the rate is multiplied by each time")


class Plateau(Curve):
    """The rate is multiplied by ``factor`` when the monitor has not improved for ``patience`` epochs."""

    name: Literal["plateau"]
    factor: float = Field(0.1, gt=0, lt=1, description="what the rate is multiplied by each time")
    patience: int = Field(5, ge=1, description="epochs without an improvement of the monitor")
    min_delta: float = Field(0.0, ge=0, description="what counts as an improvement")
    min_learning_rate: float = Field(0.0, ge=0, description="the rate never falls below this")


def tuples(value: Any) -> Any:
    """Lists as tuples, at every depth: pydantic's strict mode takes no list for a tuple behind a before-validator."""
    if isinstance(value, dict):
        return {key: tuples(item) for key, item in value.items()}
    return tuple(tuples(item) for item in value) if isinstance(value, list) else value


def named(value: Any) -> Any:
    """A bare name as a table: ``"adam"`` means ``{ name = "adam" }``."""
    return {"name": value} if isinstance(value, str) else tuples(value)


AnyCurve = Annotated[
    Annotated[Constant | Cosine | Step | Plateau, Field(discriminator="name")],
    BeforeValidator(named, json_schema_input_type=str | Constant | Cosine | Step | Plateau),
]
"""A curve in a recipe: ``"cosine"`` or ``{ name = "cosine", warmup_epochs = 1 }``."""

AnyOptimizer = Annotated[Optimizer, BeforeValidator(named, json_schema_input_type=str | Optimizer)]
"""An optimizer in a recipe: ``"adam"`` or ``{ name = "sgd", momentum = 0.9 }``."""


class EarlyStop(Options):
    """Stop a phase when the recipe's monitor no longer improves."""

    patience: int = Field(5, ge=1, description="epochs without an improvement of the monitor")
    min_delta: float = Field(0.0, ge=0, description="what counts as an improvement")


def _patience(value: Any) -> Any:
    return {"patience": value} if isinstance(value, int) and not isinstance(value, bool) else value


AnyEarlyStop = Annotated[EarlyStop, BeforeValidator(_patience, json_schema_input_type=int | EarlyStop)]
"""An early stop in a recipe: a patience in epochs, or ``{ patience = 5, min_delta = 0.01 }``."""


@dataclass(frozen=True)
class Outline:
    """What a schedule knows of the network: names, never a model.

    Args:
        blocks: the backbone's blocks, from the input to the output.
        pretrained: whether the backbone's weights were loaded.
    """

    blocks: tuple[Block, ...]
    pretrained: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The blocks' names, from the input to the output."""
        return tuple(block.name for block in self.blocks)

    def last_stage(self) -> str:
        """The name of the first block that works at the greatest stride: the last stage begins there."""
        deepest = max(block.stride for block in self.blocks)
        return next(block.name for block in self.blocks if block.stride == deepest)

    def from_block(self, name: str) -> tuple[str, ...]:
        """The names of the blocks from ``name`` to the output; ``"last"`` is the last stage, ``"all"`` everything.

        Raises:
            ValueError: no block has that name; the message lists those there are.
        """
        if name == "all":
            return self.names
        start = self.last_stage() if name == "last" else name
        if start not in self.names:
            raise ValueError(f'no block "{name}"; this backbone has {", ".join(self.names)} (or "last", "all")')
        return self.names[self.names.index(start) :]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training with one set of trainable weights and one optimizer. The head always trains.

    Args:
        name: for the log and the progress bar, unique in its plan.
        epochs: how many at the most.
        blocks: names of the backbone's blocks that train; empty: the backbone is frozen and in inference mode.
        batch_norm: of the backbone's BatchNormalization layers in training blocks: ``frozen`` keeps the statistics and
            the parameters, ``statistics`` keeps the statistics only (gamma and beta train), ``train`` keeps nothing.
        optimizer: made anew for each phase.
        learning_rate: the highest rate of the phase.
        curve: the rate over the phase.
        block_factors: block name → factor on the learning rate; blocks not named have 1.
        early_stop: overrides the recipe's; None: the recipe's.
    """

    name: str
    epochs: int
    blocks: tuple[str, ...] = ()
    batch_norm: BatchNormPolicy = "frozen"
    optimizer: Optimizer = field(default_factory=Optimizer)
    learning_rate: float = 1e-3
    curve: Constant | Cosine | Step | Plateau = field(default_factory=Constant)
    block_factors: Mapping[str, float] = field(default_factory=dict)
    early_stop: EarlyStop | None = None


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A plan of phases.

    Args:
        name: the name in ``[schedule] name = "…"``.
        summary: one line for ``tlkit plugins``.
        options: its options.
        plan: ``plan(outline, options)`` → phases. A ``ValueError`` is reported as a problem of the recipe's table; it
            may name the option as ``("option", "message")``.
    """

    name: str
    summary: str
    options: type[Options]
    plan: Callable[[Outline, Any], tuple[Phase, ...]]


# Data sets --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DatasetContext:
    """What a data set is opened for.

    Args:
        task: of the recipe.
        seed: of the recipe, for data that is made.
    """

    task: Task
    seed: int


@dataclass(frozen=True)
class Sample:
    """One image and its target.

    Args:
        key: unique in its data set and the same on every machine, such as the path below the data set's folder with
            ``/`` between its parts.
        image: the image's file, or a row of ``SampleSet.images``.
        label: class number; the class numbers of a multi-label data set; None for segmentation or when unknown.
        mask: the mask's file, or a row of ``SampleSet.masks``; None for classification.
        split: the split that the data set prescribes; None: the core splits.
        group: samples of one group never stand on two sides of a split; None: in no group.
    """

    key: str
    image: Path | int
    label: int | tuple[int, ...] | None = None
    mask: Path | int | None = None
    split: Split | None = None
    group: str | None = None


@dataclass(frozen=True)
class MaskTable:
    """How a mask's pixels name classes.

    Args:
        values: pixel value (grey value or palette index), or (red, green, blue), → class number, or ``IGNORE``. All
            keys are of one kind.
        default: class number of values that are not in the table; None: such a value is an error.
    """

    values: Mapping[int | tuple[int, int, int], int]
    default: int | None = None


@dataclass(frozen=True)
class SetAside:
    """A file that is not used.

    Args:
        key: as in ``Sample``.
        reason: why, in a few words.
    """

    key: str
    reason: str


@dataclass(frozen=True)
class SampleSet:
    """What ``Dataset.open`` returns.

    Args:
        samples: in a stable order.
        classes: class names in the order of the class numbers.
        multi_label: whether an image can have several labels.
        images: uint8 (N, H, W, 3) or (N, H, W), for samples whose image is a row.
        masks: uint8 (N, H, W) class numbers and ``IGNORE``, for samples whose mask is a row.
        mask_table: for masks that are files.
        set_aside: files that were seen and can't be used.
        root: the folder that the keys are relative to; None when the data is made.
        colors: class number → (red, green, blue) for pictures; classes not in it get a colour of the palette.
    """

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    multi_label: bool = False
    images: np.ndarray | None = None
    masks: np.ndarray | None = None
    mask_table: MaskTable | None = None
    set_aside: tuple[SetAside, ...] = ()
    root: Path | None = None
    colors: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Where images and targets come from.

    Args:
        name: the name in ``[data] name = "…"``.
        summary: one line for ``tlkit plugins``.
        options: its options.
        open: ``open(ctx, options)`` → the samples. Reads listings, not images. Raises ``DataError``.
        tasks: the tasks that it can serve.
    """

    name: str
    summary: str
    options: type[Options]
    open: Callable[[DatasetContext, Any], SampleSet]
    tasks: tuple[Task, ...]


Record = Backbone | Head | Augmentation | Schedule | Dataset


# Reports ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReportSection:
    """A section that a plugin adds to ``report.html``.

    Args:
        title: its heading; sections stand in the order of their titles, after the core's own.
        text: plain text; it is escaped.
        image: a PNG file below the run folder, or None.
    """

    title: str
    text: str
    image: Path | None = None
