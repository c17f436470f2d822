"""Whole runs on tiny data: what they write, and what they refuse."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import tlkit_command
from PIL import Image
from recipe_text import recipe_text

import tlkit
from tlkit.registry.discovery import make_registry
from tlkit.runs.profile import read_profile


@pytest.fixture(scope="module")
def trained(tmp_path_factory, registry):
    """A finished run on three classes of coloured noise."""
    root = tmp_path_factory.mktemp("tiny")
    random = np.random.default_rng(0)
    for number, label in enumerate(("blue", "green", "red")):
        (root / "photos" / label).mkdir(parents=True)
        for index in range(24):
            pixels = random.integers(0, 60, (36, 30, 3))
            pixels[..., 2 - number] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(root / "photos" / label / f"{index:02d}.png")
    recipe = root / "tiny.toml"
    text = recipe_text(
        seed=3,
        data={"name": "folder", "path": root / "photos"},
        input={"image_size": 32, "batch_size": 8, "validation": 0.25, "test": 0.2},
        backbone={"filters": [8, 16], "convs": 1},
        augment={"name": "flip"},
        schedule={"epochs": 6, "learning_rate": 0.01},
    )
    recipe.write_text(text)
    result = tlkit.run(recipe, out=root / "run", registry=registry, quiet=True)
    return root, result


def test_a_run_learns_and_writes_everything(trained):
    root, result = trained
    run = root / "run"
    names = {path.name for path in run.iterdir()}
    assert names == {
        "recipe.toml",
        "environment.json",
        "samples.csv",
        "checksums.txt",
        "metrics.csv",
        "times.csv",
        ".lock",
        "metrics.json",
        "predictions.csv",
        "freeze.csv",
        "checkpoints",
        "pictures",
        "model.keras",
        "model.tflite",
        "model.json",
        "report.html",
        "events.log",
        "check.json",
        "check.html",
    }
    assert result.metrics["test"]["accuracy"] > 0.9
    assert json.loads((run / "metrics.json").read_text()) == result.metrics


def test_a_profile_has_the_stages_of_a_run_and_their_images(registry, tmp_path, trained, capsys):
    result = tlkit.run(trained[0] / "tiny.toml", out=tmp_path / "run", registry=registry, profile=True)
    [times] = read_profile(result.folder / "profile.csv")
    stages = {each.name: each for each in times}
    assert {"starting TensorFlow", "checking files", "building the model", "saving the model"} <= stages.keys()
    assert stages["decoding images"].images == 72
    assert stages["training"].images == 6 * len(tlkit_rows(result.folder, "train"))
    printed = capsys.readouterr().out
    assert printed.startswith("Run folder: ")
    assert re.search(r"\n\nWhere the time went .*\n(  .*\n)+\nDone in", printed)
    assert "<h2>Where the time went</h2>" in (result.folder / "report.html").read_text(encoding="utf-8")
    assert "command,stage" in (result.folder / "profile.csv").read_text(encoding="utf-8")


def tlkit_rows(folder: Path, split: str) -> list[dict[str, str]]:
    with (folder / "samples.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


def test_metrics_csv_has_one_row_per_epoch(trained):
    with (trained[0] / "run" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert float(rows[-1]["val_loss"]) < float(rows[0]["val_loss"])


def test_a_loaded_run_predicts_in_a_new_process_what_the_run_predicted(trained):
    root, _ = trained
    with (root / "run" / "predictions.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["split"] == "test")
    code = (
        "import sys, tlkit\n"
        "[prediction] = tlkit.load(sys.argv[1]).predict([sys.argv[2]])\n"
        "print(prediction.label, repr(float(max(prediction.probabilities.values()))))"
    )
    image = root / "photos" / row["key"]
    done = subprocess.run(
        [sys.executable, "-c", code, str(root / "run"), str(image)], capture_output=True, text=True, check=True
    )
    label, probability = done.stdout.split()
    assert label == row["prediction"]
    assert float(probability) == pytest.approx(float(row["probability"]), rel=1e-4)


def test_a_rewritten_report_is_the_same(trained, tmp_path):
    root, _ = trained
    folder = tmp_path / "run"
    shutil.copytree(root / "run", folder)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.name != ".lock"}
    (folder / "report.html").write_text("<script>alert(1)</script>")
    (folder / "pictures" / "curves.png").unlink()
    ended = tlkit_command("report", folder)
    assert ended.code == 0, ended.err
    after = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.name != ".lock"}
    assert after == before


def test_the_same_seed_gives_the_same_split_and_weights(trained, registry):
    root, _ = trained
    tlkit.run(root / "tiny.toml", out=root / "again", registry=registry, quiet=True)
    assert (root / "again" / "samples.csv").read_bytes() == (root / "run" / "samples.csv").read_bytes()
    first, second = (tlkit.load(root / name) for name in ("run", "again"))
    image = next((root / "photos" / "red").iterdir())
    [a], [b] = first.predict([image]), second.predict([image])
    assert a.probabilities == pytest.approx(b.probabilities, abs=1e-5)


def test_a_later_run_repeats_the_split_of_a_samples_csv(trained, registry):
    root, _ = trained
    samples = root / "run" / "samples.csv"
    overrides = [f"input.samples={samples.as_posix()}", "seed=99", "schedule.epochs=1"]
    tlkit.run(root / "tiny.toml", overrides, root / "repeat", registry=registry, quiet=True)

    def splits(file: Path) -> dict[str, str]:
        with file.open(newline="") as text:
            return {row["key"]: row["split"] for row in csv.DictReader(text)}

    assert splits(root / "repeat" / "samples.csv") == splits(samples)


def test_an_existing_folder_is_never_overwritten(trained, registry):
    root, _ = trained
    before = {path: path.stat().st_mtime_ns for path in (root / "run").rglob("*")}
    with pytest.raises(tlkit.RunError, match="already exists"):
        tlkit.run(root / "tiny.toml", out=root / "run", registry=registry, quiet=True)
    assert {path: path.stat().st_mtime_ns for path in (root / "run").rglob("*")} == before


def test_a_run_that_fails_before_training_leaves_no_folder(trained, registry):
    root, _ = trained
    overrides = ["data.path=/nowhere/at/all"]
    with pytest.raises(tlkit.DataError, match="no such folder"):
        tlkit.run(root / "tiny.toml", overrides, root / "failed", registry=registry, quiet=True)
    assert not (root / "failed").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ('train.monitor="val_acc"', "train.monitor"),
        ('train.metrics=["precision_at_recall"]', "train.metrics.0"),
        ('schedule.optimizer={name="sgd", speed=2.0}', "schedule.optimizer.speed"),
        ("train.class_weights={purple=2.0}", "train.class_weights.purple"),
    ],
)
def test_problems_that_need_the_model_are_reported_before_the_first_step(trained, registry, override, message):
    root, _ = trained
    with pytest.raises(tlkit.RecipeError, match=message):
        tlkit.run(root / "tiny.toml", [override], root / "bad", registry=registry, quiet=True)
    assert not (root / "bad").exists()


def test_a_problem_found_late_has_its_line(trained, registry, tmp_path):
    root, _ = trained
    text = (root / "tiny.toml").read_text() + "[train]\nmonitor = 'val_acc'\n"
    recipe = tmp_path / "late.toml"
    recipe.write_text(text)
    line = text.splitlines().index("monitor = 'val_acc'") + 1
    with pytest.raises(tlkit.RecipeError, match=rf"late\.toml:{line}: train\.monitor"):
        tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)


def test_two_phases_freeze_and_unfreeze_the_blocks_they_name(trained, registry):
    root, _ = trained
    overrides = ['schedule={name="two_phase", head_epochs=1, finetune_epochs=1, unfreeze_from="block2"}']
    tlkit.run(root / "tiny.toml", overrides, root / "phases", registry=registry, quiet=True)
    with (root / "phases" / "freeze.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    head = {row["layer"]: row["changed"] for row in rows if row["phase"] == "head" and row["variable"] == "kernel"}
    tune = {row["layer"]: row["changed"] for row in rows if row["phase"] == "finetune" and row["variable"] == "kernel"}
    assert head["block1_conv1"] == head["block2_conv1"] == "no"
    assert tune["block1_conv1"] == "no"
    assert tune["block2_conv1"] == "yes"


def test_a_phase_that_improves_nothing_ends_with_the_weights_it_started_with(trained, registry, capsys):
    root, _ = trained
    spoils = 'schedule={name="two_phase", head_epochs=2, finetune_epochs=2, unfreeze_from="all", learning_rate=0.01, '
    spoils += 'finetune_learning_rate=5.0, finetune_optimizer="sgd"}'
    tlkit.run(root / "tiny.toml", [spoils], root / "spoilt", registry=registry)
    assert "restored the best weights: those that the phase began with (val_loss" in capsys.readouterr().out
    with (root / "spoilt" / "metrics.csv").open(newline="") as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file)]
    best = min(losses[:2])
    assert best < min(losses[2:])
    metrics = json.loads((root / "spoilt" / "metrics.json").read_text())
    assert metrics["validation"]["loss"] == pytest.approx(best, rel=1e-3)
    with (root / "spoilt" / "freeze.csv").open(newline="") as file:
        moved = {
            row["changed"] for row in csv.DictReader(file) if row["phase"] == "finetune" and row["variable"] == "kernel"
        }
    assert moved == {"yes"}


def test_an_undecodable_file_is_set_aside_and_named(trained, registry, tmp_path):
    import shutil

    root, _ = trained
    photos = tmp_path / "photos"
    shutil.copytree(root / "photos", photos)
    (photos / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    overrides = [f"data.path={photos.as_posix()}", "schedule.epochs=1"]
    tlkit.run(root / "tiny.toml", overrides, tmp_path / "run", registry=registry, quiet=True)
    with (tmp_path / "run" / "samples.csv").open(newline="") as file:
        aside = [row for row in csv.DictReader(file) if row["status"] == "set aside"]
    assert [row["key"] for row in aside] == ["red/broken.jpg"]
    assert "broken.jpg" in aside[0]["reason"]


def test_too_many_undecodable_files_stop_the_run_with_the_list(trained, registry, tmp_path):
    import shutil

    root, _ = trained
    photos = tmp_path / "photos"
    shutil.copytree(root / "photos", photos)
    for number in range(10):
        (photos / "red" / f"broken{number}.jpg").write_bytes(b"nothing")
    with pytest.raises(tlkit.DataError, match=r"(?s)10 of 82 files.*max_bad_share.*broken0\.jpg"):
        tlkit.run(
            root / "tiny.toml", [f"data.path={photos.as_posix()}"], tmp_path / "run", registry=registry, quiet=True
        )


def test_an_earlier_runs_backbone_starts_a_new_one(trained, registry):
    root, _ = trained
    overrides = [f"backbone.weights={(root / 'run').as_posix()}", 'schedule={name="frozen", epochs=1}']
    tlkit.run(root / "tiny.toml", overrides, root / "child", registry=registry, quiet=True)
    import keras

    parent, child = (keras.saving.load_model(root / name / "model.keras", compile=False) for name in ("run", "child"))
    for layer in ("block1_conv1", "block2_conv1_bn"):
        for a, b in zip(parent.get_layer(layer).get_weights(), child.get_layer(layer).get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("augment", ["none", "basic"])
def test_a_segmentation_runs_at_a_size_that_the_stride_does_not_divide(tmp_path, registry, write_recipe, augment):
    recipe = write_recipe(
        name="scenes",
        task="segmentation",
        data={"name": "digit_scenes", "count": 40, "size": 48},
        input={"image_size": [45, 50], "batch_size": 8},
        backbone={"filters": [8, 16], "convs": 1},
        head={"name": "unet", "filters": [16, 8]},
        augment={"name": augment},
        schedule={"epochs": 1},
    )
    result = tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)
    assert set(result.metrics) == {"validation"}
    assert set(result.metrics["validation"]["iou"]) == {"background", "digit"}
    image = tmp_path / "any.png"
    Image.fromarray(np.zeros((70, 61, 3), np.uint8)).save(image)
    [prediction] = tlkit.load(tmp_path / "run").predict([image])
    assert prediction.mask.shape == (70, 61)


def test_a_plugins_callbacks_and_hooks_are_called(trained, tmp_path):
    root, _ = trained
    plugin = tmp_path / "watcher.py"
    plugin.write_text(
        "import tlkit\n"
        "seen = []\n"
        "@tlkit.hookimpl\n"
        "def tlkit_callbacks(run, phase):\n"
        "    import keras\n"
        "    class Stop(keras.callbacks.Callback):\n"
        "        def on_epoch_end(self, epoch, logs):\n"
        "            seen.append((phase.name, epoch, 'val_loss' in logs))\n"
        "            self.model.stop_training = epoch == 1\n"
        "    return [Stop()]\n"
        "@tlkit.hookimpl\n"
        "def tlkit_phase_finished(run, phase, metrics):\n"
        "    (run / 'finished.txt').write_text(f'{phase.name} {seen}')\n"
        "@tlkit.hookimpl\n"
        "def tlkit_report_sections(run, result):\n"
        "    return [tlkit.ReportSection('Our <section>', 'some text')]\n"
    )
    registry = make_registry([plugin], environ={})
    tlkit.run(root / "tiny.toml", out=tmp_path / "run", registry=registry, quiet=True)
    written = (tmp_path / "run" / "finished.txt").read_text()
    assert written == "full [('full', 0, True), ('full', 1, True)]"
    assert "Our &lt;section&gt;" in (tmp_path / "run" / "report.html").read_text()


def test_a_report_is_rewritten_in_spite_of_damaged_metrics(trained):
    run = trained[0] / "run"
    before = (run / "metrics.json").read_bytes()
    (run / "metrics.json").write_text("no JSON")
    outcome = tlkit_command("report", str(run))
    assert outcome.code == 0, outcome.err
    assert (run / "metrics.json").read_bytes() == before
