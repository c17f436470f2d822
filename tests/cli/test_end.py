"""A command that is done ends at once: threads and exit functions have their time, Python's own end is left out."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import atexit, os, sys, threading, time

class Module:
    def __del__(self, write=os.write):
        write(1, b"taken apart\\n")

kept = Module()
sys.modules["kept"] = kept  # as the objects of a large library

from tlkit import __main__ as tlkit

def work():
    time.sleep(0.2)
    print("thread ended", flush=True)

def command_line():
    atexit.register(print, "exit function called")
    threading.Thread(target=work).start()
    sys.exit({code})

import tlkit.cli
tlkit.cli.main = command_line
{watch}
from tlkit.__main__ import main
main()
"""


def output(code: int, watch: str = "") -> list[str]:
    text = CODE.format(code=code, watch=watch)
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == code, ended.stderr
    return ended.stdout.splitlines()


@pytest.mark.parametrize("code", [0, 3])
def test_threads_end_and_exit_functions_are_called_before_the_process_ends(code):
    assert output(code) == ["thread ended", "exit function called"]


def test_a_profiler_gets_pythons_own_end():
    assert output(0, "sys.setprofile(lambda *_: None)")[-1] == "taken apart"
