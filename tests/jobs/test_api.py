"""``tlkit.evaluate``, ``tlkit.check`` and ``tlkit.compare`` on a small real run."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
from recipe_text import recipe_text

import tlkit


@pytest.fixture(scope="module")
def root(tmp_path_factory, registry):
    """A folder with a data set, its recipe, and a finished run of it."""
    from PIL import Image

    root = tmp_path_factory.mktemp("api")
    random = np.random.default_rng(0)
    for number, label in enumerate(("cat", "dog")):
        (root / "photos" / label).mkdir(parents=True)
        for index in range(16):
            pixels = random.integers(0, 60, (20, 20, 3)).astype(np.uint8)
            pixels[..., number] += 150
            Image.fromarray(pixels).save(root / "photos" / label / f"{index:02d}.png")
    text = recipe_text(
        data={"name": "folder", "path": root / "photos"},
        input={"image_size": 16, "batch_size": 8, "max_bad_share": 0.1, "validation": 0.25, "test": 0.25},
        backbone={"name": "small_cnn", "filters": [8]},
        schedule={"epochs": 2, "learning_rate": 0.01},
    )
    (root / "tiny.toml").write_text(text)
    tlkit.run(root / "tiny.toml", out=root / "run", registry=registry, quiet=True)
    return root


# evaluate -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluating_a_split_repeats_the_metrics_of_the_run(root, registry, split):
    written = json.loads((root / "run" / "metrics.json").read_text())[split]
    result = tlkit.evaluate(root / "run", split=split, registry=registry)
    assert (result.split, result.count) == (split, written["count"])
    assert result.metrics["accuracy"] == written["accuracy"]
    assert result.metrics["loss"] == pytest.approx(written["loss"], rel=1e-4)
    assert set(result.metrics) == set(written) - {"calibration"}  # its temperature is that of the validation images


def test_the_test_split_is_evaluated_by_default_with_the_installed_plugins(root):
    assert tlkit.evaluate(str(root / "run")).split == "test"


def test_other_data_is_evaluated_whole_and_a_damaged_file_is_set_aside(root, registry, tmp_path):
    shutil.copytree(root / "photos" / "dog", tmp_path / "other" / "dog")
    (tmp_path / "other" / "dog" / "broken.png").write_bytes(b"no image")
    told = []
    result = tlkit.evaluate(
        root / "run", data=tmp_path / "other", batch_size=4, registry=registry, progress=lambda *each: told.append(each)
    )
    assert (result.split, result.count) == ("data", 16)
    assert result.metrics["per_class"]["cat"]["support"] == 0
    assert [each.key for each in result.set_aside] == ["dog/broken.png"]
    assert told[-1] == ("evaluating", 16, 16)
    assert {stage for stage, _, _ in told} == {"reading images", "evaluating"}


def test_a_split_that_other_data_does_not_have_is_refused(root, registry):
    with pytest.raises(tlkit.DataError, match="the data has no test images: its images have no splits"):
        tlkit.evaluate(root / "run", data=root / "photos", split="test", registry=registry)


def test_evaluating_what_is_no_run_folder_is_a_run_error(root, registry):
    with pytest.raises(tlkit.RunError, match=r"photos: has no model\.json"):
        tlkit.evaluate(root / "photos", registry=registry)


# check --------------------------------------------------------------------------------------------------------------


def test_a_recipe_is_checked_by_its_policy(root, registry, tmp_path):
    photos = tmp_path / "photos"
    shutil.copytree(root / "photos", photos)
    shutil.copy(photos / "cat" / "00.png", photos / "cat" / "copy.png")
    overrides = [f"data.path={photos.as_posix()}"]
    result = tlkit.check(root / "tiny.toml", overrides, registry=registry)
    assert result.task == "classification"
    assert (result.report.found, result.report.used) == (33, 33)
    assert [(each.kind, each.level, each.key) for each in result.report.findings] == [
        ("duplicate", "keep", "cat/00.png")
    ]
    assert not result.report.of("error")
    result = tlkit.check(root / "tiny.toml", [*overrides, "check.duplicate=error"], registry=registry)
    assert [each.kind for each in result.report.of("error")] == ["duplicate"]


def test_a_folder_is_checked_without_a_recipe_and_progress_is_reported(root, registry, monkeypatch, tmp_path):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path))
    told = []
    result = tlkit.check(str(root / "photos"), registry=registry, progress=lambda *each: told.append(each))
    assert result.report.name == str(root / "photos")
    assert result.report.counts() == "32 files found = 32 used + 0 set aside + 0 left out"
    assert told[-1] == ("checking files", 32, 32)


def test_a_folder_without_class_folders_has_a_note(root, registry):
    result = tlkit.check(root / "photos" / "cat", registry=registry)
    assert result.notes[0].startswith("there are no class folders")


def test_a_recipe_that_does_not_exist_is_a_recipe_error(root, registry):
    with pytest.raises(tlkit.RecipeError, match="no such file"):
        tlkit.check(root / "none.toml", registry=registry)


# compare ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_runs(root, registry):
    tlkit.run(root / "tiny.toml", ["head.dropout=0.5"], root / "other", registry=registry, quiet=True)
    return [root / "run", str(root / "other")]


def test_runs_are_compared_by_metrics_recipes_and_curves(two_runs):
    result = tlkit.compare(two_runs)
    assert [run.label for run in result.runs] == ["run", "other"]
    assert result.metrics == ("loss", "accuracy")
    assert result.differences == {"head.dropout": ("0.2", "0.5")}
    written = json.loads((two_runs[0] / "metrics.json").read_text())
    assert ("test", "accuracy") in result.final
    assert result.final_values("test", "accuracy")[0] == written["test"]["accuracy"]
    assert result.curves().startswith(b"\x89PNG")
    assert result.curves("seconds", "svg").startswith(b"<?xml")
    rows = list(csv.DictReader(result.histories().splitlines()))
    assert [(row["run"], row["epoch"]) for row in rows] == [("run", "1"), ("run", "2"), ("other", "1"), ("other", "2")]


def test_a_metric_that_no_run_has_is_a_data_error(two_runs):
    with pytest.raises(tlkit.DataError, match='did you mean "accuracy"'):
        tlkit.compare(two_runs, metrics=["acuracy"])


def test_a_folder_that_is_no_run_is_a_run_error(root):
    with pytest.raises(tlkit.RunError, match="not a run folder"):
        tlkit.compare([root / "photos"])


def test_what_the_functions_return_can_not_be_changed(root, registry, two_runs):
    for result in (
        tlkit.evaluate(root / "run", registry=registry),
        tlkit.check(root / "photos", registry=registry),
        tlkit.compare(two_runs),
    ):
        name = dataclasses.fields(result)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(result, name, None)
