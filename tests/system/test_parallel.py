"""Work in parallel: the order of the results, errors, and what happens when nobody waits for results."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tlkit.system import parallel
from tlkit.system.parallel import in_processes, in_threads


def test_results_from_threads_come_in_the_order_of_the_parts():
    second_is_made = threading.Event()

    def make(part: int) -> int:
        if part == 0:
            assert second_is_made.wait(30)
        if part == 1:
            second_is_made.set()
        return part

    assert list(in_threads(make, range(9), name="test", ahead=1, threads=2)) == list(range(9))


@pytest.mark.parametrize(("size", "most"), [(1, 7), (50_000_000, 3), (500_000_000, 3)])
def test_fewer_large_results_wait_than_small_ones(size, most):
    consumed, ahead = 0, []

    def parts():
        for part in range(30):
            ahead.append(part + 1 - consumed)
            yield part

    for _ in in_threads(lambda part: part, parts(), name="test", ahead=3, threads=2, size=lambda _part: size):
        consumed += 1
    assert consumed == 30
    assert max(ahead) == most


def test_parts_that_nobody_waits_for_are_not_computed(monkeypatch):
    made = []
    started, stopped = threading.Event(), threading.Event()

    class Workers(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            stopped.set()
            super().shutdown(wait=wait)

    def make(part: int) -> int:
        if part == 1:
            started.set()
            assert stopped.wait(30)
        made.append(part)
        return part

    monkeypatch.setattr(parallel, "ThreadPoolExecutor", Workers)
    parts = in_threads(make, range(9), name="test", ahead=2, threads=1)
    assert next(parts) == 0
    assert started.wait(30)
    parts.close()
    assert made == [0, 1]


def double(part: int) -> tuple[int, int]:
    return 2 * part, os.getpid()


def test_results_from_processes_come_in_the_order_of_the_parts():
    made = list(in_processes(double, range(99), name="test", ahead=2))
    assert [value for value, _ in made] == [2 * part for part in range(99)]
    assert os.getpid() not in {process for _, process in made}


def strict(part: int) -> int:
    if part == 7:
        raise ValueError("seven")
    return part


def test_an_error_in_a_process_is_raised_in_the_caller():
    with pytest.raises(ValueError, match="seven"):
        list(in_processes(strict, range(99), name="test", ahead=2))


def fatal(part: int, main: int) -> tuple[int, bool]:
    here = os.getpid() == main
    if part == 40 and not here:
        os._exit(1)
    return part, here


def test_if_a_process_dies_its_parts_are_computed_in_this_one():
    made = list(in_processes(partial(fatal, main=os.getpid()), range(99), name="test", ahead=2))
    assert [part for part, _ in made] == list(range(99))
    assert made[40][1]
    assert not made[0][1]


def test_the_processes_end_with_the_iterator():
    made = in_processes(double, range(10_000), name="test", ahead=2)
    process = next(made)[1]
    os.kill(process, 0)
    made.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_script_without_a_guard_can_use_processes(tmp_path: Path):
    script = tmp_path / "script.py"
    lines = (
        "from tlkit.system.parallel import in_processes",
        "print(list(in_processes(abs, [-1], name='test', ahead=1)))",
    )
    script.write_text("\n".join(lines), encoding="utf-8")
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("[1]\n", "")
