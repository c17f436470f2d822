"""Wait for a process or a state in a test, not for ever: what never comes fails the test, and says what was seen."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

LONG = 240.0
"""Seconds that no step of a test takes, also on a busy machine."""


def wait_until(
    condition: Callable[[], Any],
    what: str,
    process: subprocess.Popen[Any] | None = None,
    *,
    seconds: float = LONG,
    every: float = 0.02,
) -> None:
    """Wait until a condition holds; fail if the process ends before, or after some time.

    Args:
        condition: what to wait for.
        what: its name in the message.
        process: the process that brings it about; it is killed if it does not.
        seconds: how long to wait at most.
        every: seconds between two looks.
    """
    end = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            if condition():
                return
            pytest.fail(f"the process ended with {process.returncode} before {what}: {_killed(process)}")
        if time.monotonic() > end:
            said = "" if process is None else f": {_killed(process)}"
            pytest.fail(f"{what} did not come within {seconds:g} s{said}")
        time.sleep(every)


def read_until(process: subprocess.Popen[Any], text: Any, *, seconds: float = LONG) -> None:
    """Read the lines of a process up to the one that has a text; fail if there is none, or none in time."""
    late = threading.Timer(seconds, process.kill)
    late.start()
    lines = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if text in line:
                return
    finally:
        late.cancel()
    pytest.fail(f"the process ended, or went on for {seconds:g} s, without {text!r}: {lines}")


def end_of(process: subprocess.Popen[Any], *, seconds: float = LONG) -> Any:
    """Wait for the end of a process, and return what it wrote to standard output; fail if it goes on."""
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        pytest.fail(f"the process went on for {seconds:g} s: {_killed(process)}")


def _killed(process: subprocess.Popen[Any]) -> str:
    """Kill a process, and return what it wrote, as far as it was not read before."""
    process.kill()
    said, errors = process.communicate()
    return f"{said!r} {errors!r}"
