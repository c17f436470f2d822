"""How long the command line takes to start, relative to ``import click``; measured in turn in one run."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

COMMANDS = {
    "import click": ["-c", "import click"],
    "tlkit --help": ["-m", "tlkit", "--help"],
    "tlkit run --help": ["-m", "tlkit", "run", "--help"],
    "tlkit validate": ["-m", "tlkit", "validate", "pets_seg"],
}
GOALS = {"tlkit --help": 3, "tlkit validate": 8}
TURNS = 10


@pytest.mark.benchmark
def test_the_time_to_start_relative_to_importing_click():
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(TURNS):
        for name, arguments in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
            times[name].append(time.perf_counter() - began)
    base = min(times["import click"])
    for name, seconds in times.items():
        goal = f", goal {GOALS[name]}" if name in GOALS else ""
        print(f"\n{name}: {min(seconds):.3f} s, {min(seconds) / base:.2f} times import click{goal}")
