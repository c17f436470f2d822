"""Show what a job is doing: a line at the bottom of a terminal; elsewhere a line when nothing was said for seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tlkit.system.activity import Activity
from tlkit.system.stages import StageTimes
from tlkit.system.terminal import Terminal

if TYPE_CHECKING:
    from tlkit.contracts import Phase
    from tlkit.system.live_bar import LiveBar

QUIET_SECONDS = 4.0
"""Without a terminal, the longest time without a line that says what is being done. A busy process prints it late."""

_LATEST_SECONDS = 4.75
"""The same where the line of an epoch is expected before: by ``_EXPECTED_SECONDS``, if it takes as long as the last."""
_EXPECTED_SECONDS = 4.6

Show = Callable[[int, int], None]
"""Called with how many of how many units are done."""


class Reporter:
    """Writes a job's progress to a console, and measures its stages.

    Stages begin and end in one thread.

    Args:
        console: the console to write to; None for standard output.
        quiet: write nothing to standard output.
        clock: returns wall-clock time in seconds.

    Attributes:
        times: where the time went.
    """

    def __init__(
        self, console: Terminal | None = None, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.console = console or Terminal(quiet=quiet)
        self.times = StageTimes(clock)
        self._clock = clock
        self._doing: list[tuple[Activity, bool]] = []  # the innermost last; whether it is a stage, and not a bar in one
        self._bar: LiveBar | None = None
        self._said = clock()
        self._epoch_seconds: float | None = None
        # Reentrant: a signal may interrupt the thread that holds it, which then says why it stops.
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._watch: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._doing.clear()
        self._show()
        if self._watch is not None:
            self._watch.join(1)

    def say(self, text: str, *, gap: bool = False) -> None:
        """Print a message.

        Args:
            text: the message.
            gap: whether to leave an empty line before it.
        """
        with self._lock:
            if gap:
                self.console.print()
            self.console.print(text)
            self._said = self._clock()

    @contextmanager
    def stage(self, doing: str, total: int = 0, unit: str = "images") -> Iterator[Show]:
        """Say within the context what is being done, and count its time as that of a stage of this name.

        Args:
            doing: what is being done, such as ``"comparing the saved model"``.
            total: the number of units; 0 if it is not known.
            unit: the name of a unit in the plural.

        Yields:
            A function to call with how many of how many units are done.
        """
        self.times.begin(doing)
        self._push(Activity(doing, self._clock(), total, unit), is_stage=True)
        try:
            yield self.at
        finally:
            self.end()
            self._pop()
            self.times.end()

    @contextmanager
    def stages(self, first: str) -> Iterator[Callable[[str, int, int], None]]:
        """Say what is being done in one stage after the other, for work that names them itself.

        Args:
            first: what is done before the first call.

        Yields:
            A function to call with what is being done, and how many of how many images are done. A new name begins a
            new stage.
        """
        current = self.stage(first)
        show = current.__enter__()
        now = first

        def change(doing: str, done: int, total: int) -> None:
            nonlocal current, now, show
            if doing != now:
                current.__exit__(None, None, None)
                current, now = self.stage(doing, total), doing
                show = current.__enter__()
            show(done, total)

        try:
            yield change
        finally:
            current.__exit__(None, None, None)

    def begin(self, title: str, total: int, unit: str = "images") -> None:
        """Say what is being done within a stage until ``epoch`` is called, and count its units for the stage.

        Args:
            title: what is being done.
            total: the number of units.
            unit: the name of a unit in the plural.
        """
        self.end()
        self._push(Activity(title, self._clock(), total, unit), is_stage=False)

    def at(self, done: int, total: int, title: str = "", status: str = "") -> None:
        """Say how far the work is.

        Args:
            done: the number of units that are done.
            total: the number of units.
            title: what is being done, if that has changed.
            status: what else there is to say.
        """
        if not self._doing:
            return
        activity = self._doing[-1][0]
        activity.move(done, total)
        activity.title, activity.status = title or activity.title, status
        if self._bar is not None:
            self._bar.show(activity)

    def end(self) -> None:
        """End what ``begin`` began."""
        if self._doing and not self._doing[-1][1]:
            self._pop()

    def _push(self, activity: Activity, *, is_stage: bool) -> None:
        self._doing.append((activity, is_stage))
        if self._watch is None and self._bar is None and not self.console.quiet:
            if self.console.is_terminal:
                from tlkit.system.live_bar import LiveBar

                self._bar = LiveBar(self.console, self._clock)
            else:
                self._watch = threading.Thread(target=self._say_what_takes_long, name="tlkit-progress", daemon=True)
                self._watch.start()
        self._show()

    def _pop(self) -> None:
        if self._doing:
            activity, _ = self._doing.pop()
            self.times.add_images(activity.images)
            self._show()

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.show(self._doing[-1][0] if self._doing else None)

    def _say_what_takes_long(self) -> None:
        """Until the end, print what is being done whenever nothing was printed for a while."""
        while not self._ended.wait(max(0.1, self._said + QUIET_SECONDS - self._clock())):
            self.say_if_silent()

    def say_if_silent(self) -> None:
        """Print what is being done if nothing was printed for ``QUIET_SECONDS``, unless an epoch is about to end."""
        with self._lock:
            doing = self._doing[-1:]  # another thread may end it
            silent = self._clock() - self._said
            if not doing or silent < QUIET_SECONDS:
                return
            [(activity, is_stage)] = doing
            lasts = None if is_stage else self._epoch_seconds
            soon = lasts is not None and activity.began + lasts - self._said < _EXPECTED_SECONDS
            if soon and silent < _LATEST_SECONDS:
                return
            self.say(f"  {activity.line(self._clock())}")

    def phase(self, phase: Phase, trainable: int, total: int, backbone: str) -> None:
        """Announce a phase and what it trains.

        Args:
            phase: the phase.
            trainable: the number of weights that it trains.
            total: the number of weights of the model.
            backbone: the backbone's name.
        """
        self._epoch_seconds = None
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
        self._epoch_seconds = seconds
        shown = "  ".join(
            f"{name} {value:.4f}" for name, value in row.items() if name not in ("learning_rate", "seconds")
        )
        mark = "  best" if best else ""
        self.say(f"  epoch {number}/{epochs}  {shown}  ({seconds:.1f} s){mark}")
