"""Schedules: phases, optimizers, learning-rate curves and early stopping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from tlkit.contracts.backbone import Block
from tlkit.contracts.base import Options, named

BatchNormPolicy = Literal["frozen", "statistics", "train"]


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
