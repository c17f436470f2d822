"""tlkit's own schedules: which blocks train when, and at what learning rate."""

from __future__ import annotations

import tlkit

_SCHEDULES = (
    tlkit.Schedule(
        name="frozen",
        summary="train only the head on a frozen backbone",
        options=tlkit.lazy("tlkit_schedules.options:FrozenOptions"),
        plan=tlkit.lazy("tlkit_schedules.basic:plan_frozen"),
    ),
    tlkit.Schedule(
        name="two_phase",
        summary="train the head, then head and backbone from a named block up, at a lower rate",
        options=tlkit.lazy("tlkit_schedules.options:TwoPhaseOptions"),
        plan=tlkit.lazy("tlkit_schedules.basic:plan_two_phase"),
    ),
    tlkit.Schedule(
        name="full",
        summary="train head and backbone from the start",
        options=tlkit.lazy("tlkit_schedules.options:FullOptions"),
        plan=tlkit.lazy("tlkit_schedules.basic:plan_full"),
    ),
    tlkit.Schedule(
        name="gradual_unfreeze",
        summary="train the head, then more and more blocks from the output down (arXiv:1801.06146)",
        options=tlkit.lazy("tlkit_schedules.options:GradualOptions"),
        plan=tlkit.lazy("tlkit_schedules.blockwise:plan_gradual"),
    ),
    tlkit.Schedule(
        name="discriminative",
        summary="train the head, then everything, each block at a lower rate than the next (arXiv:1801.06146)",
        options=tlkit.lazy("tlkit_schedules.options:DiscriminativeOptions"),
        plan=tlkit.lazy("tlkit_schedules.blockwise:plan_discriminative"),
    ),
    tlkit.Schedule(
        name="linear_probe_then_full",
        summary="train the head to convergence, then the whole network at a low rate (arXiv:2202.10054)",
        options=tlkit.lazy("tlkit_schedules.options:ProbeOptions"),
        plan=tlkit.lazy("tlkit_schedules.blockwise:plan_probe"),
    ),
    tlkit.Schedule(
        name="from_scratch",
        summary="train everything with momentum and a cosine curve, after a warm-up",
        options=tlkit.lazy("tlkit_schedules.options:FromScratchOptions"),
        plan=tlkit.lazy("tlkit_schedules.long:plan_from_scratch"),
    ),
    tlkit.Schedule(
        name="step_decay",
        summary="train everything; the rate drops to a tenth at given epochs",
        options=tlkit.lazy("tlkit_schedules.options:StepDecayOptions"),
        plan=tlkit.lazy("tlkit_schedules.long:plan_step_decay"),
    ),
)


@tlkit.hookimpl
def tlkit_schedules() -> tuple[tlkit.Schedule, ...]:
    """Offer the schedules of this package."""
    return _SCHEDULES
