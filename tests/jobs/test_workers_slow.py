"""A worker of a training that is let run for a tenth of the time: said to be slow, and replaced."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from same_runs import assert_same
from waiting import wait_until
from worker_runs import WorkerRun, finished, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="needs control groups")]

_GROUPS = Path("/sys/fs/cgroup/cpu")


@pytest.fixture
def throttle() -> Iterator[Callable[[int], None]]:
    """Return what lets a process run for 10 ms of each 100."""
    group = _GROUPS / f"tlkit-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cpu.cfs_period_us").write_text("100000")
        (group / "cpu.cfs_quota_us").write_text("10000")
    except OSError as error:
        pytest.skip(f"control groups of processors can't be made here: {error}")
    yield lambda pid: (group / "cgroup.procs").write_text(str(pid)) and None
    wait_until(lambda: not (group / "cgroup.procs").read_text(), "the end of the throttled process")
    with suppress(OSError):
        group.rmdir()


@pytest.mark.parametrize("kind", ["plain", "batch_norm"])
def test_slow_worker_is_noticed_and_replaced(kind, throttle, tmp_path):
    schedule = {"name": "full", "epochs": 80, "learning_rate": 0.01, "optimizer": {"name": "sgd", "momentum": 0.9}}
    backbone = {"name": "small_cnn", "filters": [8, 16], "weights": "none"}
    if kind == "batch_norm":  # whose sums are so many that nearly all of a step's time is spent in them
        schedule["batch_norm"], backbone["name"] = "train", "small_encoder"
    recipe = write_recipe(tmp_path, input={"image_size": 32, "batch_size": 8}, backbone=backbone, schedule=schedule)
    whole, folder = tmp_path / "whole", tmp_path / "run"
    finished(whole, "run", recipe, "--out", whole, "--workers", 2)
    run = WorkerRun(folder, "run", recipe, "--out", folder, "--workers", 2)
    throttle(run.wait_for_steps(12)[1]["pid"])
    began = time.monotonic()
    wait_until(lambda: run.losses() == 1, "that it is noticed", run.process)
    took = time.monotonic() - began
    said = run.end()
    assert run.process.returncode == 0, said
    [times] = re.findall(
        r"worker 1 is slow: it computed (\d+\.\d) times as long as the others for 25 s; going on", said
    )
    print(f"{kind}: noticed after {took:.1f} s, {times} times as long")
    assert took < 45  # 30 s of training, on a machine that other work shares
    assert_same(folder, whole)
