"""``tlkit augment``."""

from __future__ import annotations

import numpy as np
import pytest
from command_line import tlkit_command
from PIL import Image

from tlkit.report.augment_sheet import label_shares


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(write_recipe, task, augment):
    data, head = ("digits", "linear") if task == "classification" else ("digit_scenes", "linear_seg")
    write_recipe(
        "sheet.toml",
        name="sheet",
        task=task,
        data={"name": data},
        input={"image_size": 32},
        head={"name": head},
        augment={"name": augment},
    )


def size(path):
    with Image.open(path) as image:
        return image.size


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_a_sheet_is_written_and_grows_with_images_and_views(write_recipe, task):
    write(write_recipe, task, "basic")
    small = tlkit_command("augment", "sheet.toml", "--images", 2, "--views", 2)
    large = tlkit_command("augment", "sheet.toml", "--images", 4, "--views", 5, "--out", "deep/large.png")
    assert (small.code, large.code) == (0, 0), small.err + large.err
    assert "basic" in small.out
    widths, heights = zip(size("sheet-augment.png"), size("deep/large.png"), strict=True)
    assert widths[1] > widths[0]
    assert heights[1] > heights[0]


def test_a_recipe_without_augmentation_is_noted(write_recipe):
    write(write_recipe, "classification", "none")
    outcome = tlkit_command("augment", "sheet.toml")
    assert outcome.code == 0
    assert "augments nothing" in outcome.out


def test_a_file_that_exists_is_only_replaced_with_overwrite(folder, write_recipe):
    write(write_recipe, "classification", "flip")
    (folder / "mine.png").write_text("mine")
    outcome = tlkit_command("augment", "sheet.toml", "--out", "mine.png")
    assert outcome.code != 0
    assert "mine.png: already exists" in outcome.err
    assert (folder / "mine.png").read_text() == "mine"
    assert tlkit_command("augment", "sheet.toml", "--out", "mine.png", "--overwrite", "--images", 1).code == 0
    assert size("mine.png")


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (1, "dog"),
        ([0.7, 0.3, 0.0], "cat 0.70 + dog 0.30"),
        ([0.0, 1.0, 1.0], "dog + bird"),
        ([0.0, 0.0, 0.0], "none"),
    ],
)
def test_labels_are_shown_as_text(label, text):
    assert label_shares(np.array(label), ("cat", "dog", "bird")) == text
