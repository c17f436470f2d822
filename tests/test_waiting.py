"""What a test waits for in vain fails it in time, with what was seen."""

from __future__ import annotations

import subprocess
import sys

import pytest
from _pytest.outcomes import Failed
from waiting import end_of, read_until, wait_until


@pytest.fixture
def process():
    """A process that prints a line and goes on for a minute."""
    code = "import time; print('working', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


def test_what_does_not_come_within_the_time_is_named_with_what_was_said(process):
    with pytest.raises(Failed, match=r"the file did not come within 3 s: 'working\\n'"):
        wait_until(lambda: False, "the file", process, seconds=3)
    assert process.poll() is not None


def test_a_process_that_has_ended_is_not_waited_for(process):
    process.kill()
    with pytest.raises(Failed, match=r"the process ended with .* before the file"):
        wait_until(lambda: False, "the file", process)


def test_a_line_that_does_not_come_fails_with_the_lines_that_came(process):
    read_until(process, "work")
    with pytest.raises(Failed, match=r"without 'done': \[\]"):
        read_until(process, "done", seconds=1)


def test_a_process_that_goes_on_is_killed(process):
    with pytest.raises(Failed, match=r"the process went on for 3 s: 'working\\n'"):
        end_of(process, seconds=3)
    assert process.poll() is not None
