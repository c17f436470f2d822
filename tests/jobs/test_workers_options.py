"""What the options and the recipe say of a training on workers: restarts, and deterministic operations."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest
from same_runs import assert_same
from waiting import wait_until
from worker_runs import WorkerRun, finished, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="kills a worker by its process")]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    schedule = {"epochs": 8, "learning_rate": 0.01, "optimizer": {"name": "sgd", "momentum": 0.9}}
    folder = tmp_path_factory.mktemp("options")
    return write_recipe(folder, schedule=schedule, cluster={"restarts": 0, "workers": 3})


def test_the_recipe_says_how_often_workers_are_restarted_and_the_option_wins(recipe, tmp_path):
    """``workers`` of the table is for other work: it divides no training."""
    folder = tmp_path / "run"
    run = WorkerRun(folder, "run", recipe, "--out", folder, "--workers", 2)
    os.kill(run.wait_for_steps(10)[1]["pid"], signal.SIGKILL)
    said = run.end()
    assert run.process.returncode == 1, said
    assert "Error: worker 1 was lost: killed by signal 9" in said
    assert "going on from" not in said
    run = WorkerRun(folder, "resume", folder, "--restarts", 1)
    os.kill(run.wait_for_steps(4)[1]["pid"], signal.SIGKILL)
    said = run.end()
    assert run.process.returncode == 0, said
    assert "try 1 of 1" in said
    assert "Workers: " not in finished(tmp_path / "alone", "run", recipe, "--out", tmp_path / "alone")


def test_workers_keep_to_deterministic_operations_after_a_restart(recipe, tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "run"
    finished(whole, "run", recipe, "--out", whole, "--workers", 2, "--deterministic")
    run = WorkerRun(folder, "run", recipe, "--out", folder, "--workers", 2, "--deterministic", "--restarts", 1)
    os.kill(run.wait_for_steps(10)[1]["pid"], signal.SIGKILL)
    wait_until(lambda: run.losses() == 1, "the loss", run.process)
    beats = run.wait_for_steps(4)
    run.process.send_signal(signal.SIGINT)
    said = run.end()
    assert run.process.returncode == 130, said
    assert len(beats) == 2
    assert "op_determinism" not in finished(folder, "resume", folder)
    for each in (whole, folder):
        assert json.loads((each / "environment.json").read_text())["op_determinism"] is True
    assert_same(folder, whole)
