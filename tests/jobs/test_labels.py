"""``tlkit labels``: the images of a run whose labels or masks may be wrong, as a table to fill in and a page."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from command_line import tlkit_command
from PIL import Image

import tlkit

CLASSES = ("green", "red<b>", "blue")
WRONG = {3: "blue", 22: "green", 44: "red<b>"}
"""Which images of those below have another label than they should."""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """A table of 60 images in three colours, three of them with a wrong label."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    rows = []
    for number in range(60):
        pixels = random.integers(0, 80, (24, 24, 3))
        pixels[..., number % 3] += random.integers(90, 170)
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"{number:02d}.png")
        rows.append([f"{number:02d}.png", WRONG.get(number, CLASSES[number % 3])])
    with (root / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "label"], *rows])
    return root / "t.csv"


def recipe_of(table: Path, write, **changes) -> Path:
    recipe = {
        "data": {"name": "csv", "path": table},
        "input": {"image_size": 24, "batch_size": 16, "test": 0.2},
        "backbone": {"name": "small_cnn", "filters": [8, 16]},
        "schedule": {"name": "full", "epochs": 2, "learning_rate": 0.01},
    }
    return write(**{**recipe, **changes})


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


@pytest.fixture(scope="module")
def run(table, tmp_path_factory) -> Path:
    from recipe_text import recipe_text

    folder = tmp_path_factory.mktemp("run")

    def write(**changes):
        path = folder / "r.toml"
        path.write_text(recipe_text(**changes), encoding="utf-8")
        return path

    return tlkit.run(recipe_of(table, write), out=folder / "run", quiet=True).folder


