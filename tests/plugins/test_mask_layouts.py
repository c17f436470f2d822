"""The data set ``masks``: how images and masks are paired, and how its table of values is written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tlkit
from tlkit.registry.discovery import make_registry


def put(root: Path, *names: str, value: int = 0) -> None:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 6), value, np.uint8)).save(file)


def open_masks(images: Path, masks: Path, **options) -> tlkit.SampleSet:
    record = make_registry(environ={}).find(tlkit.Dataset, "masks")
    values = {"values": {"0": "ground", "1": "thing"}}
    chosen = record.options.model_validate({"images": images, "masks": masks, **values, **options})
    return record.open(tlkit.DatasetContext("segmentation", 0), chosen)


def pairs(found: tlkit.SampleSet) -> dict[str, tuple[str, str | None]]:
    return {each.key: (Path(each.mask).name, each.split) for each in found.samples}


def test_the_name_of_a_split_may_stand_above_images_and_masks(tmp_path):
    for split in ("train", "valid"):
        put(tmp_path, f"{split}/images/a.jpg", f"{split}/masks/a.png")
    found = open_masks(tmp_path / "{split}/images", tmp_path / "{split}/masks")
    assert pairs(found) == {
        "train/images/a.jpg": ("a.png", "train"),
        "valid/images/a.jpg": ("a.png", "validation"),
    }
    assert found.root == tmp_path.resolve()


def test_the_name_of_a_split_may_be_a_part_of_the_name_of_a_folder(tmp_path):
    for split in ("train", "val", "test"):
        put(tmp_path, f"{split}/b.png", f"{split}annot/b.png")
    found = open_masks(tmp_path / "{split}", tmp_path / "{split}annot")
    assert [each.split for each in found.samples] == ["test", "train", "validation"]
    assert all("annot" in str(each.mask) for each in found.samples)


def test_the_short_names_of_nnu_net_are_splits(tmp_path):
    put(tmp_path, "imagesTr/a_0000.png", "labelsTr/a.png", "imagesTs/b_0000.png", "labelsTs/b.png")
    found = open_masks(tmp_path / "images{split}", tmp_path / "labels{split}", image_suffix="_0000")
    assert [each.split for each in found.samples] == ["train", "test"]


def test_a_suffix_may_have_the_name_of_the_split(tmp_path):
    put(tmp_path, "training/images/21_training.tif", "training/1st_manual/21_manual1.gif")
    put(tmp_path, "test/images/01_test.tif", "test/1st_manual/01_manual1.gif")
    options = {"image_suffix": "_{split}", "mask_suffix": "_manual1"}
    found = open_masks(tmp_path / "{split}/images", tmp_path / "{split}/1st_manual", **options)
    assert pairs(found) == {
        "test/images/01_test.tif": ("01_manual1.gif", "test"),
        "training/images/21_training.tif": ("21_manual1.gif", "train"),
    }


def test_a_split_whose_masks_are_missing_is_set_aside(tmp_path):
    put(tmp_path, "train/a.jpg", "train_masks/a_mask.gif", "test/b.jpg")
    found = open_masks(tmp_path / "{split}", tmp_path / "{split}_masks", mask_suffix="_mask")
    assert [each.key for each in found.samples] == ["train/a.jpg"]
    assert [each.key for each in found.set_aside] == ["test/b.jpg"]


@pytest.mark.parametrize(
    ("image", "mask", "options"),
    [
        ("1_sat.jpg", "1_mask.png", {"image_suffix": "_sat", "mask_suffix": "_mask"}),
        ("img_1.png", "mask_1.png", {"image_prefix": "img_", "mask_prefix": "mask_"}),
        ("1.jpg", "1.png", {"image_suffix": ".jpg", "mask_suffix": ".png"}),
        ("1.jpg", "1_mask.png", {"mask_suffix": "_mask"}),
        ("x/image.png", "x/mask.png", {"image_suffix": "image", "mask_suffix": "mask"}),
    ],
)
def test_images_and_masks_in_one_folder_are_told_apart_by_their_names(tmp_path, image, mask, options):
    put(tmp_path, image, mask)
    found = open_masks(tmp_path, tmp_path, **options)
    assert pairs(found) == {image: (Path(mask).name, None)}
    assert found.set_aside == ()


def test_images_beside_their_folder_of_masks_are_no_masks(tmp_path):
    put(tmp_path, "a.png", "b.png", "masks/a.png", "masks/b.png")
    assert pairs(open_masks(tmp_path, tmp_path / "masks")) == {"a.png": ("a.png", None), "b.png": ("b.png", None)}


def test_splits_none_turns_the_folders_off(tmp_path):
    put(tmp_path, "train/images/a.jpg", "train/masks/a.png")
    found = open_masks(tmp_path / "{split}/images", tmp_path / "{split}/masks", splits="none")
    assert [each.split for each in found.samples] == [None]


def test_lists_decide_on_the_splits(tmp_path):
    put(tmp_path, *(f"images/{name}.jpg" for name in "abcd"), *(f"masks/{name}.png" for name in "abcd"))
    lists = tmp_path / "sets"
    lists.mkdir()
    (lists / "train.txt").write_text("a\nimages/b.jpg masks/b.png\nlost\n")
    (lists / "val.txt").write_text("\\images\\c.jpg\r\n")
    (lists / "trainval.txt").write_text("a\nb\nc\n")
    found = open_masks(tmp_path / "images", tmp_path / "masks", splits="lists", lists=lists)
    assert {each.key: each.split for each in found.samples} == {
        "a.jpg": "train",
        "b.jpg": "train",
        "c.jpg": "validation",
    }
    assert [(each.key, "in none of the lists" in each.reason) for each in found.set_aside] == [("d.jpg", True)]
    assert found.sources == (lists / "train.txt", lists / "val.txt")
    assert found.notes == ("named in train.txt and val.txt, but not found (1): lost",)


def test_an_image_in_two_lists_is_refused(tmp_path):
    put(tmp_path, "images/a.jpg", "masks/a.png")
    for name in ("train", "val"):
        (tmp_path / f"{name}.txt").write_text("a\n")
    with pytest.raises(tlkit.DataError, match=r"val\.txt: a\.jpg is also in the list of the train split"):
        open_masks(tmp_path / "images", tmp_path / "masks", splits="lists")


def test_two_masks_of_one_image_are_refused_with_the_option_that_decides(tmp_path):
    put(tmp_path, "images/a.jpg", "masks/a.png", "masks/a.gif")
    with pytest.raises(tlkit.DataError, match=r'ambiguous.*data\.mask_suffix = "\.png"'):
        open_masks(tmp_path / "images", tmp_path / "masks")
    assert pairs(open_masks(tmp_path / "images", tmp_path / "masks", mask_suffix=".png")) == {"a.jpg": ("a.png", None)}


@pytest.mark.parametrize(("mask", "what"), [("001.png", "leading zeros"), ("A1.png", "case")])
def test_a_name_that_nearly_fits_is_named_but_not_used(tmp_path, mask, what):
    image = "1.jpg" if what == "leading zeros" else "a1.jpg"
    put(tmp_path, f"images/{image}", "images/b.jpg", f"masks/{mask}", "masks/b.png")
    found = open_masks(tmp_path / "images", tmp_path / "masks")
    assert [each.key for each in found.samples] == ["b.jpg"]
    assert f"{Path(mask).stem} differs in {what} only: give both the same name" in found.set_aside[0].reason


def test_folders_of_one_split_are_enough_to_be_measured(tmp_path):
    put(tmp_path, "test/images/a.jpg", "test/masks/a.png")
    found = open_masks(tmp_path / "{split}/images", tmp_path / "{split}/masks")
    assert [each.split for each in found.samples] == ["test"]


def test_names_such_as_val2017_are_splits(tmp_path):
    for name in ("train2017", "val2017"):
        put(tmp_path, f"{name}/a.jpg", f"{name}_masks/a.png")
    found = open_masks(tmp_path / "{split}", tmp_path / "{split}_masks")
    assert [each.split for each in found.samples] == ["train", "validation"]


def test_a_template_that_no_folder_fits_is_refused_with_what_is_there(tmp_path):
    put(tmp_path, "one/images/a.jpg", "one/masks/a.png")
    with pytest.raises(tlkit.DataError, match=r"no folder fits .*with train, val or test in the place of .* has one"):
        open_masks(tmp_path / "{split}/images", tmp_path / "{split}/masks")


def test_values_may_be_negative_large_decimal_or_not_a_number(tmp_path):
    put(tmp_path, "images/a.jpg", "masks/a.png")
    values = {"-1": "hole", "200000": "thing", "0.5": "half", "2.0": "two"}
    found = open_masks(tmp_path / "images", tmp_path / "masks", values=values, ignore=("nan", "-9999", "-3.4e38"))
    assert found.mask_table is not None
    assert found.mask_table.values == {
        -1: 0,
        200000: 1,
        0.5: 2,
        2: 3,
        math.nan: tlkit.IGNORE,
        -9999: tlkit.IGNORE,
        -3.4e38: tlkit.IGNORE,
    }


def test_colours_may_be_named(tmp_path):
    put(tmp_path, "images/a.jpg", "masks/a.png")
    found = open_masks(tmp_path / "images", tmp_path / "masks", values={"black": "ground", "Red": "thing"})
    assert found.mask_table is not None
    assert found.mask_table.values == {(0, 0, 0): 0, (255, 0, 0): 1}


def test_lists_may_name_images_without_their_suffix(tmp_path):
    put(tmp_path, "1_sat.jpg", "1_mask.png", "2_sat.jpg", "2_mask.png")
    (tmp_path / "train.txt").write_text("1\n")
    (tmp_path / "test.txt").write_text("2\n")
    options = {"image_suffix": "_sat", "mask_suffix": "_mask", "splits": "lists"}
    assert {key: split for key, (_, split) in pairs(open_masks(tmp_path, tmp_path, **options)).items()} == {
        "1_sat.jpg": "train",
        "2_sat.jpg": "test",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lists": Path()}, 'data.lists: expected data.splits = "lists"'),
        ({"splits": "lists"}, "no train.txt or test.txt in"),
        ({"values": {"1": "a", "1.0": "b"}}, 'data.values: "1.0" is in the table twice, as a and as b'),
        ({"values": {"#000000": "a"}, "channel": "alpha"}, "expected the values of that channel"),
        ({"nearest": True, "other": "rest"}, "data.nearest: expected false with data.other"),
        ({"values": {"1e": "a"}}, 'received "1e"'),
    ],
)
def test_options_that_contradict_are_refused(tmp_path, options, message):
    put(tmp_path, "images/a.jpg", "masks/a.png")
    with pytest.raises(tlkit.DataError) as caught:
        open_masks(tmp_path / "images", tmp_path / "masks", **options)
    assert message in str(caught.value)


def test_masks_of_a_table_take_the_same_options(tmp_path):
    put(tmp_path, "a.png", "a-mask.png")
    (tmp_path / "t.csv").write_text("image,mask\na.png,a-mask.png\n")
    record = make_registry(environ={}).find(tlkit.Dataset, "csv")
    options = {"values": {"0": "ground", "255": "thing"}, "channel": "alpha", "nearest": True, "mask": "mask"}
    chosen = record.options.model_validate({"path": tmp_path / "t.csv", **options})
    found = record.open(tlkit.DatasetContext("segmentation", 0), chosen)
    assert found.mask_table == tlkit.MaskTable({0: 0, 255: 1}, channel="alpha", nearest=True)


def test_other_data_without_lists_is_read_without_them(tmp_path):
    put(tmp_path, "old/images/a.jpg", "old/masks/a.png", "new/images/b.jpg", "new/masks/b.png")
    (tmp_path / "old" / "train.txt").write_text("a\n")
    record = make_registry(environ={}).find(tlkit.Dataset, "masks")
    folders = {"images": tmp_path / "old" / "images", "masks": tmp_path / "old" / "masks"}
    lists = {"splits": "lists", "lists": tmp_path / "lists-elsewhere"}
    chosen = record.options.model_validate({**folders, **lists, "values": {"0": "ground", "1": "thing"}})
    moved = record.relocate(chosen, tmp_path / "new")
    found = record.open(tlkit.DatasetContext("segmentation", 0), moved)
    assert pairs(found) == {"b.jpg": ("b.png", None)}
