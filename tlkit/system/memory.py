"""Say that the memory is exhausted, and what to do about it, whichever library finds out."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tlkit.errors import RunError

_WORDS = ("out of memory", "cannot allocate memory", "failed to allocate", "bad_alloc", "can't start new thread")
_ONEDNN = "Status: 1, message"
"""How oneDNN's ``dnnl_out_of_memory`` appears in TensorFlow's ``AbortedError``."""

SMALLER = "train with fewer images at a time (--set input.batch_size=N) or smaller ones (--set input.image_size=N)"
"""What helps where a recipe is trained."""

_UNKNOWN = 1 << 62
MACHINE = "/proc/meminfo"
_CONTAINER = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Where Linux says how much a container may take, and takes."""

limit: int | None = None
"""The limit of this process in bytes that ``memory_limit`` set; None without one."""


@contextmanager
def explained_memory(advice: str | Callable[[], str], what: str = "") -> Iterator[None]:
    """Turn an error about exhausted memory into one that says what to do; also a decorator of functions.

    Args:
        advice: what to do, as a clause without a full stop; or a function that returns it.
        what: what needs the memory, as the beginning of a sentence; by default nothing is said about it.

    Raises:
        RunError: the memory of this process, of the machine or of the GPU is exhausted.
    """
    try:
        yield
    except Exception as error:
        if not is_exhausted(error):
            raise
        what = what or f"the memory is exhausted ({_reason(error)})"
        to_do = advice if isinstance(advice, str) else advice()
        raise RunError(f"{what}{_limit_text()}; {to_do}") from error


def available_memory() -> int:
    """Return the number of bytes that this process may still take; a very large one where the system doesn't say."""
    free = [_UNKNOWN, told_bytes(MACHINE, "MemAvailable") or _UNKNOWN]
    free += [most - taken for most, taken in _container() if taken is not None]
    if limit is not None:
        free.append(limit - told_bytes("/proc/self/status", "VmData"))
    return max(0, min(free))


def container_limits() -> list[int]:
    """Return the limits in bytes of the containers that this process runs in."""
    return [most for most, _ in _container()]


def _container() -> Iterator[tuple[int, int | None]]:
    """Yield how much a container may take, and takes; None where the system doesn't say the latter."""
    for files in _CONTAINER:
        numbers: list[int] = []
        with suppress(OSError, ValueError):
            numbers.extend(int(Path(file).read_text(encoding="ascii")) for file in files)
        if numbers:
            yield numbers[0], numbers[1] if len(numbers) > 1 else None


def told_bytes(file: str, name: str) -> int:
    """Return a number of kilobytes that Linux tells in a line of a file, in bytes; 0 where there is none."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(file).read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return 1024 * int(line.split()[1])
    return 0


def _limit_text() -> str:
    from tlkit.system.text import size_text

    return "" if limit is None else f". The limit is {size_text(limit)} (--memory)"


def is_exhausted(error: Exception) -> bool:
    """Return whether an error says that the memory of this process, of the machine or of the GPU is exhausted."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    words = str(error)
    if isinstance(error, ImportError | RuntimeError):
        return any(each in words.lower() for each in _WORDS)
    errors: Any = sys.modules.get("tensorflow.python.framework.errors_impl")
    if errors is None or not isinstance(error, errors.OpError):
        return False
    if isinstance(error, errors.ResourceExhaustedError):
        return True
    return _ONEDNN in words or any(each in words.lower() for each in _WORDS)


def _reason(error: Exception) -> str:
    words = str(error).strip().splitlines()
    return words[0][:200] if words else type(error).__name__
