"""Workers of a training that are killed or frozen, and commands that are stopped: it goes on to the same bytes."""

from __future__ import annotations

import os
import random
import signal
import sys
import time

import pytest
from same_runs import assert_same
from waiting import wait_until
from worker_runs import WorkerRun, finished, is_alive, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

NOTICED = 30.0
"""Seconds within which a loss must be noticed."""


def whole_run(root, epochs):
    """Train a recipe of some epochs undisturbed, by two workers; return it, and the run's folder."""
    schedule = {"epochs": epochs, "learning_rate": 0.01, "optimizer": {"name": "sgd", "momentum": 0.9}}
    recipe = write_recipe(root, schedule=schedule)
    finished(root / "whole", "run", recipe, "--out", root / "whole", "--workers", "2")
    return recipe, root / "whole"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A recipe, and the folder of its run of two workers."""
    return whole_run(tmp_path_factory.mktemp("lost"), 12)


def test_ten_losses_end_with_the_bytes_of_the_undisturbed_run(tmp_path):
    # A heartbeat comes once a second, in which a small network trains many steps: enough epochs for all ten.
    recipe, whole = whole_run(tmp_path, 100)
    draw = random.Random(os.environ.get("TLKIT_KILL_SEED", "0"))
    folder = tmp_path / "run"
    run = WorkerRun(folder, "run", recipe, "--out", folder, "--workers", "2", "--restarts", "10")
    seconds = []
    for number in range(10):
        # A step after the start at least, so that the run gets on; then at any moment.
        beats = run.wait_for_steps(draw.randint(4, 9))
        victim, how = draw.randrange(2), draw.choice([signal.SIGKILL, signal.SIGSTOP])
        os.kill(beats[victim]["pid"], how)
        began = time.monotonic()
        wait_until(lambda count=number: run.losses() > count, f"loss {number + 1}, {how.name}", run.process)
        seconds.append(time.monotonic() - began)
    said = run.end()
    assert run.process.returncode == 0, said
    print(f"noticed after {', '.join(f'{each:.1f}' for each in seconds)} s")
    assert max(seconds) <= NOTICED
    assert_same(folder, whole)


def test_without_tries_left_the_run_ends_and_can_be_resumed(undisturbed, tmp_path):
    recipe, whole = undisturbed
    folder = tmp_path / "run"
    run = WorkerRun(folder, "run", recipe, "--out", folder, "--workers", "2", "--restarts", "0")
    os.kill(run.wait_for_steps(10)[1]["pid"], signal.SIGKILL)
    said = run.end()
    assert run.process.returncode == 1, said
    assert "Error: worker 1 was lost: killed by signal 9" in said
    assert f"To continue: tlkit resume {folder}" in said
    assert "Traceback" not in said
    finished(folder, "resume", folder)
    assert_same(folder, whole)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_saves_the_state_and_says_how_to_continue(undisturbed, tmp_path, name):
    recipe, whole = undisturbed
    folder, number = tmp_path / "run", getattr(signal, name)
    run = WorkerRun(folder, "run", recipe, "--out", folder, "--workers", "2")
    beats = run.wait_for_steps(10)
    run.process.send_signal(number)
    said = run.end()
    assert run.process.returncode == 128 + number, said
    assert f"To continue: tlkit resume {folder}" in said
    assert "could not be saved" not in said
    assert "Traceback" not in said
    assert not any(is_alive(beat["pid"]) for beat in beats)
    assert "Workers: 2 train together" in finished(folder, "resume", folder)
    assert_same(folder, whole)


def test_workers_end_when_the_command_is_killed(undisturbed, tmp_path):
    recipe, whole = undisturbed
    folder = tmp_path / "run"
    run = WorkerRun(folder, "run", recipe, "--out", folder, "--workers", "2")
    beats = run.wait_for_steps(10)
    run.process.kill()
    wait_until(lambda: not any(is_alive(beat["pid"]) for beat in beats), "the end of the workers")
    run.end()
    finished(folder, "resume", folder)
    assert_same(folder, whole)


def test_the_number_of_workers_may_change_when_a_run_is_resumed(undisturbed, tmp_path):
    recipe, _ = undisturbed
    folder = tmp_path / "run"
    for command, workers in (("run", 2), ("resume", 3), ("resume", 1), ("resume", 2)):
        arguments = ["run", recipe, "--out", folder] if command == "run" else ["resume", folder]
        if workers == 2 and command == "resume":
            assert "workers 1 before, 2 now" in finished(folder, *arguments, "--workers", 2)
            break
        before = continued(folder)
        run = WorkerRun(folder, *arguments, "--workers", workers)
        if workers > 1:
            run.wait_for_steps(3, workers)
        else:
            wait_until(lambda count=before: continued(folder) > count, "its first step", run.process)
        run.process.send_signal(signal.SIGINT)
        said = run.end()
        assert run.process.returncode == 130, said
    assert (folder / "report.html").is_file()


def continued(folder):
    """Return how often a run has been continued from a checkpoint."""
    log = folder / "events.log"
    return log.read_text().count("Continuing from") if log.is_file() else 0


def test_an_error_of_one_worker_is_shown_once_and_not_tried_again(undisturbed, tmp_path):
    """Worker 1 alone finds other images: it sees another folder, as where a machine has other data."""
    recipe, _ = undisturbed
    plugin = tmp_path / "failing.py"
    plugin.write_text(
        "import json, os\nimport tlkit\n"
        "@tlkit.hookimpl\ndef tlkit_callbacks(run, phase, recipe):\n    return []\n"
        "if json.loads(os.environ.get('TF_CONFIG', '{\"task\": {\"index\": 0}}'))['task']['index'] == 1:\n"
        "    raise tlkit.DataError('the disk of this machine is empty')\n"
    )
    run = WorkerRun(tmp_path / "run", "--plugin", plugin, "run", recipe, "--out", tmp_path / "run", "--workers", "2")
    said = run.end()
    assert run.process.returncode == 2, said
    assert said.count("the disk of this machine is empty") == 1
    assert "going on from" not in said
    assert not (tmp_path / "run").exists()
