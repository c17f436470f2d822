"""``tlkit check``: its output, its files and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import tlkit_command
from PIL import Image


@pytest.fixture
def photos(class_folders, write_recipe) -> Path:
    """Two classes of ten images, with an empty file and a duplicate in one of them."""
    root = class_folders({"cat": 10, "dog": 10})
    (root / "cat" / "empty.png").write_bytes(b"")
    shutil.copy(root / "cat" / "000.png", root / "cat" / "copy.png")
    write_recipe("photos.toml", name="photos", data={"name": "folder", "path": root}, schedule={"epochs": 1})
    return root


def test_a_folder_is_checked_without_a_recipe(photos):
    done = tlkit_command("check", photos)
    assert done.code == 0
    assert "22 files found = 21 used + 1 set aside + 0 left out" in done.out
    assert "cat/empty.png: the file is empty" in done.out
    assert "cat/000.png = cat/copy.png: the same bytes" in done.out


def test_findings_that_the_policy_calls_errors_end_with_1(photos, tmp_path):
    recipe = tmp_path / "photos.toml"
    assert tlkit_command("check", recipe).code == 0
    done = tlkit_command("check", recipe, "--set", "check.duplicate=error")
    assert done.code == 1
    assert done.out.index("error    copies and near-copies in one class") < done.out.index("skipped  empty files")


@pytest.mark.parametrize("target", ["nothing.toml", "nothing"])
def test_a_target_that_does_not_exist_ends_with_2(tmp_path, target):
    assert tlkit_command("check", tmp_path / target).code == 2


@pytest.mark.parametrize("verb", ["check", "inspect"])
def test_a_folder_of_a_similar_name_is_suggested_beside_a_recipe(verb, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos.toml").touch()
    done = tlkit_command(verb, tmp_path / "phots")
    assert done.code == 2
    assert f'did you mean "{tmp_path / "photos"}"?' in done.err


def test_an_unknown_policy_ends_with_2(tmp_path, photos):
    done = tlkit_command("check", tmp_path / "photos.toml", "--set", "check.empty=keep")
    assert done.code == 2
    assert "check.empty" in done.err


def test_a_folder_of_one_class_is_checked(photos):
    shutil.rmtree(photos / "dog")
    done = tlkit_command("check", photos)
    assert done.code == 1
    assert "only one class" in done.out
    assert "empty.png" in done.out


def test_a_folder_without_class_folders_is_checked_as_images(photos, tmp_path):
    done = tlkit_command("check", photos / "cat")
    assert done.code == 1
    assert "too many files that can't be used" in done.out
    assert "12 files found = 11 used + 1 set aside + 0 left out" in done.out
    assert "empty.png: the file is empty" in done.out
    assert "000.png = copy.png: the same bytes" in done.out
    assert "note     there are no class folders" in done.out


def test_classes_with_an_empty_train_folder_are_checked(photos, tmp_path):
    (tmp_path / "all" / "train").mkdir(parents=True)
    photos.rename(tmp_path / "all" / "test")
    done = tlkit_command("check", tmp_path / "all")
    assert done.code == 1
    assert "test/cat/empty.png: the file is empty" in done.out
    assert "the split can't be made" in done.out


def test_files_beside_an_unpacked_folder_are_left_out_and_counted(photos, tmp_path):
    outer = tmp_path / "download"
    (outer / "__MACOSX").mkdir(parents=True)
    photos.rename(outer / "photos")
    for name in ("__MACOSX/a", "__MACOSX/b", "photos.zip", "readme.txt"):
        (outer / name).touch()
    done = tlkit_command("check", outer)
    assert "26 files found = 21 used + 1 set aside + 4 left out" in done.out
    for name in ("__MACOSX: 2 files", "photos.zip: beside the data set", "readme.txt: beside the data set"):
        assert f"{outer / name}" in done.out


def test_files_beside_images_and_masks_are_left_out_and_counted(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / "scenes" / folder).mkdir(parents=True)
        for number in range(6):
            pixels = np.full((20, 30), 40 * number, np.uint8)
            pixels[5:15, 5:15] = 255
            Image.fromarray(pixels if folder == "images" else pixels // 255).save(
                tmp_path / "scenes" / folder / f"{number}.png"
            )
    (tmp_path / "scenes" / "classes.txt").touch()
    done = tlkit_command("check", tmp_path / "scenes")
    assert "13 files found = 12 used + 0 set aside + 1 left out" in done.out


def test_values_between_the_classes_of_smoothed_masks_are_named(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / "scenes" / folder).mkdir(parents=True)
    for number in range(6):
        pixels = np.zeros((60, 80), np.uint8)
        pixels[10:50, 10 + number : 60] = 255
        Image.fromarray(pixels).save(tmp_path / "scenes" / "images" / f"{number}.png")
        Image.fromarray(pixels).resize((70, 50)).resize((80, 60)).save(tmp_path / "scenes" / "masks" / f"{number}.png")
    done = tlkit_command("check", tmp_path / "scenes")
    assert done.code == 0
    assert "masks with values between the classes: 6  [mask_between]" in done.out
    assert "values around 0 and 255 come from smoothing or JPEG and are not classes" in done.out


def test_json_has_every_finding_and_counts_that_add_up(photos, tmp_path):
    tlkit_command("check", photos, "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    counts = found["counts"]
    assert counts == {"found": 22, "used": 21, "set_aside": 1, "left_out": 0}
    assert {(each["kind"], each["level"], each["key"]) for each in found["findings"]} == {
        ("empty", "skip", "cat/empty.png"),
        ("duplicate", "keep", "cat/000.png"),
    }
    assert found["set_aside"].keys() == {"cat/empty.png"}
    assert sum(found["splits"].values()) == 21


def test_the_page_shows_pictures_and_escapes_names(photos, tmp_path):
    (photos / "cat" / "copy.png").rename(photos / "cat" / "<script>alert(1)<script>.png")
    tlkit_command("check", photos, "--html", tmp_path / "found.html")
    page = (tmp_path / "found.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/jpeg;base64,') == 2
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_names_that_are_not_utf_8_are_escaped(photos, tmp_path):
    name = b"\xff\xfe.png".decode("utf-8", "surrogateescape")
    try:
        (photos / "cat" / "copy.png").rename(photos / "cat" / name)
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    (photos / "cat" / "empty.png").unlink()
    done = tlkit_command("check", photos, "--json", tmp_path / "a.json", "--html", tmp_path / "a.html")
    assert done.code == 0
    assert r"cat/\udcff\udcfe.png: the name is not in UTF-8" in done.out
    json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_file_that_exists_is_only_replaced_with_overwrite(photos, tmp_path, option):
    out = tmp_path / "out"
    out.write_text("mine", encoding="utf-8")
    assert tlkit_command("check", photos, option, out).code == 2
    assert out.read_text(encoding="utf-8") == "mine"
    assert tlkit_command("check", photos, option, out, "--overwrite").code == 0
    assert out.read_text(encoding="utf-8") != "mine"


def test_a_folder_of_images_and_masks_is_checked_without_a_recipe(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / "scenes" / folder).mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(6):
        image = random.integers(0, 255, (20, 30, 3)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / "scenes" / "images" / f"{number}.png")
        mask = np.zeros((20, 30 + number // 5), np.uint8)
        mask[5:15, 5:15] = 1
        Image.fromarray(mask).save(tmp_path / "scenes" / "masks" / f"{number}.png")
    done = tlkit_command("check", tmp_path / "scenes")
    assert "12 files found = 10 used + 2 set aside + 0 left out" in done.out
    assert "31 x 20 pixels, its image 30 x 20" in done.out
    assert "share of the pixels: background 83.3%, object 16.7%" in done.out


def test_a_run_prints_and_writes_the_findings(photos, tmp_path):
    overrides = ["--set", "input.image_size=32", "--set", "input.max_bad_share=0.1"]
    done = tlkit_command("run", tmp_path / "photos.toml", "--out", tmp_path / "run", *overrides)
    assert done.code == 0, done.err
    assert "Check: 22 files found = 21 used + 1 set aside + 0 left out" in done.out
    assert json.loads((tmp_path / "run" / "check.json").read_text(encoding="utf-8"))["counts"]["used"] == 21
    assert "cat/copy.png" in (tmp_path / "run" / "check.html").read_text(encoding="utf-8")


def test_a_run_stops_with_2_and_the_findings_and_leaves_nothing(photos, tmp_path):
    done = tlkit_command("run", tmp_path / "photos.toml", "--out", tmp_path / "run", "--set", "check.duplicate=error")
    assert done.code == 2
    assert "cat/000.png = cat/copy.png" in done.err
    assert not (tmp_path / "run" / "samples.csv").exists()
