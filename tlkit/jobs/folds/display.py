"""Show how far the folds of a cross-validation are: a bar for each on a terminal, plain lines elsewhere."""

from __future__ import annotations

import re
from contextlib import nullcontext
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from tlkit.system.terminal import Terminal

BUSY = "busy"
"""Said of a fold in which another process works, such as one whose parent was killed and that saves its state."""
KILLED = "killed"
"""Said of a fold whose process, or whose worker in a cluster, was killed, and that goes on from its last state."""
_EPOCH = re.compile(r"\s*epoch (\d+)/(\d+)\s+(.*)")
_PHASE = re.compile(r"Phase ([^:]+): (\d+) epochs")
_DOING = re.compile(r"  ([a-z][^:]*: \d+ (?:s|min|h)\b.*)")
"""What a fold says when it has said nothing else for seconds."""
_RESULT = re.compile(r"(validation|test): \S")


class FoldsDisplay:
    """Shows what the processes of the folds print about their phases, their epochs and their results.

    Args:
        console: where to show it.
        count: the number of folds.
        what: what they are called.
    """

    def __init__(self, console: Terminal, count: int, what: str = "fold") -> None:
        self._what = what
        self._console = console
        self._count = count
        self._phases: dict[int, str] = {}
        self._bars: Progress | None = None
        self._tasks: dict[int, TaskID] = {}
        if console.is_terminal:
            columns = (TextColumn("  {task.description}", markup=False), BarColumn(20), MofNCompleteColumn())
            self._bars = Progress(
                *columns, TextColumn("epochs  {task.fields[status]}", markup=False), console=console, transient=True
            )

    def __enter__(self) -> Self:
        (self._bars or nullcontext()).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def started(self, number: int, folder: str) -> None:
        """Show that a fold has begun, and in which folder."""
        self._say(f"  {self._what} {number} of {self._count}: {folder}")

    def ended(self, number: int, code: int, *, stopped: bool = False) -> None:
        """Show that the process of a fold has ended with an exit code, ``stopped`` by the user or not."""
        if self._bars is not None and number in self._tasks:
            self._bars.remove_task(self._tasks.pop(number))
        if code:
            how = "stopped" if stopped else f"ended with exit code {code}"
            self._say(f"  {self._what} {number}: {how}")

    def said(self, number: int, line: str) -> None:
        """Show a line that the process of a fold printed, if it says how far the fold is or what came of it."""
        if line == BUSY:
            self._say(f"  {self._what} {number}: another process still works in it, and is waited for")
        elif line == KILLED:
            self._say(f"  {self._what} {number}: its worker was lost; it goes on from its last state in another")
        elif phase := _PHASE.match(line):
            self._phases[number] = phase[1]
            self._show(number, 0, int(phase[2]), "")
        elif epoch := _EPOCH.match(line):
            self._show(number, int(epoch[1]), int(epoch[2]), epoch[3].rstrip())
        elif doing := _DOING.fullmatch(line.rstrip()):
            self._show_doing(number, doing[1])
        elif _RESULT.match(line):
            self._say(f"  {self._what} {number}: {line.rstrip()}")

    def _show_doing(self, number: int, what: str) -> None:
        if self._bars is None:
            self._say(f"  {self._what} {number}: {what}")
            return
        if number not in self._tasks:
            self._tasks[number] = self._bars.add_task(f"{self._what} {number}", total=None, status="")
        self._bars.update(self._tasks[number], status=what, refresh=True)

    def _show(self, number: int, epoch: int, epochs: int, status: str) -> None:
        title = f"{self._what} {number}, phase {self._phases.get(number, '?')}"
        if self._bars is None:
            if epoch:
                self._say(f"  {title}: epoch {epoch}/{epochs}  {status}")
            return
        if number not in self._tasks:
            self._tasks[number] = self._bars.add_task(title, total=epochs, status="")
        self._bars.update(
            self._tasks[number], description=title, completed=epoch, total=epochs, status=status, refresh=True
        )

    def _say(self, text: str) -> None:
        self._console.print(text)
