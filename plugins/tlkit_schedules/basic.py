"""Schedules of one or two phases: the head alone, the whole network, or one after the other."""

from __future__ import annotations

from dataclasses import replace

import tlkit
from tlkit_schedules.options import FrozenOptions, FullOptions, TwoPhaseOptions
from tlkit_schedules.phases import batch_norm_policy, blocks_from, finetune_phase, full_phase, head_phase


def plan_frozen(outline: tlkit.Outline, options: FrozenOptions) -> tuple[tlkit.Phase, ...]:  # noqa: ARG001
    """Train the head on the features of a frozen backbone, pretrained or random."""
    return (head_phase(options, options.epochs),)


def plan_two_phase(outline: tlkit.Outline, options: TwoPhaseOptions) -> tuple[tlkit.Phase, ...]:
    """Train the head first, so that its random weights don't spoil the backbone; then blocks too, at a lower rate.

    Raises:
        ValueError: ``("unfreeze_from", message)``: the backbone has no such block.
    """
    blocks = blocks_from(outline, options.unfreeze_from)
    finetune = replace(
        finetune_phase(outline, options, options.finetune_epochs, blocks),
        optimizer=options.finetune_optimizer or options.optimizer,
        curve=options.finetune_curve,
    )
    return (head_phase(options, options.head_epochs), finetune)


def plan_full(outline: tlkit.Outline, options: FullOptions) -> tuple[tlkit.Phase, ...]:
    """Train head and backbone from the start."""
    return (full_phase(outline, options, batch_norm_policy(outline, options.batch_norm), options.curve),)
