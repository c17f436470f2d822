"""Where the time of a job went: its stages, each with its wall time, its CPU time and its images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

Clock = Callable[[], float]

STARTING = "starting tlkit"
"""The stage of a command before its job begins."""
OTHER = "everything else"
"""The time between the stages of a job."""

command_began: float | None = None
"""When the command line of this process started, by ``time.monotonic()``; None where other code calls tlkit."""


@dataclass
class StageTime:
    """The time of a stage, without that of the stages within it; a stage that comes again adds to it.

    Args:
        name: what is done in it, such as ``"computing features"``.
        wall: wall-clock time in seconds.
        cpu: processor time of the process in seconds, of all its threads.
        images: how many images passed through it.
    """

    name: str
    wall: float = 0.0
    cpu: float = 0.0
    images: int = 0


class StageTimes:
    """The times of the stages of a job, in the order in which they began first.

    Stages are begun and ended in one thread. At each moment the time belongs to the innermost stage, so the times of
    all stages add up to the whole.

    Args:
        clock: returns wall-clock time in seconds.
        cpu_clock: returns the processor time of the process in seconds.
    """

    def __init__(self, clock: Clock = time.monotonic, cpu_clock: Clock = time.process_time) -> None:
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._times: dict[str, StageTime] = {}
        self._open: list[StageTime] = [self._named(OTHER)]
        self._at = (clock(), cpu_clock())
        if command_began is not None:
            self._times[STARTING] = StageTime(STARTING, self._at[0] - command_began, self._at[1])

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the context as that of a stage."""
        self.begin(name)
        try:
            yield
        finally:
            self.end()

    def begin(self, name: str) -> None:
        """Begin a stage within the present one."""
        self._count()
        self._open.append(self._named(name))

    def end(self) -> None:
        """End the present stage; the time belongs to the one around it again."""
        self._count()
        self._open.pop()

    def add_images(self, count: int) -> None:
        """Count images that passed through the present stage."""
        self._open[-1].images += count

    def all(self) -> list[StageTime]:
        """Return the times so far; what is between the stages comes last."""
        self._count()
        between = [self._times[OTHER]]
        return [each for each in self._times.values() if each.name != OTHER] + between

    def _named(self, name: str) -> StageTime:
        return self._times.setdefault(name, StageTime(name))

    def _count(self) -> None:
        """Count the time since the last call as that of the present stage."""
        wall, cpu = self._clock(), self._cpu_clock()
        self._open[-1].wall += wall - self._at[0]
        self._open[-1].cpu += cpu - self._at[1]
        self._at = (wall, cpu)