def test_wrong_labels_stand_first_and_the_page_shows_them(run, tmp_path):
    outcome = tlkit_command("labels", run, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert "the backbone began without weights" in outcome.err
    rows = rows_of(tmp_path / "out" / "labels.csv")
    assert len(rows) == 60
    assert {row["decision"] for row in rows} == {""}
    assert {row["key"] for row in rows[:3]} == {f"{number:02d}.png" for number in WRONG}
    for row in rows[:3]:
        number = int(row["key"][:2])
        assert (row["label"], row["suggested"]) == (WRONG[number], CLASSES[number % 3])
        assert "likely wrong label" in row["findings"]
        assert row["nearest_label"] == CLASSES[number % 3]
        assert float(row["score"]) < 0.5 < float(row["probability"])
    page = (tmp_path / "out" / "labels.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert "red&lt;b&gt;" in page
    assert "<b>red<b>" not in page
    assert page.count("<img") >= 3 * 5
    command = f"tlkit check {run / 'recipe.toml'} --apply {tmp_path / 'out' / 'labels.csv'}"
    assert command in page
    assert command in outcome.out


def test_a_filled_table_is_never_overwritten_unasked(run, tmp_path):
    (tmp_path / "labels.csv").write_text("decision,key\nfix:a,b\n")
    outcome = tlkit_command("labels", run, "--out", tmp_path)
    assert outcome.code == 2
    assert "labels.csv: already exists and was not changed" in outcome.err
    assert (tmp_path / "labels.csv").read_text() == "decision,key\nfix:a,b\n"
    assert not (tmp_path / "labels.html").exists()
    assert tlkit_command("labels", run, "--out", tmp_path, "--overwrite").code == 0
    assert len(rows_of(tmp_path / "labels.csv")) == 60


def test_the_decisions_make_a_table_without_wrong_labels(run, tmp_path):
    tlkit_command("labels", run, "--out", tmp_path)
    rows = rows_of(tmp_path / "labels.csv")
    for row in rows[:3]:
        row["decision"] = f"fix:{row['suggested']}"
    with (tmp_path / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    outcome = tlkit_command("check", run / "recipe.toml", "--apply", tmp_path / "labels.csv")
    assert outcome.code == 0, outcome.err
    mended = {row["image"]: row["label"] for row in rows_of(tmp_path / "labels-applied.csv")}
    assert mended == {f"{number:02d}.png": CLASSES[number % 3] for number in range(60)}


def test_without_cleanlab_the_command_to_type_is_told_at_once(run, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    outcome = tlkit_command("labels", run, "--out", tmp_path)
    assert outcome.code == 2
    assert 'pip install "tlkit[labels]"' in outcome.err


def test_images_that_are_not_those_of_the_run_get_into_no_page(table, tmp_path, write_recipe):
    import shutil

    copy = tmp_path / "photos"
    shutil.copytree(table.parent, copy)
    run = tlkit.run(recipe_of(copy / "t.csv", write_recipe), out=tmp_path / "run", quiet=True).folder
    Image.new("RGB", (24, 24)).save(copy / "07.png")
    outcome = tlkit_command("labels", run)
    assert outcome.code != 0
    assert "the data has changed since the run: 07.png" in outcome.err
    assert not (run / "labels.csv").exists()


def test_in_a_cross_validation_each_image_is_judged_by_the_fold_that_did_not_train_on_it(table, write_recipe, tmp_path):
    recipe = recipe_of(table, write_recipe, schedule={"name": "full", "epochs": 8, "learning_rate": 0.02})
    outcome = tlkit_command("run", recipe, "--folds", "2", "--out", tmp_path / "folds")
    assert outcome.code == 0, outcome.err
    outcome = tlkit_command("labels", tmp_path / "folds")
    assert outcome.code == 0, outcome.err
    rows = rows_of(tmp_path / "folds" / "labels.csv")
    assert len(rows) == 60
    judged = {row["key"]: float(row["score"]) for row in rows}
    predicted = rows_of(tmp_path / "folds" / "predictions.csv")
    assert len(predicted) == 48
    for row in predicted:
        assert judged[row["key"]] == pytest.approx(np.exp(-float(row["loss"])), abs=2e-3)
    assert "2 folds that did not train on it" in (tmp_path / "folds" / "labels.html").read_text()


def test_of_several_labels_the_image_with_the_wrong_one_is_found(table, write_recipe, tmp_path):
    """The blue images also have the label dark; one lacks it."""
    rows = [[row["image"], CLASSES[int(row["image"][:2]) % 3]] for row in rows_of(table)]
    rows = [[key, f"{label}|dark" if label == "blue" and key != "05.png" else label] for key, label in rows]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "label"], *rows])
    data = {"name": "csv", "path": tmp_path / "t.csv", "root": table.parent, "separator": "|"}
    run = tlkit.run(recipe_of(table, write_recipe, data=data), out=tmp_path / "run", quiet=True).folder
    assert tlkit_command("labels", run).code == 0
    first = rows_of(run / "labels.csv")[0]
    assert (first["key"], first["label"], first["suggested"]) == ("05.png", "blue", "blue|dark")


def test_of_masks_those_are_first_that_disagree_with_the_prediction(write_recipe, tmp_path):
    random = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for number in range(30):
        pixels, mask = random.integers(0, 90, (24, 24, 3)), np.zeros((24, 24), np.uint8)
        top, left = random.integers(2, 10, 2)
        pixels[top : top + 10, left : left + 10, 0] += 160
        mask[top : top + 10, left : left + 10] = 1
        mask = 1 - mask if number == 12 else mask
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "images" / f"{number:02d}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number:02d}.png")
    data = {"name": "masks", "images": tmp_path / "images", "masks": tmp_path / "masks"}
    data |= {"values": {"0": "background", "1": "red<i>"}}
    recipe = write_recipe(
        task="segmentation",
        data=data,
        input={"image_size": 24, "batch_size": 8},
        backbone={"name": "small_cnn", "filters": [8, 16]},
        head={"name": "unet", "filters": [16, 8], "output_stride": 1},
        schedule={"name": "full", "epochs": 12, "learning_rate": 0.02},
    )
    run = tlkit.run(recipe, out=tmp_path / "run", quiet=True).folder
    outcome = tlkit_command("labels", run)
    assert outcome.code == 0, outcome.err
    assert "the model has trained on the training images" in outcome.err
    rows = rows_of(run / "labels.csv")
    assert len(rows) == 30
    assert rows[0]["key"] == "12.png"
    assert rows[0]["findings"].startswith("mask and prediction disagree; ")
    page = (run / "labels.html").read_text(encoding="utf-8")
    assert "red&lt;i&gt;" in page
    for name in ("mask", "prediction"):
        assert f'alt="{name}"' in page


def test_a_folder_that_is_no_finished_run_is_an_error(tmp_path):
    outcome = tlkit_command("labels", tmp_path)
    assert outcome.code != 0
    assert "has no model.json" in outcome.err


def test_images_that_are_no_files_are_judged_without_a_command_that_could_not_work(write_recipe, tmp_path):
    recipe = write_recipe(input={"image_size": 16}, schedule={"name": "full", "epochs": 1})
    run = tlkit.run(recipe, ["backbone.filters=[4]"], out=tmp_path / "run", quiet=True).folder
    outcome = tlkit_command("labels", run)
    assert outcome.code == 0, outcome.err
    assert "change their labels where they come from" in outcome.out
    assert "--apply" not in (run / "labels.html").read_text(encoding="utf-8")
