"""From a folder of annotations to predictions without a hand-written line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from annotated import coco, coco_annotation, coco_entry, labelme, labelme_shape, square, write_image, write_json
from command_line import tlkit_command

SIZE = (32, 40)
QUICK = ("schedule.epochs=1", "input.image_size=32", "input.batch_size=4")


def write_coco(folder: Path) -> Path:
    for split, count in (("train", 8), ("val", 4)):
        images, shapes = [], []
        for number in range(1, count + 1):
            write_image(folder / split / f"{split}{number}.png", SIZE)
            images.append(coco_entry(number, f"{split}{number}.png", SIZE))
            shapes.append(coco_annotation(number, 3 if number % 2 else 17, [square(2 + number, 3, 20)]))
        write_json(folder / "annotations" / f"instances_{split}.json", coco(images, shapes))
    return folder


def write_labelme(folder: Path) -> Path:
    for number in range(12):
        name = f"photo{number}"
        write_image(folder / f"{name}.png", SIZE)
        shape = labelme_shape("cat" if number % 2 else "dog", [[number, 2], [number + 20, 25]], "rectangle")
        content = labelme([shape], f"{name}.png", imageHeight=SIZE[0], imageWidth=SIZE[1])
        write_json(folder / f"{name}.json", content)
    return folder


def succeed(*arguments: object) -> str:
    outcome = tlkit_command(*arguments)
    assert outcome.code == 0, outcome.err
    return outcome.out


@pytest.mark.parametrize(
    ("write", "task"),
    [
        pytest.param(write_coco, "segmentation", id="coco"),
        pytest.param(write_coco, "classification", id="coco-labels"),
        pytest.param(write_labelme, "segmentation", id="labelme", marks=pytest.mark.slow),
    ],
)
def test_a_folder_becomes_a_model_and_its_predictions(tmp_path, monkeypatch, write, task):
    monkeypatch.chdir(tmp_path)
    photos = write(Path("photos"))
    printed = succeed("init", photos, "--task", task, "--backbone", "small_encoder")
    assert "cat: " in printed
    assert "12 images" in printed
    succeed("validate", "photos.toml")
    assert "nothing found" in succeed("check", "photos.toml")
    sets = [f"--set={each}" for each in QUICK]
    assert "validation: loss" in succeed("run", "photos.toml", "--out", "run", *sets)
    assert "validation" in succeed("evaluate", "run", "--split", "validation")
    other = write(Path("other"))
    assert "12 images" in succeed("evaluate", "run", "--data", other)
    if task == "segmentation":
        succeed("predict", "run", photos, "--out", "masks")
        assert len(list(Path("masks/masks").rglob("*.png"))) == 12
    else:
        succeed("predict", "run", photos, "--out", "p.csv")
        rows = list(csv.DictReader(Path("p.csv").read_text().splitlines()))
        assert len(rows) == 12
        assert {row["label"] for row in rows} <= {"cat", "dog"}
