"""The line at the bottom of a terminal that says what is being done, for how long yet, and how far it is."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from tlkit.system.activity import Activity
from tlkit.system.terminal import Terminal


class LiveBar:
    """The last line of a terminal, drawn again ten times a second.

    Args:
        console: the terminal.
        clock: returns the time in seconds.
    """

    def __init__(self, console: Terminal, clock: Callable[[], float]) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(20),
            _Numbers(clock),
            TextColumn("{task.fields[activity].status}", markup=False),
            console=console,
            transient=True,
            redirect_stderr=sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("", total=None, activity=Activity("", 0.0))

    def show(self, activity: Activity | None) -> None:
        """Show what is being done; None: remove the line."""
        if activity is None:
            self._bar.stop()
            return
        total = activity.total if activity.total > 1 else None
        self._bar.update(
            self._task, description=activity.title, completed=activity.done, total=total, activity=activity
        )
        if total is None:
            self._bar.tasks[0].total = None  # update takes None for "as before"
        if not self._bar.live.is_started:
            self._bar.start()


class _Numbers(ProgressColumn):
    """How many units are done, how fast, and the times.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(Column(no_wrap=True))
        self._clock = clock

    def render(self, task: Task) -> Text:
        """Return the numbers of the task's activity."""
        activity: Activity = task.fields["activity"]
        now = self._clock()
        parts = [activity.times(now)]
        if activity.total > 1:
            passed = max(now - activity.began, 1e-3)
            speed = (activity.earlier + activity.done) / passed
            parts = [f"{activity.done:,}/{activity.total:,}", f"{speed:.0f} {activity.unit}/s", *parts]
        return Text("  ".join(parts), style="progress.remaining")
