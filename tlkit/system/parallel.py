"""Work on parts side by side, its results in the order of the parts."""

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

T = TypeVar("T")
R = TypeVar("R")

_MOST_PROCESSES = 32


def in_threads(
    make: Callable[[T], R], parts: Iterable[T], *, name: str, ahead: int, threads: int | None = None
) -> Iterator[R]:
    """``make`` of each part, in threads: for work that leaves Python's lock to others.

    Who stops asking waits only for what is being made.

    Args:
        make: the work; safe to call from several threads. What it raises is raised here.
        parts: to work on; asked for one by one.
        name: of the threads.
        ahead: how many parts a thread are handed over before their results are asked for; bounds the memory.
        threads: how many; None: one a core, and two at least.
    """
    threads = threads or max(2, os.cpu_count() or 2)
    waiting: deque[Future[R]] = deque()
    workers = ThreadPoolExecutor(threads, name)
    try:
        for part in parts:
            waiting.append(workers.submit(make, part))
            if len(waiting) > ahead * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        workers.shutdown(cancel_futures=True)


def in_processes(make: Callable[[T], R], parts: Iterable[T], *, name: str, ahead: int) -> Iterator[R]:
    """``make`` of each part, in a process a core: for work that needs Python's lock.

    The processes are interpreters of their own that import ``make`` and nothing of the caller's: unlike those of
    ``multiprocessing``, they don't run the main module, so that a script needs no guard. Each takes about half a second
    to begin. They don't see Ctrl-C, and end with this iterator or with this process, however that ends. Where one can't
    be had, or dies, as when memory runs out, its share is made in a thread.

    Args:
        make: the work: a function of a module, or a partial of one. What it raises is raised here.
        parts: to work on; they, the results and what is raised can be pickled.
        name, ahead: as ``in_threads``; a thread stands before each process.
    """
    begun: list[_Process] = []
    own = threading.local()

    def made(part: T) -> R:
        if not hasattr(own, "process"):
            own.process = _begin(make, begun)
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
        yield from in_threads(made, parts, name=name, ahead=ahead, threads=min(os.cpu_count() or 1, _MOST_PROCESSES))
    finally:
        for process in begun:
            process.end()


class _Process:
    """An interpreter that answers what it is asked.

    Raises:
        OSError: it can't be begun.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            process_group=0,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # of Windows
        )

    def tell(self, what: object) -> None:
        assert self._process.stdin is not None
        pickle.dump(what, self._process.stdin)
        self._process.stdin.flush()

    def ask(self, part: object) -> tuple[Any, Exception | None]:
        """The work's result, or what it raised.

        Raises:
            OSError, EOFError, pickle.UnpicklingError: the process is no longer there.
        """
        self.tell(part)
        assert self._process.stdout is not None
        return pickle.load(self._process.stdout)  # type: ignore[no-any-return]

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def _begin(make: Callable[[T], R], begun: list[_Process]) -> _Process | None:
    try:
        process = _Process()
        begun.append(process)
        process.tell(make)
    except OSError:
        return None
    return process


def serve() -> None:
    """Be one of the processes of ``in_processes``, until nobody asks any more."""
    asked = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    warnings.simplefilter("ignore")
    make = pickle.load(asked)
    while True:
        try:
            part = pickle.load(asked)
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
