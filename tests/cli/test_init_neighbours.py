"""``tlkit init`` for a folder one level too high, or one too deep; and the name of the recipe."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from command_line import tlkit_command
from PIL import Image


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def picture(file: str, high: int = 256) -> None:
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(sum(map(ord, file)))
    Image.fromarray(random.integers(0, high, (24, 24, 3) if high == 256 else (24, 24)).astype(np.uint8)).save(path)


def coco(folder: str, name: str = "instances.json") -> None:
    picture(f"{folder}/{name[0]}.png")
    image = {"id": 1, "file_name": f"{name[0]}.png", "height": 24, "width": 24}
    shape = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[2, 2, 20, 2, 20, 20]]}
    content = {"images": [image], "annotations": [shape], "categories": [{"id": 1, "name": "cat"}]}
    Path(f"{folder}/{name}").write_text(json.dumps(content))


def labelme(folder: str) -> None:
    picture(f"{folder}/b.png")
    shape = {"label": "cow", "shape_type": "polygon", "points": [[2, 2], [20, 2], [20, 20]]}
    Path(f"{folder}/b.json").write_text(json.dumps({"shapes": [shape], "imagePath": "b.png"}))


def camvid(folder: str) -> None:
    for name in "cdef":
        picture(f"{folder}/train/{name}.png")
        picture(f"{folder}/trainannot/{name}.png", high=2)


def test_a_folder_of_several_data_sets_is_refused_with_the_command_for_each():
    coco("all/zoo")
    labelme("all/farm")
    camvid("all/streets")
    picture("all/new/x.png")
    outcome = tlkit_command("init", "all")
    assert outcome.code == 2
    assert "all: this folder holds several data sets; name one of them" in outcome.err
    for name, title in (("zoo", "COCO"), ("farm", "LabelMe"), ("streets", "images and masks: 4 images")):
        assert f"tlkit init all/{name}    ({title}" in outcome.err
    assert "Other folders in it: new" in outcome.err
    assert not Path("all.toml").exists()


def test_folders_of_one_format_are_one_data_set():
    labelme("farm/summer")
    labelme("farm/winter")
    outcome = tlkit_command("init", "farm")
    assert (outcome.code, "2 images" in outcome.out) == (0, True)


@pytest.mark.parametrize("part", ["train", "trainannot"])
def test_a_part_of_a_data_set_names_the_whole(part):
    camvid("streets")
    outcome = tlkit_command("init", f"streets/{part}")
    assert outcome.code == 2
    assert f"{part} is a part of the data set in the folder above" in outcome.err
    assert "tlkit init streets." in outcome.err
    assert "tlkit init recognises" not in outcome.err


def test_a_folder_beside_a_data_set_is_not_a_part_of_it():
    labelme("farm/summer")
    for name in "xyz":
        picture(f"farm/new/{name}.png")
    outcome = tlkit_command("init", "farm/new")
    assert outcome.code == 2
    assert "is a part of" not in outcome.err


def test_one_of_several_annotation_files_says_that_others_lie_beside_it():
    coco("zoo", "a_train.json")
    coco("zoo", "b_val.json")
    outcome = tlkit_command("init", "zoo/a_train.json")
    assert outcome.code == 0
    assert "other annotations beside it are not used: b_val.json; give the folder to use all of them" in outcome.out


def test_a_misspelt_folder_or_file_names_the_similar_one():
    coco("zoo")
    for wrong, right in (("zooo", "zoo"), ("zoo/instance.json", "zoo/instances.json")):
        outcome = tlkit_command("init", wrong)
        assert outcome.code == 2
        assert f'no such folder or file; did you mean "{Path(right).absolute()}"?' in outcome.err


def test_a_recipe_is_called_as_its_file():
    camvid("streets")
    assert tlkit_command("init", "streets", "--out", "my roads.toml").code == 0
    assert tomllib.loads(Path("my roads.toml").read_text())["name"] == "my-roads"
    assert tlkit_command("init", "streets").code == 0
    assert tomllib.loads(Path("streets.toml").read_text())["name"] == "streets"
