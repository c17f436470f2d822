"""Schedules: phases of training, with their optimizers, learning-rate curves and early stopping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from tlkit.contracts.backbone import Block
from tlkit.contracts.base import Options, named
from tlkit.contracts.options_class import ANY_OPTIONS, OptionsClass

BatchNormPolicy = Literal["frozen", "statistics", "train"]
"""What stays fixed in the BatchNormalization layers of training blocks; see ``Phase.batch_norm``."""


class Optimizer(Options, defer_build=True):
    """A Keras optimizer by name. All other keys are arguments of the Keras class, checked when it is created."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: str = Field("adam", description="adam, adamw, sgd, rmsprop or any other name that keras.optimizers.get knows")

    @property
    def arguments(self) -> dict[str, Any]:
        """The other keys: keyword arguments of the Keras class."""
        return dict(self.model_extra or {})


class Curve(Options, defer_build=True):
    """Base class of learning-rate curves, which multiply the phase's learning rate by a factor in 0–1."""


class Constant(Curve):
    """A constant rate, after an optional warm-up."""

    name: Literal["constant"] = "constant"
    warmup_epochs: float = Field(0.0, ge=0, description="epochs of linear warm-up from 0")


class Cosine(Curve):
    """Half a cosine from the rate to ``final`` times the rate (Loshchilov and Hutter 2017, arXiv:1608.03983)."""

    name: Literal["cosine"]
    warmup_epochs: float = Field(0.0, ge=0, description="epochs of linear warm-up from 0")
    final: float = Field(0.0, ge=0, le=1, description="fraction of the rate that is left at the end")


class Step(Curve):
    """Multiply the rate by ``factor`` at the start of each epoch in ``at`` (counted from 0)."""

    name: Literal["step"]
    at: tuple[int, ...] = Field(
        description="epochs, counted from 0 within the phase, at the start of which the rate changes"
    )
    factor: float = Field(0.1, gt=0, le=1, description="factor applied to the rate each time")


class Plateau(Curve):
    """Multiply the rate by ``factor`` when the monitor has not improved for ``patience`` epochs."""

    name: Literal["plateau"]
    factor: float = Field(0.1, gt=0, lt=1, description="factor applied to the rate each time")
    patience: int = Field(5, ge=1, description="epochs to wait for an improvement of the monitor")
    min_delta: float = Field(0.0, ge=0, description="smallest change of the monitor that counts as an improvement")
    min_learning_rate: float = Field(0.0, ge=0, description="lower bound of the rate")


AnyCurve = Annotated[
    Annotated[Constant | Cosine | Step | Plateau, Field(discriminator="name")],
    BeforeValidator(named, json_schema_input_type=str | Constant | Cosine | Step | Plateau),
]
"""Type of an option that is a curve: ``"cosine"`` or ``{ name = "cosine", warmup_epochs = 1 }``."""

AnyOptimizer = Annotated[Optimizer, BeforeValidator(named, json_schema_input_type=str | Optimizer)]
"""Type of an option that is an optimizer: ``"adam"`` or ``{ name = "sgd", momentum = 0.9 }``."""


class EarlyStop(Options, defer_build=True):
    """When to end a phase early: once the recipe's monitor no longer improves."""

    patience: int = Field(5, ge=1, description="epochs to wait for an improvement of the monitor")
    min_delta: float = Field(0.0, ge=0, description="smallest change of the monitor that counts as an improvement")


def _patience(value: Any) -> Any:
    return {"patience": value} if isinstance(value, int) and not isinstance(value, bool) else value


AnyEarlyStop = Annotated[EarlyStop, BeforeValidator(_patience, json_schema_input_type=int | EarlyStop)]
"""Type of an option for early stopping: a patience in epochs, or ``{ patience = 5, min_delta = 0.01 }``."""


@dataclass(frozen=True)
class Outline:
    """What a schedule knows about the network: names, never the model itself.

    Args:
        blocks: the backbone's blocks from input to output.
        pretrained: whether weights were loaded into the backbone.
    """

    blocks: tuple[Block, ...]
    pretrained: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The blocks' names from input to output."""
        return tuple(block.name for block in self.blocks)

    def last_stage(self) -> str:
        """Return the name of the first block at the greatest stride, where the last stage begins."""
        deepest = max(block.stride for block in self.blocks)
        return next(block.name for block in self.blocks if block.stride == deepest)

    def from_block(self, name: str) -> tuple[str, ...]:
        """Return the names of the blocks from ``name`` to the output.

        Args:
            name: a block's name, ``"last"`` for the last stage, or ``"all"`` for every block.

        Raises:
            ValueError: no block has that name; the message lists the blocks.
        """
        if name == "all":
            return self.names
        start = self.last_stage() if name == "last" else name
        if start not in self.names:
            raise ValueError(f'no block "{name}"; this backbone has {", ".join(self.names)} (or "last", "all")')
        return self.names[self.names.index(start) :]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of training with one set of trainable weights and one optimizer. The head always trains.

    Args:
        name: name for the log and the progress bar, unique in the schedule.
        epochs: maximum number of epochs.
        blocks: names of the backbone's blocks that train; empty: the backbone is frozen and in inference mode.
        batch_norm: what stays fixed in the BatchNormalization layers of the training blocks: ``frozen`` fixes moving
            statistics and parameters; ``statistics`` fixes the moving statistics, while gamma and beta train;
            ``train`` fixes nothing.
        optimizer: the optimizer; each phase creates a new one.
        learning_rate: the highest learning rate of the phase.
        curve: how the learning rate changes over the phase.
        block_factors: block name → factor on its learning rate; 1 for blocks not named.
        early_stop: when to end the phase early; None: as the recipe's ``[train]`` says.
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
    """A plan of which blocks train when, and how.

    Args:
        name: the name in ``[schedule] name = "…"``.
        summary: one line for ``tlkit plugins``.
        options: class of its options; or ``lazy`` of one, which is imported when it is needed.
        plan: ``plan(outline, options)`` → the phases, in the order in which they run. A ``ValueError`` is reported as a
            problem of the recipe's ``[schedule]``; raise ``ValueError("option", "message")`` to name an option.
    """

    name: str
    summary: str
    options: OptionsClass = ANY_OPTIONS
    plan: Callable[[Outline, Any], tuple[Phase, ...]]
