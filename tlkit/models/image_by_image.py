"""Compute images one at a time in each of several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Protocol

import numpy as np

from tlkit.system.parallel import usable_processors


class UnusableNetworkError(Exception):
    """An engine can't run a network."""


class Worker(Protocol):
    """Computes one image at a time, for one thread at a time."""

    shapes: list[tuple[int, ...]]

    def __call__(self, image: np.ndarray) -> Sequence[np.ndarray]:
        """Return each output, float32, for an image float32 (1, H, W, 3)."""


class ImageByImage:
    """A network that computes each image alone; it may be called from several threads at a time.

    Args:
        make: makes a worker of the network.
        threads: the number of images that are computed at a time; None for one per usable processor.

    Attributes:
        shapes: the shape of each output, without the dimension of the images.
    """

    def __init__(self, make: Callable[[], Worker], threads: int | None = None) -> None:
        self._make = make
        self._threads = threads or usable_processors()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="tlkit-network")
        self._idle: SimpleQueue[Worker | None] = SimpleQueue()
        first = make()
        self.shapes = first.shapes
        self._idle.put(first)
        for _ in range(self._threads - 1):
            self._idle.put(None)  # made when it is first needed

    def __call__(self, images: np.ndarray) -> list[np.ndarray]:
        """Return each output, float32 (N, …), for images float32 (N, H, W, 3)."""
        outputs = [np.empty((len(images), *shape), np.float32) for shape in self.shapes]
        rows = iter(range(len(images)))  # each thread takes the next: none waits for another that is slower
        tasks = [
            self._pool.submit(self._compute, images, rows, outputs) for _ in range(min(self._threads, len(images)))
        ]
        for each in tasks:
            each.result()
        return outputs

    def of_one(self, image: np.ndarray) -> list[np.ndarray]:
        """Return each output, float32 (…), for an image (H, W, 3), computed in the calling thread."""
        outputs = [np.empty((1, *shape), np.float32) for shape in self.shapes]
        self._compute(image[np.newaxis], iter([0]), outputs)
        return [output[0] for output in outputs]

    def _compute(self, images: np.ndarray, rows: Iterator[int], outputs: list[np.ndarray]) -> None:
        worker = self._idle.get()
        try:
            worker = worker or self._another()
            for row in rows:
                image = np.asarray(images[row : row + 1], np.float32)
                for output, values in zip(outputs, worker(image), strict=True):
                    output[row] = values
        finally:
            self._idle.put(worker)

    def _another(self) -> Worker:
        """Return a new worker; where there is no room for it, one of the others."""
        try:
            return self._make()
        except (UnusableNetworkError, RuntimeError, MemoryError):
            while (worker := self._idle.get()) is None:
                pass
            return worker
