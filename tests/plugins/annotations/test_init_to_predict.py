"""From annotations to the classes of images without a hand-written line; masks are in ``tests/data_sets``."""

from __future__ import annotations

import csv
from pathlib import Path

from annotated import coco, coco_annotation, coco_entry, square, write_image, write_json
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


def succeed(*arguments: object) -> str:
    outcome = tlkit_command(*arguments)
    assert outcome.code == 0, outcome.err
    return outcome.out


def test_coco_annotations_become_a_classifier_and_its_predictions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos = write_coco(Path("photos"))
    printed = succeed("init", photos, "--task", "classification", "--backbone", "small_encoder")
    assert "cat: 4 train, 2 validation" in printed
    succeed("validate", "photos.toml")
    assert "nothing found" in succeed("check", "photos.toml")
    sets = [f"--set={each}" for each in QUICK]
    assert "validation: loss" in succeed("run", "photos.toml", "--out", "run", *sets)
    succeed("predict", "run", photos, "--out", "p.csv")
    rows = list(csv.DictReader(Path("p.csv").read_text().splitlines()))
    assert len(rows) == 12
    assert {row["label"] for row in rows} <= {"cat", "dog"}
