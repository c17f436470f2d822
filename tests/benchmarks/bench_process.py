"""A process that is timed from outside, so that what is measured is what someone waits for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SHOWN = 30
"""Lines of a failed process's output that are shown."""


class MeasurementError(Exception):
    """A measured process ended with an error; the message is the end of its output."""


@dataclass(frozen=True)
class Figures:
    """What something cost.

    Args:
        wall: seconds from its start to its end.
        cpu: seconds of the processors, of the process and those that it waited for.
        memory: the greatest resident memory of one of these processes, in bytes; 0 if it was not measured.
        more: other figures.
    """

    wall: float
    cpu: float
    memory: float = 0.0
    more: Mapping[str, Any] = field(default_factory=dict)

    def __sub__(self, other: Figures) -> Figures:
        """Return the cost of what the other did not do; the memory is that of all of it."""
        return Figures(self.wall - other.wall, self.cpu - other.cpu, self.memory, self.more)

    def over(self, other: Figures) -> tuple[float, float]:
        """Return the ratios of the wall and the processor's seconds."""
        return self.wall / other.wall, self.cpu / other.cpu


def timed(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> Figures:
    """Run a command, and return what it cost.

    Args:
        command: the program and its arguments.
        environment: its variables.
        folder: where it runs.
        log: the file for its output.

    Raises:
        MeasurementError: it failed.
    """
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    process.returncode = code = os.waitstatus_to_exitcode(status)
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_SHOWN:]
        raise MeasurementError(f"{' '.join(command)[:300]} ended with code {code}:\n" + "\n".join(lines))
    unit = 1 if sys.platform == "darwin" else 1024
    return Figures(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * unit)


def least(measured: Sequence[Figures]) -> Figures:
    """Return the least of each figure, which other work on the machine has disturbed least.

    Figures in ``more`` are treated alike; the seconds of all rounds are added to it.
    """
    best = min(measured, key=lambda each: each.wall)
    cpu, memory = (min(getattr(each, name) for each in measured) for name in ("cpu", "memory"))
    rounds = [(each.wall, each.cpu) for each in measured]
    parts = {
        name: least([each.more[name] for each in measured])
        for name, value in best.more.items()
        if isinstance(value, Figures)
    }
    return Figures(best.wall, cpu, memory, {**best.more, **parts, "rounds": rounds})
