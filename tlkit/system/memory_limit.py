"""A limit for the memory that a command takes, whatever is in the files that it is given: on Linux.

The limit is the system's ``RLIMIT_DATA``. Since Linux 4.7 it counts all that a process may write to and shares with no
other: its heap, its arrays and the stacks of its threads. ``RLIMIT_AS`` would also count code, files that are mapped,
and addresses that are only reserved, of which the driver of a GPU reserves more than a machine has memory. Predicting
with MobileNetV2 takes 0.55 GB of data, 0.73 GB of resident memory and 2.1 GB of addresses. Memory of a GPU is not
counted.

C++ libraries end the process by SIGABRT or SIGSEGV where they get no memory. So the command goes on in a child process,
and its parent says what happened.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tlkit.errors import RunError
from tlkit.system import memory
from tlkit.system.signals import stopping_signals
from tlkit.system.text import size_text

LEAST = 1_000_000_000
"""TensorFlow alone takes half of it, and more on a machine with many cores."""
SUPPORTED = sys.platform == "linux"
_SPARE = 2**30
_SPARE_PER_CORE = 2**26
"""The stacks of a core's threads: they count in full, but hardly any of them is used."""
_GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
_SAID_BY_SIGNAL = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS) if SUPPORTED else ()
_PARENT_DEATH_SIGNAL = 1
"""``PR_SET_PDEATHSIG`` of ``prctl``."""

is_command = False
"""Whether this process was started as the command, and may continue in a child."""


def default_limit() -> int | None:
    """Return the limit in bytes without ``--memory``: somewhat more than memory and swap space of the machine.

    None on other systems than Linux, and where there is a GPU, whose driver takes memory of its own.
    """
    if not SUPPORTED or _has_gpu():
        return None
    machine = memory.told_bytes(memory.MACHINE, "MemTotal")
    if not machine:
        return None
    total = min([machine, *memory.container_limits()]) + memory.told_bytes(memory.MACHINE, "SwapTotal")
    return total + _SPARE + _SPARE_PER_CORE * (os.cpu_count() or 1)


def _has_gpu() -> bool:
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and any(Path(each).exists() for each in _GPUS)


@contextmanager
def limited_memory(most: int | None, advice: str) -> Iterator[None]:
    """Limit the memory of this process within the context.

    If this process is the command and has not begun to work, the context runs in a child process, and this one ends
    with its exit code.

    Args:
        most: the limit in bytes; None for none.
        advice: what to do when it is reached, as a clause.

    Raises:
        RunError: the child process got no more memory and was ended by a signal.
    """
    if most is None or not SUPPORTED:
        yield
        return
    import resource

    if is_command and "tensorflow" not in sys.modules and threading.active_count() == 1:
        _continue_in_child(most, advice)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    hard = before[1]
    memory.limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (memory.limit, hard))
    try:
        yield
    finally:
        memory.limit = None
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _continue_in_child(most: int, advice: str) -> None:
    """Return in a child process; end this one as that one ends."""
    global is_command
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    parent = os.getpid()
    # Held back and taken one by one: a handler might not run before a call that waits for the child.
    watched = {*stopping_signals(), signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        is_command = False
        _end_with(parent)
        return
    while not (ended := os.wait4(child, os.WNOHANG))[0]:
        taken = signal.sigtimedwait(watched, 1.0)
        # Ctrl-C reaches both; a child that gets a signal twice takes it for one.
        if taken is not None and taken.si_signo != signal.SIGCHLD:
            with suppress(ProcessLookupError):
                os.kill(child, taken.si_signo)
    _, status, used = ended
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        sys.exit(code)
    if -code in _SAID_BY_SIGNAL or -code == signal.SIGKILL:
        raise RunError(_ended_text(signal.Signals(-code), used.ru_maxrss * 1024, most, advice))
    sys.exit(128 - code)


def _ended_text(number: signal.Signals, used: int, most: int, advice: str) -> str:
    how = "was killed (SIGKILL), as the system does when its memory is exhausted"
    if number != signal.SIGKILL:
        how = f"was ended by {number.name}, as libraries do that get no more memory"
    return f"the command {how}: it had {size_text(used)}, and its limit is {size_text(most)} (--memory); {advice}"


def _end_with(parent: int) -> None:
    """Have the system send this process SIGTERM when its parent ends, however it ends."""
    import ctypes

    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGTERM)
