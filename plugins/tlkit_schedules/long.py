"""Schedules of networks that begin with random weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

import tlkit
from tlkit_schedules.common import CURVE, EARLY_STOP, OPTIMIZER, Epochs, Rate

MOMENTUM = tlkit.Optimizer.model_validate({"name": "sgd", "momentum": 0.9})


class FromScratchOptions(tlkit.Options):
    """Options of ``from_scratch``."""

    epochs: Epochs = Field(100, description="epochs, at the most")
    optimizer: tlkit.AnyOptimizer = Field(MOMENTUM, description=OPTIMIZER)
    learning_rate: Rate = Field(0.1, description="the highest learning rate")
    curve: tlkit.AnyCurve = Field(tlkit.Cosine(name="cosine", warmup_epochs=5), description=CURVE)
    early_stop: tlkit.AnyEarlyStop | None = Field(None, description=EARLY_STOP)


class StepDecayOptions(tlkit.Options):
    """Options of ``step_decay``; as they stand, those of He et al. 2016 (arXiv:1603.05027) for CIFAR."""

    epochs: Epochs = Field(150, description="epochs, at the most")
    optimizer: tlkit.AnyOptimizer = Field(MOMENTUM, description=OPTIMIZER)
    learning_rate: Rate = Field(0.1, description="the rate of the first epochs")
    at: tuple[Annotated[int, Field(ge=1)], ...] = Field((80, 120), description="epochs after which the rate falls")
    factor: float = Field(0.1, gt=0, lt=1, description="what the rate is multiplied by each time")
    early_stop: tlkit.AnyEarlyStop | None = Field(None, description=EARLY_STOP)


def plan_from_scratch(outline: tlkit.Outline, options: FromScratchOptions) -> tuple[tlkit.Phase, ...]:
    """Head and backbone train from the start, BatchNorm included; the warm-up is Goyal et al. 2017's."""
    return (_long(outline, options, options.curve),)


def plan_step_decay(outline: tlkit.Outline, options: StepDecayOptions) -> tuple[tlkit.Phase, ...]:
    """Head and backbone train from the start, at 0.1, 0.01 and 0.001 unless told otherwise.

    Raises:
        ValueError: ``("at", message)`` when the epochs don't rise.
    """
    if list(options.at) != sorted(set(options.at)):
        raise ValueError("at", f"expected rising epochs, received {list(options.at)}")
    return (_long(outline, options, tlkit.Step(name="step", at=options.at, factor=options.factor)),)


def _long(
    outline: tlkit.Outline,
    options: FromScratchOptions | StepDecayOptions,
    curve: tlkit.Constant | tlkit.Cosine | tlkit.Step | tlkit.Plateau,
) -> tlkit.Phase:
    return tlkit.Phase(
        name="full",
        epochs=options.epochs,
        blocks=outline.names,
        batch_norm="train",
        optimizer=options.optimizer,
        learning_rate=options.learning_rate,
        curve=curve,
        early_stop=options.early_stop,
    )
