"""What workers do in the tests of blocks; they import this module."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial

from tlkit.errors import DataError

Work = Callable[[Sequence[int]], list[str]]


def start(*, deadly: tuple[int, ...] = (), seconds: float = 0.0) -> Work:
    return partial(_work, deadly=deadly, seconds=seconds)


def _work(items: Sequence[int], *, deadly: tuple[int, ...], seconds: float) -> list[str]:
    if set(items) & set(deadly):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(seconds)
    return [str(each) for each in items]


def start_that_fails() -> Work:
    raise DataError("model.keras: damaged")


def start_with_a_bug() -> Work:
    return _divide


def _divide(items: Sequence[int]) -> list[str]:
    return [str(1 // 0) for _ in items]


def died(item: int, _why: str) -> str:
    return f"{item} died"
