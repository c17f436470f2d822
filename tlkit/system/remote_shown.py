"""What is printed while remote files are fetched: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tlkit.system.text import counted, size_text

T = TypeVar("T")

_QUIET_SECONDS = 5.0


class Shown:
    """The messages about one URL, on standard error.

    Args:
        url: the URL.
    """

    def __init__(self, url: str) -> None:
        from tlkit.system.terminal import Terminal

        self._url = url
        self._console = Terminal(stderr=True)
        self._said = time.monotonic()
        self._waits = False
        self._files = 0
        self._bytes = 0
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text)
        self._said = time.monotonic()

    def waiting(self) -> None:
        """Say once that another process fetches the same files."""
        if not self._waits and time.monotonic() - self._said > 1:
            self._waits = True
            self.say(f"{self._url}: another process fetches it; waiting for it")

    def comparing(self, results: Iterable[T], total: int) -> Iterator[T]:
        """Yield results, and say how many there are where that takes long."""
        for number, each in enumerate(results):
            if time.monotonic() - self._said > _QUIET_SECONDS:
                self.say(f"{self._url}: comparing what is cached: {number:,} of {counted(total, 'file')}")
            yield each

    def one_done(self) -> None:
        """Count a file."""
        self._files += 1

    @contextmanager
    def fetching(self, files: int, size: int) -> Iterator[Callable[[int], None]]:
        """Show how much was fetched within the context.

        Args:
            files: how many files are fetched.
            size: their size in bytes, as far as it is known.

        Yields:
            A function to call, from any thread, with the bytes that came.
        """
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        if not files:
            yield lambda _: None
            return
        if not self._console.is_terminal:
            self.say(f"fetching {self._url}: {counted(files, 'file')}, {size_text(size)}")
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as progress:
            task = progress.add_task(f"fetching {self._url}", total=size or None)

            def add(count: int) -> None:
                progress.advance(task, count)
                with self._lock:
                    self._bytes += count
                    if not self._console.is_terminal and time.monotonic() - self._said > _QUIET_SECONDS:
                        done = f"{self._files:,} of {counted(files, 'file')}"
                        self.say(f"  {done}, {size_text(self._bytes)} of {size_text(size)}")

            yield add
