"""What workers do in the tests of blocks; they import this module."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tlkit.cluster.parts import Fate
from tlkit.cluster.progress import read_one_by_one
from tlkit.data.checks.facts import Facts
from tlkit.data.store.decoding import Decoded
from tlkit.errors import DataError
from tlkit.evaluation.prediction import Prediction
from tlkit.evaluation.tiled import TiledPredictor

Work = Callable[[Sequence[int]], Iterable[str]]


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


def died(item: int, fate: Fate) -> str:
    return f"{item}: {fate.what}"


def title(item: int) -> str:
    return f"number {item}"


def start_one_by_one(*, hangs: tuple[int, ...] = (), once: Path | None = None, seconds: float = 0.0) -> Work:
    """Return what takes some time for each number, and never ends some: only the first time, where a file is named."""
    return partial(_one_by_one, hangs=hangs, once=once, seconds=seconds)


def _one_by_one(items: Sequence[int], *, hangs: tuple[int, ...], once: Path | None, seconds: float) -> Iterator[str]:
    for each in read_one_by_one(items):
        if each in hangs and not (once is not None and once.exists()):
            if once is not None:
                once.touch()
            hang()
        time.sleep(seconds)
        yield str(each)


def hang() -> None:
    """Wait for ever."""
    while True:
        time.sleep(1)


def read_files(group: tuple[Iterable[Path], bool]) -> list[tuple[Facts, Decoded | None]]:
    """Return facts of files; one whose name begins so hangs."""
    found: list[tuple[Facts, Decoded | None]] = []
    for path in group[0]:
        if path.name.startswith("hangs"):
            hang()
        found.append((Facts(digest=path.name), None))
    return found


def predict_slowly(tiled: TiledPredictor, picture: Path) -> Prediction:
    """Take a second for each tile."""
    return tiled.predict(picture, told=lambda _done, _total: time.sleep(1))
