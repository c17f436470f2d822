"""A plugin for the benchmarks: fine-tuning from a block in one phase, so that nothing else is measured."""

from __future__ import annotations

from pydantic import Field

import tlkit


class FromBlockOptions(tlkit.Options):
    """Options of ``benchmark_from_block``."""

    epochs: int = Field(description="epochs of the only phase")
    block: str = Field(description="the first block that trains")


def plan(outline: tlkit.Outline, options: FromBlockOptions) -> tuple[tlkit.Phase, ...]:
    """Plan one phase with frozen BatchNorm, at the learning rate of Keras's guide."""
    blocks = outline.from_block(options.block)
    return (
        tlkit.Phase(name="finetune", epochs=options.epochs, blocks=blocks, batch_norm="frozen", learning_rate=1e-5),
    )


@tlkit.hookimpl
def tlkit_schedules() -> list[tlkit.Schedule]:
    """The schedule."""
    return [
        tlkit.Schedule(
            name="benchmark_from_block",
            summary="train head and blocks from a named one up",
            options=FromBlockOptions,
            plan=plan,
        )
    ]
