"""``tlkit run --deterministic`` with augmentation by keras-cv, in processes of its own: determinism can't be ended."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tlkit.models.safe_load import load_model_file

QUICK = ("shift_flip", "cutmix")
OTHERS = ("flip_rotate_zoom", "color_jitter", "rand_augment", "aug_mix", "random_erasing")


@pytest.mark.parametrize("policies", [QUICK, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=["quick", "others"])
def test_policies_of_keras_cv_give_the_same_weights_twice(tmp_path, class_folders, write_recipe, policies):
    recipe = write_recipe(
        data={"name": "folder", "path": class_folders({"cat": 8, "dog": 8})},
        input={"image_size": 16, "batch_size": 4},
        augment=[{"name": name} for name in policies],
        schedule={"epochs": 1},
    )
    found = []
    for name in ("first", "second"):
        command = [sys.executable, "-m", "tlkit", "run", recipe, "--deterministic", "--out", tmp_path / name]
        environ = {**os.environ, "TLKIT_CACHE": str(tmp_path / "cache")}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found.append([each.numpy().tobytes() for each in load_model_file(tmp_path / name / "model.keras").weights])
    assert found[0] == found[1]
