"""Schedules: which blocks train when, at what rate."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

import tlkit
from tlkit_schedules.blockwise import (
    DiscriminativeOptions,
    GradualOptions,
    ProbeOptions,
    plan_discriminative,
    plan_gradual,
    plan_probe,
)
from tlkit_schedules.common import (
    BATCH_NORM,
    CURVE,
    EARLY_STOP,
    OPTIMIZER,
    UNFREEZE,
    Epochs,
    Rate,
    batch_norm,
    blocks_from,
)
from tlkit_schedules.long import FromScratchOptions, StepDecayOptions, plan_from_scratch, plan_step_decay


class FrozenOptions(tlkit.Options):
    """Options of ``frozen``."""

    epochs: Epochs = Field(10, description="epochs of the head, at the most")
    optimizer: tlkit.AnyOptimizer = Field(tlkit.Optimizer(), description=OPTIMIZER)
    learning_rate: Rate = Field(1e-3, description="the highest learning rate")
    curve: tlkit.AnyCurve = Field(tlkit.Constant(), description=CURVE)
    early_stop: tlkit.AnyEarlyStop | None = Field(None, description=EARLY_STOP)


class TwoPhaseOptions(tlkit.Options):
    """Options of ``two_phase``."""

    head_epochs: Epochs = Field(5, description="epochs of the head alone, at the most")
    finetune_epochs: Epochs = Field(10, description="epochs of head and unfrozen blocks, at the most")
    unfreeze_from: str = Field("last", min_length=1, description=UNFREEZE)
    learning_rate: Rate = Field(1e-3, description="the highest learning rate of the head's phase")
    finetune_learning_rate: Rate = Field(1e-5, description="the highest learning rate of the second phase")
    optimizer: tlkit.AnyOptimizer = Field(tlkit.Optimizer(), description=OPTIMIZER)
    finetune_optimizer: tlkit.AnyOptimizer | None = Field(
        None, description="the second phase's optimizer; none: the same, made anew"
    )
    curve: tlkit.AnyCurve = Field(tlkit.Constant(), description="curve of the head's phase, by name or a table")
    finetune_curve: tlkit.AnyCurve = Field(tlkit.Constant(), description="curve of the second phase")
    batch_norm: tlkit.BatchNormPolicy | None = Field(None, description=BATCH_NORM)
    early_stop: tlkit.AnyEarlyStop | None = Field(None, description=EARLY_STOP)


class FullOptions(tlkit.Options):
    """Options of ``full``."""

    epochs: Epochs = Field(20, description="epochs, at the most")
    optimizer: tlkit.AnyOptimizer = Field(tlkit.Optimizer(), description=OPTIMIZER)
    learning_rate: Rate = Field(1e-3, description="the highest learning rate")
    curve: tlkit.AnyCurve = Field(tlkit.Constant(), description=CURVE)
    batch_norm: tlkit.BatchNormPolicy | None = Field(None, description=BATCH_NORM)
    early_stop: tlkit.AnyEarlyStop | None = Field(None, description=EARLY_STOP)


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
            blocks=blocks_from(outline, options.unfreeze_from),
            batch_norm=batch_norm(outline, options.batch_norm),
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
            batch_norm=batch_norm(outline, options.batch_norm),
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
        tlkit.Schedule(
            name="gradual_unfreeze",
            summary="train the head, then more and more blocks from the output down (arXiv:1801.06146)",
            options=GradualOptions,
            plan=plan_gradual,
        ),
        tlkit.Schedule(
            name="discriminative",
            summary="train the head, then everything, each block at a lower rate than the next (arXiv:1801.06146)",
            options=DiscriminativeOptions,
            plan=plan_discriminative,
        ),
        tlkit.Schedule(
            name="linear_probe_then_full",
            summary="train the head to its end, then head and whole backbone at a low rate (arXiv:2202.10054)",
            options=ProbeOptions,
            plan=plan_probe,
        ),
        tlkit.Schedule(
            name="from_scratch",
            summary="train everything with momentum and a cosine from a warm-up down to 0",
            options=FromScratchOptions,
            plan=plan_from_scratch,
        ),
        tlkit.Schedule(
            name="step_decay",
            summary="train everything; the rate falls to a tenth at given epochs",
            options=StepDecayOptions,
            plan=plan_step_decay,
        ),
    ]
