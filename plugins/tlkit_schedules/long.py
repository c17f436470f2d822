"""Schedules for networks that start from random weights."""

from __future__ import annotations

import tlkit
from tlkit_schedules.options import FromScratchOptions, StepDecayOptions
from tlkit_schedules.phases import full_phase


def plan_from_scratch(outline: tlkit.Outline, options: FromScratchOptions) -> tuple[tlkit.Phase, ...]:
    """Train head and backbone, BatchNormalization included; the warm-up follows Goyal et al. 2017."""
    return (full_phase(outline, options, "train", options.curve),)


def plan_step_decay(outline: tlkit.Outline, options: StepDecayOptions) -> tuple[tlkit.Phase, ...]:
    """Train head and backbone, by default at 0.1, then 0.01, then 0.001.

    Raises:
        ValueError: ``("at", message)``: the epochs are not in ascending order.
    """
    if list(options.at) != sorted(set(options.at)):
        raise ValueError("at", f"expected epochs in rising order, received {list(options.at)}")
    return (full_phase(outline, options, "train", tlkit.Step(name="step", at=options.at, factor=options.factor)),)
