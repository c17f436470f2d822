"""Schedules of transfer learning: ``frozen``, ``two_phase`` and ``full``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

import tlkit

Rate = Annotated[float, Field(gt=0, le=10)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]


def _patience(value: Any) -> Any:
    return {"patience": value} if isinstance(value, int) and not isinstance(value, bool) else value


AnyEarlyStop = Annotated[tlkit.EarlyStop, BeforeValidator(_patience, json_schema_input_type=int | tlkit.EarlyStop)]
_EARLY_STOP = "a patience in epochs, or a table with patience and min_delta; none: as the table [train] says"
_BATCH_NORM = (
    "BatchNormalization layers of the blocks that train: frozen keeps statistics and parameters, statistics keeps "
    "the statistics, train keeps nothing; none: frozen for a pretrained backbone, else train"
)


class FrozenOptions(tlkit.Options):
    """Options of ``frozen``."""

    epochs: Epochs = Field(10, description="epochs of the head, at the most")
    optimizer: tlkit.AnyOptimizer = Field(tlkit.Optimizer(), description="a Keras optimizer by name, or a table")
    learning_rate: Rate = Field(1e-3, description="the highest learning rate")
    curve: tlkit.AnyCurve = Field(tlkit.Constant(), description="constant, cosine, step or plateau, or a table")
    early_stop: AnyEarlyStop | None = Field(None, description=_EARLY_STOP)


class TwoPhaseOptions(tlkit.Options):
    """Options of ``two_phase``."""

    head_epochs: Epochs = Field(5, description="epochs of the head alone, at the most")
    finetune_epochs: Epochs = Field(10, description="epochs of head and unfrozen blocks, at the most")
    unfreeze_from: str = Field(
        "last", min_length=1, description='the first block that trains; "last": the last stage; "all": every block'
    )
    learning_rate: Rate = Field(1e-3, description="the highest learning rate of the head's phase")
    finetune_learning_rate: Rate = Field(1e-5, description="the highest learning rate of the second phase")
    optimizer: tlkit.AnyOptimizer = Field(tlkit.Optimizer(), description="a Keras optimizer by name, or a table")
    finetune_optimizer: tlkit.AnyOptimizer | None = Field(
        None, description="the second phase's optimizer; none: the same, made anew"
    )
    curve: tlkit.AnyCurve = Field(tlkit.Constant(), description="curve of the head's phase, by name or a table")
    finetune_curve: tlkit.AnyCurve = Field(tlkit.Constant(), description="curve of the second phase")
    batch_norm: tlkit.BatchNormPolicy | None = Field(None, description=_BATCH_NORM)
    early_stop: AnyEarlyStop | None = Field(None, description=_EARLY_STOP)


class FullOptions(tlkit.Options):
    """Options of ``full``."""

    epochs: Epochs = Field(20, description="epochs, at the most")
    optimizer: tlkit.AnyOptimizer = Field(tlkit.Optimizer(), description="a Keras optimizer by name, or a table")
    learning_rate: Rate = Field(1e-3, description="the highest learning rate")
    curve: tlkit.AnyCurve = Field(tlkit.Constant(), description="constant, cosine, step or plateau, or a table")
    batch_norm: tlkit.BatchNormPolicy | None = Field(None, description=_BATCH_NORM)
    early_stop: AnyEarlyStop | None = Field(None, description=_EARLY_STOP)


def _batch_norm(outline: tlkit.Outline, policy: tlkit.BatchNormPolicy | None) -> tlkit.BatchNormPolicy:
    if policy is not None:
        return policy
    # The statistics of a random backbone are those of no data at all.
    return "frozen" if outline.pretrained else "train"


def plan_frozen(outline: tlkit.Outline, options: FrozenOptions) -> tuple[tlkit.Phase, ...]:  # noqa: ARG001
    """The head trains on the features of a frozen backbone, pretrained or random."""
    return (
        tlkit.Phase(
            name="head",
            epochs=options.epochs,
            optimizer=options.optimizer,
            learning_rate=options.learning_rate,
            curve=options.curve,
            early_stop=options.early_stop,
        ),
    )


def plan_two_phase(outline: tlkit.Outline, options: TwoPhaseOptions) -> tuple[tlkit.Phase, ...]:
    """The head first, so that its random weights don't spoil the backbone's; then blocks too, at a lower rate.

    Raises:
        ValueError: ``("unfreeze_from", message)`` when the backbone has no such block.
    """
    try:
        blocks = outline.from_block(options.unfreeze_from)
    except ValueError as error:
        raise ValueError("unfreeze_from", str(error)) from error
    return (
        tlkit.Phase(
            name="head",
            epochs=options.head_epochs,
            optimizer=options.optimizer,
            learning_rate=options.learning_rate,
            curve=options.curve,
            early_stop=options.early_stop,
        ),
        tlkit.Phase(
            name="finetune",
            epochs=options.finetune_epochs,
            blocks=blocks,
            batch_norm=_batch_norm(outline, options.batch_norm),
            optimizer=options.finetune_optimizer or options.optimizer,
            learning_rate=options.finetune_learning_rate,
            curve=options.finetune_curve,
            early_stop=options.early_stop,
        ),
    )


def plan_full(outline: tlkit.Outline, options: FullOptions) -> tuple[tlkit.Phase, ...]:
    """Head and backbone train from the start."""
    return (
        tlkit.Phase(
            name="full",
            epochs=options.epochs,
            blocks=outline.names,
            batch_norm=_batch_norm(outline, options.batch_norm),
            optimizer=options.optimizer,
            learning_rate=options.learning_rate,
            curve=options.curve,
            early_stop=options.early_stop,
        ),
    )


@tlkit.hookimpl
def tlkit_schedules() -> Iterable[tlkit.Schedule]:
    """The schedules of this package."""
    return [
        tlkit.Schedule(
            name="frozen",
            summary="train the head alone on a frozen backbone",
            options=FrozenOptions,
            plan=plan_frozen,
        ),
        tlkit.Schedule(
            name="two_phase",
            summary="train the head, then head and backbone from a named block up, at a lower rate",
            options=TwoPhaseOptions,
            plan=plan_two_phase,
        ),
        tlkit.Schedule(
            name="full", summary="train head and backbone from the start", options=FullOptions, plan=plan_full
        ),
    ]
