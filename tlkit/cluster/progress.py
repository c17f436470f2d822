"""How far the work of this process has come in its block: its thread that answers questions tells it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")

EACH_PROCESSOR = 8
"""Images for each processor that are computed together, where each is computed alone."""


class Position(NamedTuple):
    """How far a worker is.

    Args:
        block: the number of the block that it works on, from 1; 0 while it joins.
        steps: how often it went on in this block.
        longest: seconds of the longest step so far.
        reading: the place in the block of the item that has been read the longest; None where none is read.
    """

    block: int
    steps: int
    longest: float
    reading: int | None


class Progress:
    """How far the work of a process has come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._block = -1
        self._is_working = False
        self._steps = 0
        self._moved = self._longest = 0.0
        self._reading: dict[int, None] = {}

    @contextmanager
    def working(self) -> Iterator[None]:
        """Within the context, work on the next block."""
        with self._lock:
            self._block, self._steps, self._moved = self._block + 1, 0, time.monotonic()
            self._is_working = True
        try:
            yield
        finally:
            with self._lock:
                self._is_working = False
                self._reading.clear()

    def went_on(self) -> None:
        """Say that something is done, such as an item of the block, or a part of one that takes long."""
        with self._lock:
            now = time.monotonic()
            if self._block > 0:  # the start of a worker imports large libraries
                self._longest = max(self._longest, now - self._moved)
            self._steps, self._moved = self._steps + 1, now

    @contextmanager
    def reading(self, place: int) -> Iterator[None]:
        """Within the context, the item at a place of the block is read."""
        with self._lock:
            self._reading[place] = None
        try:
            yield
        finally:
            with self._lock:
                self._reading.pop(place, None)
            self.went_on()

    def position(self) -> Position | None:
        """Return how far the work is; None while there is none."""
        with self._lock:
            if not self._is_working:
                return None
            return Position(self._block, self._steps, self._longest, next(iter(self._reading), None))


HERE = Progress()
"""That of this process."""


def read_one_by_one(items: Iterable[T]) -> Iterator[T]:
    """Yield the items of a block: each is read until the next one is asked for."""
    for place, item in enumerate(items):
        with HERE.reading(place):
            yield item


def some_at_a_time(compute: Callable[[Any], Iterable[R]], items: Any, count: int) -> Iterator[R]:
    """Yield what ``compute`` returns of each item of an array, given so many at a time: how far it is can be seen."""
    for first in range(0, len(items), count):
        yield from compute(items[first : first + count])
