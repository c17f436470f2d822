"""Show the progress of a run: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tlkit.contracts import Phase
from tlkit.system.terminal import Terminal


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the speed as a whole number with its unit."""
        speed = task.finished_speed or task.speed
        unit = task.fields.get("unit", "images")
        return Text("" if speed is None else f"{speed:.0f} {unit}/s", style="progress.data.speed")


class Reporter:
    """Writes a run's progress to a console.

    Args:
        console: the console to write to; None for standard output.
        quiet: write nothing to standard output.
    """

    def __init__(self, console: Terminal | None = None, *, quiet: bool = False) -> None:
        self.console = console or Terminal(quiet=quiet)
        self._bar: Progress | None = None
        self._task: object = None
        self._started = 0.0
        self._last_plain = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def say(self, text: str, *, gap: bool = False) -> None:
        """Print a message.

        Args:
            text: the message.
            gap: whether to leave an empty line before it.
        """
        if gap:
            self.console.print()
        self.console.print(text)

    def begin(self, title: str, total: int, unit: str = "images") -> None:
        """Start a bar; it is only drawn on a terminal.

        Args:
            title: the text before the bar.
            total: the number of units.
            unit: the name of a unit in the plural.
        """
        self.end()
        self._started = self._last_plain = time.monotonic()
        if self.console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                _Rate(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[status]}", markup=False),
                console=self.console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(title, total=total, unit=unit, status="")

    def at(self, done: int, total: int, title: str = "", status: str = "") -> None:
        """Move the bar; without a terminal, print a line every 30 seconds.

        Args:
            done: the number of units that are done.
            total: the number of units.
            title: the text before the numbers, without a terminal.
            status: the text after them.
        """
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, status=status)  # type: ignore[arg-type]
            return
        now = time.monotonic()
        if now - self._last_plain >= 30 and done:
            self._last_plain = now
            left = (now - self._started) / done * (total - done)
            self.say(f"  {title} {done}/{total}, about {left:.0f} s left {status}".rstrip())

    def end(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def phase(self, phase: Phase, trainable: int, total: int, backbone: str) -> None:
        """Announce a phase and what it trains.

        Args:
            phase: the phase.
            trainable: the number of weights that it trains.
            total: the number of weights of the model.
            backbone: the backbone's name.
        """
        what = f"{backbone} frozen" if not phase.blocks else f"{backbone} trains from {phase.blocks[0]}"
        share = f"{trainable:,} of {total:,} weights train"
        self.say(f"Phase {phase.name}: {phase.epochs} epochs, {what}, {share}", gap=True)

    def epoch(self, number: int, epochs: int, row: Mapping[str, float], seconds: float, best: bool) -> None:
        """Print the metrics of an epoch.

        Args:
            number: the number of the epoch, from 1.
            epochs: the number of epochs of the phase.
            row: metric → value.
            seconds: how long the epoch took, in seconds.
            best: whether it is the best epoch so far.
        """
        self.end()
        shown = "  ".join(
            f"{name} {value:.4f}" for name, value in row.items() if name not in ("learning_rate", "seconds")
        )
        mark = "  best" if best else ""
        self.say(f"  epoch {number}/{epochs}  {shown}  ({seconds:.1f} s){mark}")
