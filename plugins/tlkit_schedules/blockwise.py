"""Schedules that treat the backbone block by block, after the head has trained alone."""

from __future__ import annotations

from dataclasses import replace

import tlkit
from tlkit_schedules.options import DiscriminativeOptions, GradualOptions, ProbeOptions
from tlkit_schedules.phases import blocks_from, finetune_phase, head_phase


def plan_gradual(outline: tlkit.Outline, options: GradualOptions) -> tuple[tlkit.Phase, ...]:
    """Train the head, then unfreeze blocks step by step from the output down (Howard & Ruder 2018, arXiv:1801.06146).

    Raises:
        ValueError: ``("unfreeze_to", message)``: the backbone has no such block.
    """
    blocks = blocks_from(outline, options.unfreeze_to, "unfreeze_to")
    phases = [head_phase(options, options.head_epochs)]
    count = 0
    while count < len(blocks):
        count = min(count + options.blocks_per_step, len(blocks))
        step = len(phases)
        phases.append(
            replace(
                finetune_phase(outline, options, options.step_epochs, blocks[-count:]),
                name=f"unfreeze{step}",
                learning_rate=options.finetune_learning_rate * options.decay ** (step - 1),
            )
        )
    return tuple(phases)


def plan_discriminative(outline: tlkit.Outline, options: DiscriminativeOptions) -> tuple[tlkit.Phase, ...]:
    """Train the head, then all blocks at once, early ones more slowly (Howard & Ruder 2018, arXiv:1801.06146).

    The head trains at ``finetune_learning_rate``, the last block at ``decay`` times that, the one before it at
    ``decay`` squared times that, and so on.

    Raises:
        ValueError: ``("unfreeze_from", message)``: the backbone has no such block.
    """
    blocks = blocks_from(outline, options.unfreeze_from)
    factors = {name: options.decay**place for place, name in enumerate(reversed(blocks), 1)}
    finetune = finetune_phase(outline, options, options.finetune_epochs, blocks, factors)
    return (head_phase(options, options.head_epochs), finetune)


def plan_probe(outline: tlkit.Outline, options: ProbeOptions) -> tuple[tlkit.Phase, ...]:
    """Train the head to convergence, so that it does not distort the features; then everything (Kumar et al. 2022)."""
    finetune = finetune_phase(outline, options, options.finetune_epochs, outline.names)
    return (head_phase(options, options.head_epochs), finetune)
