"""Schedules that treat the backbone block by block."""

from __future__ import annotations

from pydantic import Field

import tlkit
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


class HeadFirstOptions(tlkit.Options):
    """What schedules have that begin with the head alone."""

    head_epochs: Epochs = Field(5, description="epochs of the head alone, at the most")
    learning_rate: Rate = Field(1e-3, description="the highest learning rate of the head's phase")
    finetune_learning_rate: Rate = Field(1e-4, description="the highest learning rate behind it")
    optimizer: tlkit.AnyOptimizer = Field(tlkit.Optimizer(), description=OPTIMIZER)
    curve: tlkit.AnyCurve = Field(tlkit.Constant(), description=CURVE)
    batch_norm: tlkit.BatchNormPolicy | None = Field(None, description=BATCH_NORM)
    early_stop: tlkit.AnyEarlyStop | None = Field(None, description=EARLY_STOP)


class GradualOptions(HeadFirstOptions):
    """Options of ``gradual_unfreeze``."""

    unfreeze_to: str = Field("all", min_length=1, description='the last block that is unfrozen; "all": the first one')
    blocks_per_step: int = Field(1, ge=1, description="blocks that are unfrozen at a time")
    step_epochs: Epochs = Field(2, description="epochs of each step, at the most")
    decay: float = Field(1.0, gt=0, le=1, description="the rate of a step, as a share of the rate of the step before")


class DiscriminativeOptions(HeadFirstOptions):
    """Options of ``discriminative``."""

    finetune_epochs: Epochs = Field(10, description="epochs of head and unfrozen blocks, at the most")
    unfreeze_from: str = Field("all", min_length=1, description=UNFREEZE)
    decay: float = Field(
        1 / 2.6, gt=0, le=1, description="the rate of a block, as a share of the rate of the block behind it"
    )


class ProbeOptions(HeadFirstOptions):
    """Options of ``linear_probe_then_full``."""

    head_epochs: Epochs = Field(20, description="epochs of the head alone, at the most")
    finetune_epochs: Epochs = Field(10, description="epochs of everything, at the most")
    finetune_learning_rate: Rate = Field(1e-5, description="the highest learning rate behind it")


def _head(options: HeadFirstOptions) -> tlkit.Phase:
    return tlkit.Phase(
        name="head",
        epochs=options.head_epochs,
        optimizer=options.optimizer,
        learning_rate=options.learning_rate,
        curve=options.curve,
        early_stop=options.early_stop,
    )


def plan_gradual(outline: tlkit.Outline, options: GradualOptions) -> tuple[tlkit.Phase, ...]:
    """The head, then a phase for each step of blocks from the output down (Howard & Ruder 2018, arXiv:1801.06146).

    Raises:
        ValueError: ``("unfreeze_to", message)`` when the backbone has no such block.
    """
    try:
        wanted = outline.from_block(options.unfreeze_to)
    except ValueError as error:
        raise ValueError("unfreeze_to", str(error)) from error
    phases = [_head(options)]
    count = 0
    while count < len(wanted):
        count = min(count + options.blocks_per_step, len(wanted))
        step = len(phases)
        phases.append(
            tlkit.Phase(
                name=f"unfreeze{step}",
                epochs=options.step_epochs,
                blocks=wanted[-count:],
                batch_norm=batch_norm(outline, options.batch_norm),
                optimizer=options.optimizer,
                learning_rate=options.finetune_learning_rate * options.decay ** (step - 1),
                curve=options.curve,
                early_stop=options.early_stop,
            )
        )
    return tuple(phases)


def plan_discriminative(outline: tlkit.Outline, options: DiscriminativeOptions) -> tuple[tlkit.Phase, ...]:
    """The head, then all blocks at once, the early ones slower (Howard & Ruder 2018, arXiv:1801.06146).

    The head trains at ``finetune_learning_rate``, the last block at ``decay`` times that, the one before it at
    ``decay`` squared times that, and so on.

    Raises:
        ValueError: ``("unfreeze_from", message)`` when the backbone has no such block.
    """
    blocks = blocks_from(outline, options.unfreeze_from)
    factors = {name: options.decay**place for place, name in enumerate(reversed(blocks), 1)}
    return (_head(options), _everything(outline, options, options.finetune_epochs, blocks, factors))


def plan_probe(outline: tlkit.Outline, options: ProbeOptions) -> tuple[tlkit.Phase, ...]:
    """The head to its end, so that the features are not spoilt for it; then everything (Kumar et al. 2022)."""
    return (_head(options), _everything(outline, options, options.finetune_epochs, outline.names, {}))


def _everything(
    outline: tlkit.Outline,
    options: HeadFirstOptions,
    epochs: int,
    blocks: tuple[str, ...],
    factors: dict[str, float],
) -> tlkit.Phase:
    return tlkit.Phase(
        name="finetune",
        epochs=epochs,
        blocks=blocks,
        batch_norm=batch_norm(outline, options.batch_norm),
        optimizer=options.optimizer,
        learning_rate=options.finetune_learning_rate,
        curve=options.curve,
        block_factors=factors,
        early_stop=options.early_stop,
    )
