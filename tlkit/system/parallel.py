"""Work on parts in parallel threads or processes; results come in the order of the parts."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from tlkit.system.children import start_python

T = TypeVar("T")
R = TypeVar("R")

_MAX_PROCESSES = 32
_AHEAD_BYTES = 128_000_000


_limit: int | None = None


def limit_processors(count: int) -> None:
    """Let this process use at most so many processors from now on: one of several that share a machine."""
    global _limit
    _limit = count


def usable_processors() -> int:
    """Return the number of processors that this process may use."""
    if _limit is not None:
        return min(_limit, _processors())
    return _processors()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(
    make: Callable[[T], R],
    parts: Iterable[T],
    *,
    name: str,
    ahead: int,
    threads: int | None = None,
    size: Callable[[R], int] | None = None,
) -> Iterator[R]:
    """Yield ``make(part)`` for each part, computed in threads: for work that releases Python's lock.

    Closing the iterator early waits only for the parts in progress.

    Args:
        make: the work; must be safe to call from several threads. Its exceptions are raised here.
        parts: the parts to work on; the iterable is advanced one part at a time.
        name: prefix of the threads' names.
        ahead: parts per thread that are handed over ahead of the results; limits the memory.
        threads: number of threads; None for one per core, but at least two, or as many as ``limit_processors`` allows.
        size: returns the bytes of a result; then fewer parts are handed over ahead where results as large as the
            largest so far would take more than 128 MB, but always one per thread.
    """
    threads = threads or _limit or max(2, os.cpu_count() or 2)
    waiting: deque[Future[R]] = deque()
    workers = ThreadPoolExecutor(threads, name)
    most = ahead * threads if size is None else threads
    largest = 1
    try:
        for part in parts:
            waiting.append(workers.submit(make, part))
            while len(waiting) > most:
                result = waiting.popleft().result()
                if size is not None:
                    largest = max(largest, size(result))
                    most = max(threads, min(ahead * threads, _AHEAD_BYTES // largest))
                yield result
                del result
        while waiting:
            yield waiting.popleft().result()
    finally:
        workers.shutdown(cancel_futures=True)


def in_processes(make: Callable[[T], R], parts: Iterable[T], *, name: str, ahead: int) -> Iterator[R]:
    """Yield ``make(part)`` for each part, computed in one process per core: for work that holds Python's lock.

    The processes are new interpreters that import only the module of ``make``: unlike those of ``multiprocessing`` they
    don't run the main module, so scripts need no guard. Each takes about half a second to start. They don't receive
    Ctrl-C, and they end with this iterator or with this process, however it ends. If a process can't be started, or
    dies, as when memory runs out, its share of the work is done in a thread.

    Args:
        make: the work: a function of a module, or a partial of one. Its exceptions are raised here.
        parts: the parts to work on. Parts, results and exceptions must be picklable.
        name: prefix of the names of the threads that feed the processes.
        ahead: parts per process that are handed over ahead of the results; limits the memory.
    """
    started: list[_Process] = []
    own = threading.local()

    def made(part: T) -> R:
        if not hasattr(own, "process"):
            own.process = _start(make, started)
        if own.process is not None:
            try:
                result, error = own.process.ask(part)
            except (OSError, EOFError, pickle.UnpicklingError):
                own.process = None
            else:
                if error is not None:
                    raise error
                return result  # type: ignore[no-any-return]
        return make(part)

    try:
        yield from in_threads(made, parts, name=name, ahead=ahead, threads=min(os.cpu_count() or 1, _MAX_PROCESSES))
    finally:
        for process in started:
            process.end()


class _Process:
    """An interpreter that works on one part at a time.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self) -> None:
        self._process = start_python(["-c", f"from {__name__} import serve; serve()"], subprocess.PIPE)

    def send(self, message: object) -> None:
        """Send the work, or a part, to the process."""
        assert self._process.stdin is not None
        pickle.dump(message, self._process.stdin)
        self._process.stdin.flush()

    def ask(self, part: object) -> tuple[Any, Exception | None]:
        """Return the result of a part, or the exception that it raised.

        Raises:
            OSError, EOFError, pickle.UnpicklingError: the process has ended.
        """
        self.send(part)
        assert self._process.stdout is not None
        return pickle.load(self._process.stdout)  # type: ignore[no-any-return]

    def end(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.communicate()


def _start(make: Callable[[T], R], started: list[_Process]) -> _Process | None:
    """Start a process and add it to ``started``; return None if it can't be started."""
    try:
        process = _Process()
        started.append(process)
        process.send(make)
    except OSError:
        return None
    return process


def serve() -> None:
    """Run one of the processes of ``in_processes``, until its standard input ends."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Libraries may print; only answers go to standard output.
    warnings.simplefilter("ignore")
    make = pickle.load(requests)
    while True:
        try:
            part = pickle.load(requests)
        except EOFError:
            return
        answer: tuple[Any, Exception | None]
        try:
            answer = make(part), None
        except Exception as error:
            answer = None, error
        try:
            pickle.dump(answer, answers)
            answers.flush()
        except BrokenPipeError:
            os._exit(0)
