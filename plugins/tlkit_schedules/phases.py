"""Phases that several schedules plan."""

from __future__ import annotations

from collections.abc import Mapping

import tlkit
from tlkit_schedules.options import HeadFirstOptions, SinglePhaseOptions, StepDecayOptions


def head_phase(options: SinglePhaseOptions | HeadFirstOptions, epochs: int) -> tlkit.Phase:
    """Plan a phase in which the head trains on a frozen backbone."""
    return tlkit.Phase(
        name="head",
        epochs=epochs,
        optimizer=options.optimizer,
        learning_rate=options.learning_rate,
        curve=options.curve,
        early_stop=options.early_stop,
    )


def finetune_phase(
    outline: tlkit.Outline,
    options: HeadFirstOptions,
    epochs: int,
    blocks: tuple[str, ...],
    block_factors: Mapping[str, float] | None = None,
) -> tlkit.Phase:
    """Plan a phase in which the head and the named blocks train at ``options.finetune_learning_rate``."""
    return tlkit.Phase(
        name="finetune",
        epochs=epochs,
        blocks=blocks,
        batch_norm=batch_norm_policy(outline, options.batch_norm),
        optimizer=options.optimizer,
        learning_rate=options.finetune_learning_rate,
        curve=options.curve,
        block_factors=block_factors or {},
        early_stop=options.early_stop,
    )


def full_phase(
    outline: tlkit.Outline,
    options: SinglePhaseOptions | StepDecayOptions,
    batch_norm: tlkit.BatchNormPolicy,
    curve: tlkit.Constant | tlkit.Cosine | tlkit.Step | tlkit.Plateau,
) -> tlkit.Phase:
    """Plan a phase in which the head and the whole backbone train."""
    return tlkit.Phase(
        name="full",
        epochs=options.epochs,
        blocks=outline.names,
        batch_norm=batch_norm,
        optimizer=options.optimizer,
        learning_rate=options.learning_rate,
        curve=curve,
        early_stop=options.early_stop,
    )


def batch_norm_policy(outline: tlkit.Outline, policy: tlkit.BatchNormPolicy | None) -> tlkit.BatchNormPolicy:
    """Return the policy given in the options, or the one that suits the backbone's weights."""
    if policy is not None:
        return policy
    # The moving statistics of an untrained backbone describe no data at all.
    return "frozen" if outline.pretrained else "train"


def blocks_from(outline: tlkit.Outline, name: str, option: str = "unfreeze_from") -> tuple[str, ...]:
    """Return the names of the blocks from ``name`` to the output.

    Args:
        outline: the network.
        name: a block, ``"last"`` or ``"all"``.
        option: the option that holds the name, for the error.

    Raises:
        ValueError: ``(option, message)``: the backbone has no such block.
    """
    try:
        return outline.from_block(name)
    except ValueError as error:
        raise ValueError(option, str(error)) from error
