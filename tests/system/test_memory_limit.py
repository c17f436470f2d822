"""A limit for the memory of a command, and what is said when it is reached."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf
from waiting import read_until

from tlkit.errors import RunError
from tlkit.system import memory, memory_limit
from tlkit.system.memory import explained_memory
from tlkit.system.memory_limit import default_limit, limited_memory

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit the memory of a process")

EXHAUSTED = [
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError("can't start new thread"),
    ImportError("libx.so: failed to map segment: Cannot allocate memory"),
    tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[9,9]"),
    tf.errors.AbortedError(
        None, None, "Operation received an exception:Status: 1, message: could not create a primitive"
    ),
    tf.errors.InternalError(None, None, "Failed to allocate 9 bytes on the GPU"),
]


@pytest.mark.parametrize("error", EXHAUSTED, ids=lambda error: type(error).__name__)
def test_exhausted_memory_is_told_with_what_to_do(error: Exception) -> None:
    @explained_memory("use less")
    def work() -> None:
        raise error

    with pytest.raises(RunError, match=r"^the memory is exhausted \(.+\); use less$") as caught:
        work()
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "x"), RuntimeError("x"), tf.errors.InvalidArgumentError(None, None, "x"), RunError("x")],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_stay_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, explained_memory("use less"):
        raise error
    assert caught.value is error


COMMAND = """
import os, signal, sys, time
from tlkit.errors import RunError
from tlkit.system import memory_limit
from tlkit.system.memory import explained_memory
memory_limit.is_command = True
print("before")
try:
    with memory_limit.limited_memory({limit}, "take more"), explained_memory("use less"):
        print(os.getpid(), flush=True)
        {work}
except RunError as error:
    sys.exit(str(error))
"""


def command(work: str, limit: int | None = 2**30) -> subprocess.Popen[str]:
    code = COMMAND.format(limit=limit, work=work)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(work: str, limit: int | None = 2**30) -> tuple[int, str, str]:
    process = command(work, limit)
    out, err = process.communicate(timeout=60)
    assert out.count("before") == 1
    return process.returncode, out, err


@linux
def test_what_is_within_the_limit_ends_as_without_it() -> None:
    for limit in (None, 2**30):
        assert ended("len(bytearray(10**8))", limit)[0] == 0
        assert ended("sys.exit(75)", limit)[0] == 75


@linux
def test_python_meets_the_limit_with_an_error() -> None:
    code, _, err = ended("bytearray(2**30)")
    assert code == 1
    assert err == "the memory is exhausted (MemoryError). The limit is 1.1 GB (--memory); use less\n"


@linux
@pytest.mark.parametrize("name", ["SIGABRT", "SIGSEGV", "SIGKILL"])
def test_a_process_that_libraries_end_is_told(name: str) -> None:
    """As C++ libraries end it that get no memory; and the system, when the machine has no more."""
    code, _, err = ended(f"os.kill(os.getpid(), signal.{name})")
    assert code == 1
    assert name in err
    assert "its limit is 1.1 GB (--memory); take more" in err


@linux
def test_signals_reach_the_child() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        process = command("signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); print(flush=True); time.sleep(60)")
        read_until(process, "before")
        for _ in range(2):
            read_until(process, "\n")
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode in (143, 128 + number)


@linux
def test_the_child_ends_with_its_parent() -> None:
    process = command("time.sleep(60)")
    assert process.stdout is not None
    assert process.stdout.readline() == "before\n"
    child = int(process.stdout.readline())
    assert child != process.pid
    process.kill()
    process.communicate(timeout=20)
    for _ in range(100):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the child goes on")


@linux
def test_within_a_process_that_has_begun_the_limit_ends_with_the_context() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    with limited_memory(2**40, "take more"):
        assert resource.getrlimit(resource.RLIMIT_DATA)[0] == memory.limit == 2**40
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert memory.limit is None


@linux
def test_the_default_is_more_than_the_machine_has_and_none_with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_limit, "_GPUS", ())
    limit = default_limit()
    assert limit is not None
    assert limit > 2**30
    monkeypatch.setattr(memory_limit, "_GPUS", ("/",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert default_limit() is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert default_limit() == limit
