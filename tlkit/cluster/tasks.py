"""Run a function on many parts as Ray tasks: results in order, bounded ahead, a lost worker's part tried again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tlkit.errors import RunError, TlkitError

EVERY = 0.3
"""Seconds between two looks at the tasks, within which a signal is noticed."""
PATIENCE = 120.0
"""Seconds within which tasks that are to end save what they have."""


class WorkerLostError(RunError):
    """The process, or the machine, of a worker ended before the worker was done."""


class Call:
    """A function that runs in a worker.

    Args:
        reference: Ray's reference to its result.

    Attributes:
        cancelled: whether ``cancel`` was called.
    """

    def __init__(self, reference: Any) -> None:
        self.reference = reference
        self.cancelled = False

    def ended(self, seconds: float) -> bool:
        """Wait for the end for some seconds at most; return whether it has come."""
        import ray

        return bool(ray.wait([self.reference], timeout=seconds)[0])

    def result(self) -> Any:
        """Wait for the end, and return what the function returned.

        Raises:
            WorkerLostError: its worker was lost.
            TlkitError: as the function raised it. Any other exception has its traceback in the worker.
        """
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            return ray.get(self.reference)
        except RayTaskError as error:
            if isinstance(error.cause, TlkitError):
                raise error.cause from None
            raise
        except RayError as error:
            reason = str(error).strip().partition("\n")[0]
            raise WorkerLostError(f"a worker was lost ({type(error).__name__}): {reason}") from error

    def cancel(self) -> None:
        """Raise ``KeyboardInterrupt`` in the function; it ends when it has saved what it has."""
        import ray

        self.cancelled = True
        ray.cancel(self.reference)


@dataclass
class _Begun:
    """A part that was begun."""

    number: int
    part: Any
    attempts: int = 0
    ended: bool = False
    result: Any = None
    error: BaseException | None = None


class _Parts:
    """The parts that are running.

    Args:
        begin: runs the function on a part in a worker.
        attempts: how often a part is tried whose worker is lost.
        say: called with a line when a worker is lost.
    """

    def __init__(self, begin: Callable[[Any], Call], attempts: int, say: Callable[[str], None]) -> None:
        self._begin = begin
        self._attempts = attempts
        self._say = say
        self.running: dict[Any, tuple[_Begun, Call]] = {}

    def begin(self, each: _Begun) -> None:
        """Begin a part, or begin it again."""
        each.attempts += 1
        call = self._begin(each.part)
        self.running[call.reference] = (each, call)

    def look(self) -> None:
        """Wait for a moment for parts to end; begin those again whose workers were lost."""
        if not self.running:
            return
        import ray

        for reference in ray.wait(list(self.running), timeout=EVERY)[0]:
            self._end(*self.running.pop(reference))

    def _end(self, each: _Begun, call: Call) -> None:
        try:
            each.result = call.result()
        except WorkerLostError as error:
            if each.attempts < self._attempts:
                self._say(f"part {each.number} is tried again: {error}")
                self.begin(each)
                return
            each.error = RunError(f"part {each.number} failed {each.attempts} times: {error}")
        except Exception as error:
            each.error = error
        each.ended = True

    def cancel(self) -> None:
        """Have all parts end, and wait for them."""
        for _, call in self.running.values():
            call.cancel()
        end = time.monotonic() + PATIENCE
        for _, call in self.running.values():
            call.ended(max(0.0, end - time.monotonic()))


def in_order(
    begin: Callable[[Any], Call],
    parts: Iterable[Any],
    limits: tuple[int, int, int],
    say: Callable[[str], None],
) -> Iterator[Any]:
    """Run a function on each part, and yield the results in the order of the parts.

    Args:
        begin: runs the function on a part in a worker.
        parts: what it is called with.
        limits: parts at the same time, parts begun and not yielded, attempts of a part whose worker is lost.
        say: called with a line when a worker is lost.

    Raises:
        RunError: the worker of a part was lost too often.
        TlkitError: as the function raised it.
    """
    at_once, ahead, attempts = limits
    begun = _Parts(begin, attempts, say)
    waiting: deque[_Begun] = deque()
    source = enumerate(parts, 1)
    more = True
    try:
        while more or waiting:
            while more and len(waiting) < max(1, ahead) and len(begun.running) < max(1, at_once):
                following = next(source, None)
                more = following is not None
                if following is not None:
                    waiting.append(_Begun(*following))
                    begun.begin(waiting[-1])
            begun.look()
            while waiting and waiting[0].ended:
                first = waiting.popleft()
                if first.error is not None:
                    raise first.error
                yield first.result
    finally:
        begun.cancel()


def command_on_part(command: Callable[[Any], Any], part: Any) -> Any:
    """Run a function in a worker."""
    return command(part)
