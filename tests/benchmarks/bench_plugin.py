"""A plugin for the benchmarks: fine-tuning from a block in one phase, and a clock for each epoch.

The clock writes to the file that ``TLKIT_BENCHMARK_CLOCK`` names. With ``TLKIT_BENCHMARK_STOP``, the process ends when
its first epoch begins, so that nothing else is measured.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


@tlkit.hookimpl
def tlkit_callbacks(run: Path, phase: tlkit.Phase) -> list[Any]:
    """The clock, where a file is named for it."""
    file = os.environ.get("TLKIT_BENCHMARK_CLOCK")
    if file is None:
        return []
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self._ends: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            if "TLKIT_BENCHMARK_STOP" in os.environ:
                os._exit(0)
            self._began = time.process_time()

        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            self._ends.append(time.process_time() - self._began)
            Path(file).write_text(json.dumps(self._ends))

    return [Clock()]
