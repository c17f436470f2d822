"""The heartbeat of a worker: a small file that says every second that the worker lives, and how far it has come.

A file can be read by the process that started the worker, by the other workers, and from other machines that share the
folder. It is overwritten in place: with network drives, whoever opens it then sees what was written last.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

EVERY = 1.0
"""Seconds between two beats."""
_TICK = 0.02
"""Seconds between two looks whether the process is let run."""
_CARRIED = 1.0
"""Seconds that the process was not let run which may be taken off the waiting of later steps, at most."""
ELSEWHERE, STEP, BETWEEN = "elsewhere", "step", "between"
"""Where a worker is: in work without steps, which may take any time; in a step, where it may wait for the others; or
between two steps of a pass, where the others wait for it."""
_WIDTH = 16384
"""Bytes of the file, padded with spaces, so that a shorter text overwrites all of a longer one."""


@dataclass
class Beat:
    """What a worker says of itself.

    Args:
        number: how many beats there were.
        pid: the number of its process.
        host: the name of its machine.
        threads: the threads that compute a step; 0 if TensorFlow decides.
        devices: the devices that it computes on, as text.
        stage: how far it is on its way: ``started``, ``read`` (its data), ``joined``, ``trained``.
        place: ``ELSEWHERE``, ``STEP`` or ``BETWEEN``.
        steps: the number of steps that it has ended.
        images: the number of images of the training steps among these that it computed.
        training: seconds of these steps, and between them.
        waiting: seconds of these that it waited for others, and could have run: where the system does not let it run,
            as with a quota of processors, the others wait for it.
        longest: seconds of the longest step, but for the first ones of a pass, which are compiled.
        end: how it ended: its exit code, and the error if there was one; empty before.
    """

    number: int = 0
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)
    threads: int = 0
    devices: str = ""
    stage: str = "started"
    place: str = ELSEWHERE
    steps: int = 0
    images: int = 0
    training: float = 0.0
    waiting: float = 0.0
    longest: float = 0.0
    end: dict[str, Any] = field(default_factory=dict)

    @property
    def computing(self) -> float:
        """Seconds of the training steps in which the worker did not wait for others."""
        return max(0.0, self.training - self.waiting)


def beat_file(folder: Path, rank: int) -> Path:
    """Return the file of the heartbeat of a worker.

    Args:
        folder: the folder of the workers.
        rank: the number of the worker, from 0.
    """
    return folder / f"worker-{rank}.beat"


def read_beat(folder: Path, rank: int) -> Beat | None:
    """Return what a worker said last; None if it has said nothing yet, or is just writing."""
    try:
        values = json.loads(beat_file(folder, rank).read_bytes())
        known = {each.name for each in fields(Beat)}
        return Beat(**{name: value for name, value in values.items() if name in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


class Pulse:
    """Writes the heartbeat of this process from a thread, until the process ends.

    Args:
        folder: the folder of the workers.
        rank: the number of this worker, from 0.

    Attributes:
        beat: what is written; the thread that trains changes it.
        waited: returns the seconds for which this worker has waited for others in steps so far.
    """

    def __init__(self, folder: Path, rank: int) -> None:
        self.folder = folder
        self.beat = Beat()
        self.waited: Callable[[], float] = lambda: 0.0
        self._file = os.open(beat_file(folder, rank), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self._lock = threading.Lock()
        self._of_pass = 0
        self._began = self._waited = 0.0
        self._stalled = self._counted = self._carried = 0.0
        self._last = 0.0
        self.write()
        threading.Thread(target=self._beat, name="tlkit-heartbeat", daemon=True).start()

    def write(self) -> None:
        """Write the file now."""
        with self._lock, suppress(OSError):  # on a full disk, the next file that the run needs says so
            self.beat.number += 1
            text = json.dumps(asdict(self.beat)).encode()
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, text.ljust(_WIDTH))
            os.ftruncate(self._file, max(_WIDTH, len(text)))

    def reach(self, stage: str) -> None:
        """Say that this worker has reached a stage of its way."""
        self.beat.stage = stage
        self.write()

    def begin_pass(self) -> None:
        """Begin a pass: its first steps are compiled, which may take any time."""
        self._of_pass = 0
        self.beat.place = ELSEWHERE
        self._last = time.monotonic()

    def end_pass(self) -> None:
        """End a pass: what comes now may take any time."""
        self.begin_pass()

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Within the context, do something between two steps that may take any time, and is no part of the training."""
        before, self.beat.place = self.beat.place, ELSEWHERE
        began, stalled = time.monotonic(), self._stalled
        try:
            yield
        finally:
            self._last += time.monotonic() - began
            self._counted += self._stalled - stalled
            self.beat.place = before

    def begin_step(self) -> None:
        """Begin a step of a pass."""
        self._of_pass += 1
        self._began, self._waited = time.monotonic(), self.waited()
        self.beat.place = STEP if self._of_pass > 2 else ELSEWHERE

    def end_step(self, images: int = 0) -> None:
        """End a step.

        Args:
            images: the images of the step that this worker trained on; 0 in a validation.
        """
        now, beat = time.monotonic(), self.beat
        if self._of_pass > 2:
            beat.longest = max(beat.longest, now - self._began)
        if images:
            beat.images += images
            beat.training += now - self._last
            beat.waiting += self._could_run(self.waited() - self._waited)
        self._last = now
        beat.steps += 1
        beat.place = BETWEEN if self._of_pass > 1 else ELSEWHERE

    def _could_run(self, waited: float) -> float:
        """Return for how many of the seconds that a step waited the process could have run."""
        stalled, self._counted = self._carried + self._stalled - self._counted, self._stalled
        taken = min(stalled, waited)
        self._carried = min(_CARRIED, stalled - taken)
        return waited - taken

    def _beat(self) -> None:
        while True:
            end = time.monotonic() + EVERY
            while (before := time.monotonic()) < end:
                time.sleep(_TICK)
                late = time.monotonic() - before - _TICK
                self._stalled += late if late > _TICK else 0.0
            self.write()
