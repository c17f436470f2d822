"""The bits of a run do not depend on what earlier runs left in the cache of features."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys

import pytest

from tlkit.models.safe_load import load_model_file

RECIPE = {
    "backbone": {"name": "resnet", "depth": 18, "units": [1, 1, 1], "filters": [8, 16, 16], "bias": False},
    "input": {"image_size": 24, "batch_size": 40},
    "schedule": {"name": "frozen", "epochs": 2, "learning_rate": 0.01},
    "train": {"cache": "on"},
}


@pytest.fixture
def weights(tmp_path, write_recipe):
    """A function that runs the recipe in a process of its own, and returns the digest of the trained weights."""

    def run(name, *overrides, **variables):
        out = tmp_path / name
        command = [sys.executable, "-m", "tlkit", "run", write_recipe(**RECIPE), "--deterministic", "--out", out]
        command += [part for each in overrides for part in ("--set", each)]
        environ = {**os.environ, "TLKIT_CACHE": str(tmp_path / "cache"), **variables}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        digest = hashlib.sha256()
        for weight in load_model_file(out / "model.keras").weights:
            digest.update(weight.numpy().tobytes())
        return digest.hexdigest(), done.stdout

    return run


@pytest.mark.slow
def test_features_of_another_batch_size_or_number_of_threads_leave_the_same_bits(weights, tmp_path):
    alone, _ = weights("alone")
    shutil.rmtree(tmp_path / "cache")
    weights("one thread", "input.batch_size=5", TF_NUM_INTRAOP_THREADS="1")
    other, output = weights("other threads")
    assert other == alone
    assert "1 pass through the frozen part" in output
    shutil.rmtree(tmp_path / "cache")
    weights("other batches", "input.batch_size=5")
    other, output = weights("again")
    assert other == alone
    assert "an earlier run left them all" in output
