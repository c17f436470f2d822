"""``tlkit data export``: what was read, as COCO JSON or as masks, and read again."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from command_line import tlkit_command
from PIL import Image
from recipe_text import recipe_text

from tlkit.contracts import IGNORE
from tlkit.jobs.data_export import Request, export_data
from tlkit.recipe.load import load_recipe
from tlkit.runs.samples import SampleRow, SamplesFile

SIZES = ((20, 30), (25, 18), (16, 16), (31, 12))


@pytest.fixture
def masks(tmp_path):
    """A recipe for images and masks with the values 0, 7, 9 and, for ignored pixels, 255."""
    random = np.random.default_rng(0)
    for number, size in enumerate(SIZES):
        for split in ("train", "val"):
            for folder, shape in (("images", (*size, 3)), ("masks", size)):
                pixels = random.integers(0, 256, shape, np.uint8)
                if folder == "masks":
                    pixels = random.choice([0, 7, 9, 255], size, p=[0.5, 0.2, 0.2, 0.1]).astype(np.uint8)
                file = tmp_path / "cells" / folder / split / "deep" / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(file)

    def write(*names, **more):
        data = {
            "name": "masks",
            "images": str(tmp_path / "cells" / "images"),
            "masks": str(tmp_path / "cells" / "masks"),
            "ignore": ["255"],
            "values": dict(zip(("0", "7", "9"), names, strict=True)),
            **more,
        }
        return save_recipe(tmp_path / "cells.toml", data)

    return write


def save_recipe(file, data):
    text = recipe_text(
        task="segmentation", data=data, head={"name": "fpn"}, input={"image_size": 32, "max_bad_share": 0.5}
    )
    file.write_text(text, encoding="utf-8")
    return file


def read(recipe, registry):
    """Return the classes, and key → (split, mask at its own size)."""
    from tlkit.jobs.from_recipe import open_full_size

    data = open_full_size(load_recipe(recipe, registry))
    found = data.sample_set
    return found.classes, {each.key: (data.splits[each.key], data.mask(each)) for each in found.samples}


def same(one, other):
    assert one[0] == other[0]
    assert one[1].keys() == other[1].keys()
    for key, (split, mask) in one[1].items():
        assert other[1][key][0] == split
        assert np.array_equal(other[1][key][1], mask), key


@pytest.mark.parametrize("form", ["coco", "masks"])
@pytest.mark.parametrize(
    "names", [("background", "cell", "debris"), ("ground", "cell", "debris"), ("cell", "background", "ignore")]
)
def test_what_was_written_is_read_with_the_same_pixels_classes_and_splits(masks, tmp_path, registry, form, names):
    first = masks(*names)
    result = export_data(Request(first, form, tmp_path / "out"), registry)
    assert result.counts == {"train": 4, "validation": 4}
    again = save_recipe(tmp_path / "again.toml", tomllib.loads(result.recipe)["data"])
    before = read(first, registry)
    assert before[0] == names
    same(before, read(again, registry))
    second = export_data(Request(again, form, tmp_path / "twice"), registry)
    assert second.counts == result.counts
    for file in sorted((tmp_path / "out").rglob("*.json")) + sorted((tmp_path / "out").rglob("*.png")):
        assert (tmp_path / "twice" / file.relative_to(tmp_path / "out")).read_bytes() == file.read_bytes()


def test_ignored_pixels_are_regions_of_many_objects(masks, tmp_path, registry):
    recipe = masks("background", "cell", "debris")
    export_data(Request(recipe, "coco", tmp_path / "out"), registry)
    content = json.loads((tmp_path / "out" / "annotations" / "instances_val.json").read_text())
    assert content["categories"] == [
        {"id": 1, "name": "cell"},
        {"id": 2, "name": "debris"},
        {"id": IGNORE, "name": "ignore"},
    ]
    assert {(each["category_id"] == IGNORE, each["iscrowd"]) for each in content["annotations"]} == {
        (True, 1),
        (False, 0),
    }
    assert content["images"][0] == {"id": 1, "file_name": "val/deep/0.png", "height": 20, "width": 30}


def test_masks_are_palette_images_of_class_numbers_with_a_table_of_classes(masks, tmp_path, registry):
    recipe = masks("background", "cell", "debris")
    export_data(Request(recipe, "masks", tmp_path / "out"), registry)
    with Image.open(tmp_path / "out" / "masks" / "train" / "deep" / "0.png") as image:
        assert image.mode == "P"
        assert set(np.unique(image)) <= {0, 1, 2, IGNORE}
    table = (tmp_path / "out" / "classes.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in table] == [
        ["number", "class"],
        ["0", "background"],
        ["1", "cell"],
        ["2", "debris"],
    ]


def test_images_that_a_data_set_made_are_written_too(tmp_path, registry):
    recipe = save_recipe(tmp_path / "scenes.toml", {"name": "digit_scenes", "count": 10, "size": 32})
    result = export_data(Request(recipe, "coco", tmp_path / "out"), registry)
    again = save_recipe(tmp_path / "again.toml", tomllib.loads(result.recipe)["data"])
    before, after = read(recipe, registry), read(again, registry)
    assert after[0] == before[0]
    for key, (_, mask) in before[1].items():
        assert np.array_equal(after[1][f"{key}.png"][1], mask)
    assert len(list((tmp_path / "out" / "images").rglob("*.png"))) == len(before[1])


@pytest.mark.parametrize("form", ["coco", "masks"])
def test_images_are_copied_when_asked_for(masks, tmp_path, registry, form):
    recipe = masks("background", "cell", "debris")
    result = export_data(Request(recipe, form, tmp_path / "out", images=True), registry)
    shutil.rmtree(tmp_path / "cells" / "masks" / "train")
    again = save_recipe(tmp_path / "again.toml", tomllib.loads(result.recipe)["data"])
    assert len(read(again, registry)[1]) == 8
    copy = tmp_path / "out" / "images" / "val" / "deep" / "0.png"
    assert copy.read_bytes() == (tmp_path / "cells" / "images" / "val" / "deep" / "0.png").read_bytes()


def test_the_splits_of_a_run_are_those_of_its_samples_csv(masks, tmp_path, registry):
    recipe = masks("background", "cell", "debris")
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.toml").write_text(recipe.read_text())
    rows = [SampleRow("train/deep/0.png", split="validation"), SampleRow("val/deep/1.png", split="train")]
    SamplesFile(run / "samples.csv").write(rows)
    result = export_data(Request(run, "masks", tmp_path / "out"), registry)
    assert result.counts == {"validation": 1, "train": 1}
    lines = (tmp_path / "out" / "images.csv").read_text().splitlines()
    assert [line.split(",")[::2] for line in lines[1:]] == [
        ["train/deep/0.png", "validation"],
        ["val/deep/1.png", "train"],
    ]


def test_images_and_masks_that_changed_since_the_run_are_set_aside(masks, tmp_path, registry):
    recipe = masks("background", "cell", "debris")
    run, cells = tmp_path / "run", tmp_path / "cells"
    run.mkdir()
    (run / "recipe.toml").write_text(recipe.read_text())
    keys = [f"train/deep/{number}.png" for number in range(3)]
    bytes_of = {key: (cells / "images" / key).read_bytes() + (cells / "masks" / key).read_bytes() for key in keys}
    digests = {key: f"sha256:{hashlib.sha256(content).hexdigest()}" for key, content in bytes_of.items()}
    SamplesFile(run / "samples.csv").write(SampleRow(key, split="train", digest=digests[key]) for key in keys)
    Image.fromarray(np.zeros((*SIZES[1], 3), np.uint8)).save(cells / "images" / keys[1])
    Image.fromarray(np.zeros(SIZES[2], np.uint8)).save(cells / "masks" / keys[2])
    result = export_data(Request(run, "masks", tmp_path / "out"), registry)
    assert result.counts == {"train": 1}
    assert [each.key for each in result.set_aside] == keys[1:]
    assert all("has changed since the run" in each.reason for each in result.set_aside)


def test_only_some_splits(masks, tmp_path, registry):
    recipe = masks("background", "cell", "debris")
    result = export_data(Request(recipe, "coco", tmp_path / "out", ("validation",)), registry)
    assert result.counts == {"validation": 4}
    assert [each.name for each in (tmp_path / "out" / "annotations").iterdir()] == ["instances_val.json"]


def test_nothing_is_overwritten_unless_asked(masks, tmp_path):
    recipe = masks("background", "cell", "debris")
    arguments = ["data", "export", recipe, "--out", tmp_path / "out", "--format"]
    for form in ("coco", "masks"):
        assert tlkit_command(*arguments, form).code == 0
        again = tlkit_command(*arguments, form)
        assert again.code == 2
        assert "already exists and was not changed" in again.err
        assert tlkit_command(*arguments, form, "--overwrite").code == 0


def test_the_command_prints_what_reads_it(masks, tmp_path, monkeypatch):
    recipe = masks("background", "cell", "debris")
    monkeypatch.chdir(tmp_path)
    outcome = tlkit_command("data", "export", recipe, "--format", "coco")
    assert outcome.code == 0, outcome.err
    assert "cells-coco: written: 8 masks (4 train, 4 validation)" in outcome.out
    assert tomllib.loads(outcome.out.split("A recipe reads it with")[1])["data"]["path"] == "cells-coco"


def test_a_mask_that_cannot_be_read_is_set_aside(masks, tmp_path):
    recipe = masks("background", "cell", "debris")
    text = tmp_path / "cells" / "masks" / "val" / "deep" / "0.png"
    text.write_bytes(text.read_bytes()[:40])
    outcome = tlkit_command("data", "export", recipe, "--format", "coco", "--out", tmp_path / "out")
    assert outcome.code == 0
    assert "7 masks" in outcome.out
    assert "set aside: val/deep/0.png" in outcome.err


def test_classification_is_refused(class_folders, tmp_path):
    photos = class_folders({"cat": 3, "dog": 3})
    recipe = tmp_path / "photos.toml"
    recipe.write_text(recipe_text(data={"name": "folder", "path": str(photos)}))
    outcome = tlkit_command("data", "export", recipe, "--format", "masks")
    assert outcome.code == 2
    assert "a recipe for classification has no masks to write" in outcome.err


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    outcome = tlkit_command("data", "export", tmp_path, "--format", "masks")
    assert outcome.code == 2
    assert "expected a recipe or a run folder" in outcome.err


def test_a_full_disk_is_told(masks, tmp_path, registry, monkeypatch):
    recipe = masks("background", "cell", "debris")

    def full(path: Path, content: bytes | str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("tlkit.jobs.data_export.write_atomically", full)
    outcome = tlkit_command("data", "export", recipe, "--format", "masks", "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "can't be written: the disk is full" in outcome.err
