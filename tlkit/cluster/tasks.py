"""Run a function on many parts as Ray tasks: results in order, bounded ahead, a lost worker's part tried again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from tlkit.errors import RunError, TlkitError

Part = TypeVar("Part")
Result = TypeVar("Result")

_EVERY = 0.3
"""Seconds between two looks at the tasks, within which a signal is noticed."""
_PATIENCE = 120.0
"""Seconds within which tasks that are to end save what they have."""


@dataclass
class _Begun:
    """A part that was begun."""

    number: int
    part: Any
    attempts: int = 0
    ended: bool = False
    result: Any = None
    error: BaseException | None = None


class _Tasks:
    """The tasks of a function on parts.

    Args:
        command: the function.
        resources: what Ray gives each task.
        attempts: how often a part is tried whose worker is lost.
        say: called with a line when a worker is lost.
    """

    def __init__(
        self, command: Callable[[Any], Any], resources: Mapping[str, Any], attempts: int, say: Callable[[str], None]
    ) -> None:
        import ray

        self._ray = ray
        # Ray's own retries would not say that a worker was lost.
        self._task = ray.remote(_on_part).options(max_retries=0, **resources)
        self._command = ray.put(command)
        self._attempts = attempts
        self._say = say
        self.running: dict[Any, _Begun] = {}

    def begin(self, each: _Begun) -> None:
        """Begin a part, or begin it again."""
        each.attempts += 1
        self.running[self._task.remote(self._command, each.part)] = each

    def look(self) -> None:
        """Wait for a moment for parts to end; begin those again whose workers were lost."""
        if not self.running:
            return
        done, _ = self._ray.wait(list(self.running), timeout=_EVERY)
        for reference in done:
            self._end(self.running.pop(reference), reference)

    def _end(self, each: _Begun, reference: Any) -> None:
        from ray.exceptions import RayError, RayTaskError

        try:
            each.result = self._ray.get(reference)
        except RayTaskError as error:
            # One of tlkit's is raised as it is, any other with its traceback in the worker.
            each.error = error.cause if isinstance(error.cause, TlkitError) else error
        except RayError as error:
            what = f"the worker of part {each.number} was lost ({type(error).__name__})"
            if each.attempts < self._attempts:
                self._say(f"{what}; the part is tried again")
                self.begin(each)
                return
            reason = str(error).strip().partition("\n")[0]
            each.error = RunError(f"{what}, {each.attempts} times: {reason}")
        each.ended = True

    def cancel(self) -> None:
        """Have the tasks end, and wait for them."""
        for reference in self.running:
            self._ray.cancel(reference)
        if self.running:
            self._ray.wait(list(self.running), num_returns=len(self.running), timeout=_PATIENCE)


def in_order(
    command: Callable[[Part], Result],
    parts: Iterable[Part],
    resources: Mapping[str, Any],
    limits: tuple[int, int, int],
    say: Callable[[str], None],
) -> Iterator[Result]:
    """Run a function on each part, and yield the results in the order of the parts.

    Args:
        command: the function.
        parts: what it is called with.
        resources: what Ray gives each task.
        limits: parts at the same time, parts begun and not yielded, attempts of a part whose worker is lost.
        say: called with a line when a worker is lost.

    Raises:
        RunError: the worker of a part was lost too often.
        TlkitError: as ``command`` raised it.
    """
    at_once, ahead, attempts = limits
    tasks = _Tasks(command, resources, attempts, say)
    waiting: deque[_Begun] = deque()
    source = enumerate(parts, 1)
    more = True
    try:
        while more or waiting:
            while more and len(waiting) < max(1, ahead) and len(tasks.running) < max(1, at_once):
                following = next(source, None)
                more = following is not None
                if following is not None:
                    waiting.append(_Begun(*following))
                    tasks.begin(waiting[-1])
            tasks.look()
            while waiting and waiting[0].ended:
                first = waiting.popleft()
                if first.error is not None:
                    raise first.error
                yield first.result
    finally:
        tasks.cancel()


def _on_part(command: Callable[[Any], Any], part: Any) -> Any:
    """Run a function in a worker."""
    return command(part)
