"""``tlkit run --gpus N``; logical devices of the processor take the place of GPUs, so it never saw a GPU here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import tlkit_command
from same_runs import weights
from waiting import LONG
from worker_runs import write_recipe

TLKIT = """
import sys
import tensorflow as tf
import tlkit.system.gpus
from tlkit.train.devices import DeviceTeam

[processor] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 3)
tlkit.system.gpus.known_gpus = lambda: None
DeviceTeam.on_gpus = classmethod(lambda team, count: team.on([f"CPU:{number}" for number in range(count)]))
from tlkit.__main__ import main
main()
"""
"""tlkit on a machine whose GPUs are three logical devices of the processor."""


def with_gpus(*arguments: object, code: int = 0) -> str:
    """Run ``tlkit ARGUMENTS`` there, and return what it said."""
    command = [sys.executable, "-c", TLKIT, *map(str, arguments)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=2 * LONG)
    assert ended.returncode == code, ended.stdout
    return ended.stdout


def recorded(folder: Path) -> object:
    return json.loads((folder / "environment.json").read_text()).get("gpus")


@pytest.mark.slow
def test_the_run_is_that_of_one_device_and_resumes_with_as_many(tmp_path):
    import numpy as np

    recipe = write_recipe(tmp_path)
    one, two = tmp_path / "one", tmp_path / "two"
    with_gpus("run", recipe, "--out", one)
    assert "GPUs: 2 train together" in with_gpus("run", recipe, "--out", two, "--gpus", 2)
    assert (recorded(one), recorded(two)) == (None, 2)
    assert {file.name for file in one.iterdir()} == {file.name for file in two.iterdir()}
    ours, theirs = ({n: np.frombuffer(b, np.uint8) for n, b in weights(each).items()} for each in (one, two))
    for name in ours:
        if ours[name].size % 4 == 0:
            np.testing.assert_allclose(ours[name].view(np.float32), theirs[name].view(np.float32), atol=1e-6)
    more = ("--set", "schedule.epochs=3")
    assert "GPUs: 2 train together" in with_gpus("resume", two, *more)
    assert recorded(two) == 2
    said = with_gpus("resume", two, "--set", "schedule.epochs=4", "--gpus", 3)
    assert "gpus 2 before, 3 now" in said
    assert recorded(two) == 3
    with_gpus("resume", two, "--set", "schedule.epochs=5", "--gpus", 1)
    assert recorded(two) is None


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_run_that_was_stopped_ends_with_the_bytes_of_one_that_was_not(tmp_path):
    """A callback of a plugin stops it within its second epoch."""
    recipe = write_recipe(tmp_path)
    whole, folder = tmp_path / "whole", tmp_path / "run"
    plugin = tmp_path / "stopping.py"
    plugin.write_text(
        "import keras, os, signal\nimport tlkit\n"
        "class Stop(keras.callbacks.Callback):\n"
        "    def on_epoch_begin(self, epoch, logs=None):\n"
        "        self.epoch = epoch\n"
        "    def on_train_batch_end(self, batch, logs=None):\n"
        "        if self.epoch == 1 and batch == 2:\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "@tlkit.hookimpl\ndef tlkit_callbacks(run, phase, recipe):\n    return [Stop()]\n"
    )
    with_gpus("run", recipe, "--out", whole, "--gpus", 2)
    with_gpus("--plugin", plugin, "run", recipe, "--out", folder, "--gpus", 2, code=128 + signal.SIGTERM)
    assert "GPUs: 2 train together" in with_gpus("resume", folder)
    assert weights(folder) == weights(whole)
    assert (folder / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--gpus", "2"], 1, "--gpus 2: TensorFlow sees 0 GPUs here; expected as many"),
        (["--gpus", "0"], 2, "0 is not in the range x>=1"),
        (["--gpus", "2", "--workers", "2"], 2, "--gpus and --workers contradict each other"),
        (["--gpus", "2", "--folds", "2"], 2, "--folds and --gpus contradict each other"),
    ],
    ids=["none here", "zero", "workers", "folds"],
)
def test_what_cannot_work_is_refused(tmp_path, options, code, message):
    outcome = tlkit_command("run", write_recipe(tmp_path), "--out", tmp_path / "run", *options)
    assert outcome.code == code
    assert message in outcome.err
    assert not (tmp_path / "run").exists()


def test_missing_gpus_are_said_before_any_image_is_looked_for(tmp_path):
    recipe = write_recipe(tmp_path)
    outcome = tlkit_command("run", recipe, "--set", "data.path=nowhere", "--out", tmp_path / "run", "--gpus", "2")
    assert outcome.code == 1
    assert "--gpus 2: TensorFlow sees 0 GPUs here" in outcome.err
