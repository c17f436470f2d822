"""Check the files of data sets, on folders with everything that people really have in them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from messy import FILES, JPEG, USED, files_below, messy_folder, picture, write_pictures
from PIL import Image
from recipe_text import recipe_text

from tlkit import DataError
from tlkit.data.checks import facts_cache, file_facts, one_file
from tlkit.data.checks.check import Checked
from tlkit.data.checks.findings import KINDS
from tlkit.data.images.image_file import MAX_PIXELS
from tlkit.jobs.from_recipe import check_data, open_data
from tlkit.recipe.check_table import CheckTable
from tlkit.recipe.input_table import InputTable
from tlkit.recipe.load import parse_recipe
from tlkit.registry import Registry
from tlkit.system.cache import checks_folder

Check = Callable[..., Checked]


def folder_recipe(path: Path, name: str = "folder", **options: str) -> str:
    return recipe_text(name="photos", data={"name": name, "path": path, **options}, input={"max_bad_share": 1.0})


def csv_recipe(path: Path, **options: str) -> str:
    return folder_recipe(path, "csv", **options)


def masks_recipe(path: Path, masks: Path | None = None) -> str:
    values = {"0": "background", "1": "object"}
    return recipe_text(
        name="masks",
        task="segmentation",
        data={"name": "masks", "images": path / "images", "masks": masks or path / "masks", "values": values},
        input={"max_bad_share": 1.0},
        head={"name": "unet"},
    )


@pytest.fixture
def check(registry: Registry) -> Check:
    """Check a folder of class folders, or of images and masks."""

    def checked(path: Path, *overrides: str, recipe: Callable[[Path], str] = folder_recipe) -> Checked:
        found = check_data(parse_recipe(recipe(path), registry, overrides))
        counts = found.report
        assert counts.found == counts.used + len(counts.set_aside) + counts.left_out
        return found

    return checked


def kinds(checked: Checked, key: str) -> set[str]:
    return {each.kind for each in checked.report.findings if key in (each.key, *each.others)}


def keys(checked: Checked, kind: str) -> list[str]:
    return [each.key for each in checked.report.findings if each.kind == kind]


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return messy_folder(tmp_path_factory.mktemp("messy") / "photos")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two class folders of ten different pictures each."""
    write_pictures(tmp_path / "photos" / "cat", 10)
    write_pictures(tmp_path / "photos" / "dog", 10, first=100)
    return tmp_path / "photos"


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a cache without facts from other tests."""
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))


# Files --------------------------------------------------------------------------------------------------------------


def test_the_messy_folder_has_at_least_35_kinds_of_bad_or_odd_files() -> None:
    assert sum(kind != USED for _, kind in FILES.values()) + 4 >= 35


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_is_used_or_reported_with_its_reason(check: Check, messy: Path, name: str) -> None:
    checked = check(messy)
    expected = FILES[name][1]
    assert kinds(checked, f"messy/{name}") == ({expected} if expected else set())
    used = {sample.key for sample in checked.samples}
    level = getattr(CheckTable(), expected, "keep")
    assert (f"messy/{name}" in used) == (level == "keep" and expected not in ("junk", "unused"))


def test_links_pipes_and_folders_named_like_images_are_reported(check: Check, messy: Path) -> None:
    checked = check(messy)
    assert kinds(checked, "messy/nowhere.jpg") == {"unused"}
    assert kinds(checked, "messy/pipe.jpg") == {"unused"}
    assert kinds(checked, "messy/folder.jpg") == {"empty_folder"}
    assert kinds(checked, "messy/again") == {"link_cycle"}


def test_every_file_is_counted_once(check: Check, messy: Path) -> None:
    report = check(messy).report
    assert report.found == files_below(messy)
    assert report.used == sum(report.splits.values())


def test_a_run_trains_on_the_files_that_are_not_set_aside(registry: Registry, messy: Path, tmp_path: Path) -> None:
    data = open_data(parse_recipe(folder_recipe(messy), registry, ["input.image_size=16"]), tmp_path)
    named = {name for name, (_, kind) in FILES.items() if kind == USED}
    assert {f"messy/{name}" for name in named} <= {sample.key for sample in data.samples}
    data.write_samples_csv(tmp_path / "samples.csv")
    rows = (tmp_path / "samples.csv").read_text(encoding="utf-8").splitlines()
    assert [row for row in rows if row.startswith("messy/cut.jpg,") and ",set aside," in row and "truncated" in row]


def test_memory_grows_by_less_than_200_mb(messy: Path) -> None:
    code = (
        "import resource, sys\n"
        "from tlkit.cli import main\n"
        "def check(folder):\n"
        "    try:\n"
        "        main(['check', folder])\n"
        "    except SystemExit:\n"
        "        pass\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "first = check(sys.argv[1] + '/good')\n"
        "print(check(sys.argv[1]) - first)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(messy)], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) < 200_000


def test_the_pixel_limit_is_an_option(check: Check, photos: Path) -> None:
    assert InputTable().max_pixels == MAX_PIXELS
    assert not keys(check(photos, "input.max_pixels=3072"), "huge")
    assert len(keys(check(photos, "input.max_pixels=3071"), "huge")) == 20


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_file_without_read_permission_is_reported(check: Check, photos: Path) -> None:
    (photos / "cat" / "000.jpg").chmod(0)
    assert keys(check(photos), "unreadable") == ["cat/000.jpg"]


def test_an_unreadable_file_is_reported(check: Check, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.read_bytes

    def read(path: Path) -> bytes:
        if path.name == "003.jpg" and path.parent.name == "cat":
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(file_facts.Path, "read_bytes", read)
    checked = check(photos)
    assert keys(checked, "unreadable") == ["cat/003.jpg"]
    assert len(checked.samples) == 19


@pytest.fixture
def table(check: Check, photos: Path) -> Callable[..., Checked]:
    """Check the photos and one more file, named by a CSV table."""

    def checked(name: str, *overrides: str) -> Checked:
        files = sorted(photos.rglob("*.jpg"))
        rows = [f"{file.relative_to(photos).as_posix()},{file.parent.name}" for file in files if file.name < "010"]
        (photos / "table.csv").write_text("\n".join(["image,label", *rows, f"{name},cat"]), encoding="utf-8")
        return check(photos / "table.csv", *overrides, recipe=csv_recipe)

    return checked


def test_a_pipe_in_a_table_is_reported_once_and_never_opened(
    table: Callable[..., Checked], photos: Path, registry: Registry, tmp_path: Path
) -> None:
    os.mkfifo(photos / "cat" / "pipe.jpg")
    checked = table("cat/pipe.jpg")
    found = [each for each in checked.report.findings if each.key == "cat/pipe.jpg"]
    assert [(each.kind, each.detail) for each in found] == [
        ("unreadable", "can't be read: it is neither a file nor a folder")
    ]
    assert checked.report.found == files_below(photos) == 22
    recipe = csv_recipe(photos / "table.csv")
    overrides = ["check.before_run=false", "input.image_size=16"]
    assert len(open_data(parse_recipe(recipe, registry, overrides), tmp_path).samples) == 20


def test_a_file_with_more_bytes_than_its_pixels_could_need_is_not_read(
    table: Callable[..., Checked], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (photos / "cat" / "big.tif").open("wb") as file:
        file.truncate(200 * 10**9)  # A sparse file takes no disk space.
    whole = Path.read_bytes
    monkeypatch.setattr(file_facts.Path, "read_bytes", lambda path: path.suffix != ".tif" and whole(path))
    (found,) = [each for each in table("cat/big.tif").report.findings if each.kind == "huge"]
    assert (found.key, found.detail) == (
        "cat/big.tif",
        f"too large: 200000000000 bytes, at most {8 * MAX_PIXELS} are read",
    )
    (found,) = [each for each in table("cat/big.tif", "input.max_pixels=5000").report.findings if each.kind == "huge"]
    assert found.detail.endswith(f"at most {2**30} are read")


# Folders ------------------------------------------------------------------------------------------------------------


def test_a_good_folder_has_no_findings(check: Check, photos: Path) -> None:
    report = check(photos).report
    assert report.findings == ()
    assert (report.found, report.used, report.splits) == (20, 20, {"train": 16, "validation": 4})


def test_an_empty_class_folder_is_reported_and_is_not_a_class(check: Check, photos: Path) -> None:
    (photos / "bird").mkdir()
    assert keys(check(photos), "empty_folder") == ["bird"]


def test_a_class_folder_without_images_is_reported_with_its_number_of_files(check: Check, photos: Path) -> None:
    (photos / "bird").mkdir()
    (photos / "bird" / "a.txt").write_text("x", encoding="utf-8")
    found = [each for each in check(photos).report.findings if each.kind == "empty_folder"]
    assert [(each.key, "is used: 1" in each.detail) for each in found] == [("bird", True)]


@pytest.mark.parametrize("junk", ["__MACOSX", ".ipynb_checkpoints", ".git"])
def test_junk_folders_are_not_classes(check: Check, photos: Path, junk: str) -> None:
    write_pictures(photos / junk, 3, first=500)
    report = check(photos).report
    assert [(each.kind, each.key, each.detail) for each in report.findings] == [("junk", junk, "3 files")]
    assert (report.found, report.left_out) == (23, 3)


def test_a_single_class_is_an_error(check: Check, photos: Path) -> None:
    shutil.rmtree(photos / "dog")
    assert [each.kind for each in check(photos).report.of("error")] == ["one_class"]


def test_no_image_at_all_is_an_error(check: Check, tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    assert [each.kind for each in check(tmp_path / "photos").report.of("error")] == ["no_images"]


def test_a_class_folder_that_is_a_link_to_another_is_an_error(check: Check, photos: Path) -> None:
    (photos / "wolf").symlink_to(photos / "dog")
    checked = check(photos)
    assert [(each.kind, each.key) for each in checked.report.of("error")] == [("linked_folder", "wolf")]
    with pytest.raises(DataError, match="wolf: points to dog; images reached through it: 10"):
        checked.raise_errors()


def test_images_reached_through_a_link_can_be_set_aside(check: Check, photos: Path) -> None:
    (photos / "wolf").symlink_to(photos / "dog")
    checked = check(photos, "check.linked_folder=skip")
    assert {sample.key.split("/")[0] for sample in checked.samples} == {"cat", "dog"}
    assert checked.report.found == 20
    assert not keys(checked, "conflict")


def test_a_class_folder_may_be_a_link_to_a_folder_elsewhere(check: Check, photos: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path / "elsewhere", 10, first=700)
    (photos / "wolf").symlink_to(tmp_path / "elsewhere")
    report = check(photos).report
    assert (report.findings, report.found) == ((), 30)


def test_a_link_to_the_folder_above_does_not_multiply_images(check: Check, photos: Path) -> None:
    (photos / "cat" / "loop").symlink_to(photos)
    checked = check(photos)
    assert keys(checked, "link_cycle") == ["cat/loop"]
    assert len(checked.samples) == checked.report.found == 20


def test_nested_folders_belong_to_their_class(check: Check, photos: Path) -> None:
    write_pictures(photos / "cat" / "more" / "still more", 3, first=300)
    report = check(photos).report
    assert (report.findings, report.used) == ((), 23)


def test_a_link_to_the_root_is_reported_and_not_followed(check: Check, photos: Path) -> None:
    (photos / "cat" / "root").symlink_to("/")
    checked = check(photos)
    assert keys(checked, "link_cycle") == ["cat/root"]
    assert len(checked.samples) == checked.report.found == 20


def test_images_beside_the_class_folders_get_no_advice_to_rename_them(check: Check, photos: Path) -> None:
    write_pictures(photos, 1, first=300)
    assert [each.detail for each in check(photos).report.findings if each.kind == "unused"] == [""]


def test_images_beside_the_class_folders_are_reported(check: Check, photos: Path) -> None:
    write_pictures(photos, 2, first=300)
    report = check(photos).report
    assert (keys(check(photos), "unused"), report.left_out) == (["000.jpg", "001.jpg"], 2)


def test_a_folder_beside_train_is_reported(check: Check, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    photos.rename(tmp_path / "all" / "train")
    write_pictures(tmp_path / "all" / "raw", 2, first=300)
    report = check(tmp_path / "all").report
    assert [each.key for each in report.findings if each.kind == "empty_folder"] == ["raw"]
    assert report.found == files_below(tmp_path / "all")


def test_a_class_with_too_few_images_for_the_split_is_reported(check: Check, photos: Path) -> None:
    write_pictures(photos / "rare", 1, first=300)
    assert keys(check(photos), "too_few") == ["rare"]


def test_a_class_that_only_the_test_folder_has_is_reported(check: Check, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    photos.rename(tmp_path / "all" / "train")
    for number, name in enumerate(("cat", "dog", "wolf")):
        write_pictures(tmp_path / "all" / "test" / name, 3, first=300 + 10 * number)
    (found,) = check(tmp_path / "all").report.of("error")
    assert (found.kind, found.key) == ("untrained_class", "wolf")
    assert found.detail.startswith("3 test images, such as test/wolf/000.jpg, but no training image")
    skipped = check(tmp_path / "all", "check.untrained_class=skip")
    assert not skipped.report.of("error")
    assert not [sample for sample in skipped.samples if "wolf" in sample.key]


def test_labels_of_a_table_that_differ_only_in_case_are_an_error(check: Check, photos: Path) -> None:
    rows = [f"{file.relative_to(photos).as_posix()},{file.parent.name}" for file in sorted(photos.rglob("*.jpg"))]
    text = "\n".join(["image,label", *rows]).replace("009.jpg,dog", "009.jpg,Dog")
    (photos / "table.csv").write_text(text, encoding="utf-8")
    (found,) = check(photos / "table.csv", recipe=csv_recipe).report.of("error")
    assert (found.kind, found.key) == ("similar_classes", "Dog")
    assert 'and "dog" (' in found.detail
    assert "differ only in upper and lower case" in found.detail
    assert not check(photos / "table.csv", "check.similar_classes=keep", recipe=csv_recipe).report.of("error")


def test_many_classes_that_a_split_lacks_are_one_finding(check: Check, photos: Path) -> None:
    for number in range(12):
        write_pictures(photos / f"rare{number:02d}", 1, first=300 + number)
    found = [each for each in check(photos).report.findings if each.kind == "too_few"]
    assert [each.key for each in found] == ["12 of 14 classes"]
    assert found[0].detail.startswith("none in validation: rare00, rare01")


def test_classes_of_very_different_size_are_reported(check: Check, photos: Path) -> None:
    write_pictures(photos / "rare", 3, first=300)
    assert not keys(check(photos), "imbalance")
    assert keys(check(photos, "check.imbalance_ratio=2"), "imbalance") == ["rare"]


def test_an_impossible_split_is_an_error_that_names_the_option(check: Check, photos: Path) -> None:
    (error,) = check(photos, "input.validation=20").report.of("error")
    assert error.kind == "split"
    assert "input.validation = 20 leaves nothing to train on" in error.detail


# What remains -------------------------------------------------------------------------------------------------------

NO_CHECK = "check.before_run=false"


def errors(checked: Checked) -> list[tuple[str, str]]:
    return [(each.kind, each.detail) for each in checked.report.of("error")]


def refusal(
    registry: Registry, path: Path, store: Path, *overrides: str, recipe: Callable[[Path], str] = folder_recipe
) -> str:
    """Return the message of a run that is refused."""
    with pytest.raises(DataError) as found:
        open_data(parse_recipe(recipe(path), registry, overrides), store)
    return str(found.value)


def test_two_classes_of_which_one_is_unusable_are_a_single_class(
    check: Check, registry: Registry, photos: Path, tmp_path: Path
) -> None:
    for file in (photos / "dog").iterdir():
        file.write_bytes(b"")
    assert errors(check(photos)) == [("one_class", "cat; no image of dog can be used")]
    assert "no image of dog can be used" in refusal(registry, photos, tmp_path)
    assert "only one class is left: cat" in refusal(registry, photos, tmp_path, NO_CHECK)


@pytest.mark.parametrize("before_run", ["true", "false"])
def test_a_class_without_usable_images_is_left_out(
    check: Check, registry: Registry, photos: Path, tmp_path: Path, before_run: str
) -> None:
    write_pictures(photos / "bird", 1)
    (photos / "bird" / "000.jpg").write_bytes(b"")
    assert errors(check(photos)) == [("lost_class", "its only image can't be used")]
    overrides = ["input.image_size=16", f"check.before_run={before_run}", "check.lost_class=keep"]
    checked = check(photos, *overrides)
    assert (errors(checked), keys(checked, "lost_class"), list(checked.report.classes)) == (
        [],
        ["bird"],
        ["cat", "dog"],
    )
    data = open_data(parse_recipe(folder_recipe(photos), registry, overrides), tmp_path)
    assert (data.classes, data.label_kind) == (("cat", "dog"), "binary")
    assert data.labels is not None
    assert [int(label) for label in data.labels] == [int(sample.key.startswith("dog")) for sample in data.samples]
    assert [sample.label for sample in data.samples] == data.labels.tolist()


def test_a_policy_that_leaves_no_image_is_an_error(
    check: Check, registry: Registry, photos: Path, tmp_path: Path
) -> None:
    shutil.rmtree(photos / "dog")
    shutil.copytree(photos / "cat", photos / "dog")
    ((kind, detail),) = errors(check(photos, "check.conflict=skip"))
    assert kind == "no_images"
    assert detail.startswith(
        "none of 20 images can be used, such as cat/000.jpg: copies and near-copies in several classes or"
    )
    assert "none of 20 images can be used" in refusal(registry, photos, tmp_path, "check.conflict=skip")


def test_a_policy_that_leaves_no_training_image_is_an_error(
    check: Check, registry: Registry, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "all").mkdir()
    photos.rename(tmp_path / "all" / "train")
    shutil.copytree(tmp_path / "all" / "train", tmp_path / "all" / "test")
    overrides = ["check.leak=skip", "input.validation=0"]
    assert errors(check(tmp_path / "all", *overrides)) == [("split", "no image is left to train on")]
    assert "no image is left to train on" in refusal(registry, tmp_path / "all", tmp_path, *overrides)


def test_training_images_of_a_single_class_are_an_error(
    check: Check, registry: Registry, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "all" / "test").mkdir(parents=True)
    photos.rename(tmp_path / "all" / "train")
    (tmp_path / "all" / "train" / "dog").rename(tmp_path / "all" / "test" / "dog")
    assert errors(check(tmp_path / "all")) == [("one_class", "all training images are of cat")]
    assert "all training images are of one class: cat" in refusal(registry, tmp_path / "all", tmp_path, NO_CHECK)


def test_more_bad_files_than_allowed_are_an_error(check: Check, photos: Path) -> None:
    for number in range(4):
        (photos / "cat" / f"{number:03d}.jpg").write_bytes(b"")
    most = "input.max_bad_share = 15.0%"
    assert errors(check(photos, "input.max_bad_share=0.2")) == []
    assert errors(check(photos, "input.max_bad_share=0.15")) == [
        ("bad_share", f"4 of 20 files (20.0%), more than {most} allows")
    ]


# Names --------------------------------------------------------------------------------------------------------------


def renamed(file: Path, name: bytes) -> None:
    try:
        file.rename(file.parent / os.fsdecode(name))
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")


@pytest.mark.parametrize("before_run", ["true", "false"])
def test_files_and_folders_with_names_that_are_not_utf_8_are_set_aside(
    check: Check, registry: Registry, photos: Path, tmp_path: Path, before_run: str
) -> None:
    write_pictures(photos / "bird", 1)
    renamed(photos / "bird", b"caf\xe9")
    renamed(photos / "cat" / "003.jpg", b"caf\xe9.jpg")
    checked = check(photos)
    assert keys(checked, "bad_name") == [os.fsdecode(each) for each in (b"caf\xe9/000.jpg", b"cat/caf\xe9.jpg")]
    assert any(r"cat/caf\udce9.jpg: the name is not in UTF-8" in line for line in checked.report.lines())
    overrides = ["input.image_size=16", f"check.before_run={before_run}", "check.lost_class=keep"]
    data = open_data(parse_recipe(folder_recipe(photos), registry, overrides), tmp_path)
    assert data.classes == ("cat", "dog")
    data.write_samples_csv(tmp_path / "samples.csv")
    text = (tmp_path / "samples.csv").read_text(encoding="utf-8")
    assert r"cat/caf\udce9.jpg,,,,,,,,,,set aside,the name is not in UTF-8" in text
    again = open_data(
        parse_recipe(folder_recipe(photos), registry, [*overrides, f"input.samples={tmp_path}/samples.csv"]),
        tmp_path,
    )
    assert again.splits.tolist() == data.splits.tolist()


def test_a_name_with_a_line_break_stays_on_one_line(check: Check, photos: Path) -> None:
    shutil.copy(photos / "cat" / "000.jpg", photos / "cat" / "new\nline\x1b[1m.jpg")
    assert any(r"cat/000.jpg = cat/new\nline\x1b[1m.jpg: the same" in line for line in check(photos).report.lines())


# An earlier run's samples.csv ---------------------------------------------------------------------------------------


@pytest.fixture
def lock(registry: Registry, photos: Path, tmp_path: Path) -> str:
    """An override that repeats the split of a run on ``photos``."""
    recipe = parse_recipe(folder_recipe(photos), registry, ["input.image_size=16"])
    open_data(recipe, tmp_path).write_samples_csv(tmp_path / "samples.csv")
    return f"input.samples={tmp_path / 'samples.csv'}"


def test_files_of_samples_csv_that_are_missing_or_set_aside_are_reported(check: Check, photos: Path, lock: str) -> None:
    assert errors(check(photos, lock)) == []
    (photos / "cat" / "000.jpg").write_bytes(b"")
    (photos / "dog" / "001.jpg").unlink()
    ((kind, detail),) = errors(check(photos, lock))
    assert kind == "split"
    assert "not there (1): dog/001.jpg" in detail
    assert re.search(r"set aside \(1\): cat/000\.jpg \(.*the file is empty\)", detail)


def test_files_that_changed_since_samples_csv_are_reported(check: Check, photos: Path, lock: str) -> None:
    (photos / "cat" / "000.jpg").write_bytes(JPEG(999))
    assert any("changed since" in note and "cat/000.jpg" in note for note in check(photos, lock).notes)


def test_a_file_that_samples_csv_lacks_causes_no_conflict(
    check: Check, registry: Registry, photos: Path, tmp_path: Path, lock: str
) -> None:
    shutil.copy(photos / "cat" / "000.jpg", photos / "dog" / "new.jpg")
    checked = check(photos, lock, "check.conflict=skip")
    assert (checked.set_aside, keys(checked, "conflict"), errors(checked)) == ((), [], [])
    recipe = parse_recipe(folder_recipe(photos), registry, [lock, "check.conflict=skip", "input.image_size=16"])
    assert Counter(open_data(recipe, tmp_path).splits.tolist()) == {"train": 16, "validation": 4, "left out": 1}


def test_a_new_class_is_left_out_and_does_not_renumber_the_others(
    check: Check, registry: Registry, photos: Path, tmp_path: Path, lock: str
) -> None:
    write_pictures(photos / "aardvark", 3, first=500)
    checked = check(photos, lock)
    assert [each.kind for each in checked.report.findings if each.key == "aardvark/000.jpg"] == ["unused"]
    data = open_data(parse_recipe(folder_recipe(photos), registry, [lock, "input.image_size=16"]), tmp_path)
    assert (data.classes, len(data.samples)) == (("cat", "dog"), 20)


def test_labels_that_differ_from_samples_csv_are_refused(
    check: Check, registry: Registry, photos: Path, tmp_path: Path
) -> None:
    files = sorted(each.relative_to(photos).as_posix() for each in photos.rglob("*.jpg"))

    def write(labels: list[str]) -> None:
        rows = [f"{file},{label}" for file, label in zip(files, labels, strict=True)]
        (photos / "table.csv").write_text("\n".join(["image,label", *rows]), encoding="utf-8")

    write(["cat"] * 10 + ["dog"] * 10)
    made = open_data(parse_recipe(csv_recipe(photos / "table.csv"), registry, ["input.image_size=16"]), tmp_path)
    made.write_samples_csv(tmp_path / "samples.csv")
    lock = f"input.samples={tmp_path / 'samples.csv'}"
    write(["cat"] * 9 + ["dog"] * 11)
    ((_, detail),) = errors(check(photos / "table.csv", lock, recipe=csv_recipe))
    assert "(1): cat/009.jpg (recorded as cat, now dog)" in detail
    assert "cat/009.jpg (recorded" in refusal(
        registry, photos / "table.csv", tmp_path, lock, NO_CHECK, recipe=csv_recipe
    )


# Pictures -----------------------------------------------------------------------------------------------------------


def copy_smaller(source: Path, target: Path) -> None:
    """Write the same picture, scaled and compressed again."""
    with Image.open(source) as image:
        image.resize((50, 50)).save(target, quality=80)


def test_a_copy_with_the_same_bytes_is_found(check: Check, photos: Path) -> None:
    shutil.copy(photos / "cat" / "000.jpg", photos / "cat" / "copy.jpg")
    (found,) = check(photos).report.findings
    assert (found.kind, found.key, found.others, found.detail) == (
        "duplicate",
        "cat/000.jpg",
        ("cat/copy.jpg",),
        "the same bytes",
    )


def test_a_smaller_copy_is_found(check: Check, photos: Path) -> None:
    copy_smaller(photos / "cat" / "000.jpg", photos / "cat" / "copy.jpg")
    (found,) = check(photos).report.findings
    assert (found.kind, found.others, found.detail) == ("duplicate", ("cat/copy.jpg",), "near-copies")


def test_skip_keeps_the_first_of_several_copies(check: Check, photos: Path) -> None:
    shutil.copy(photos / "cat" / "000.jpg", photos / "cat" / "copy.jpg")
    checked = check(photos, "check.duplicate=skip")
    assert [each.key for each in checked.set_aside] == ["cat/copy.jpg"]


def test_a_picture_in_two_classes_is_a_conflict_and_skip_sets_both_aside(check: Check, photos: Path) -> None:
    copy_smaller(photos / "cat" / "000.jpg", photos / "dog" / "copy.jpg")
    assert keys(check(photos), "conflict") == ["cat/000.jpg"]
    checked = check(photos, "check.conflict=skip")
    assert {each.key for each in checked.set_aside} == {"cat/000.jpg", "dog/copy.jpg"}


@pytest.fixture
def leaking(photos: Path, tmp_path: Path) -> Path:
    """Train and test folders, with a copy of a training image in the test folder."""
    (tmp_path / "all").mkdir()
    photos.rename(tmp_path / "all" / "train")
    for number, name in enumerate(("cat", "dog")):
        write_pictures(tmp_path / "all" / "test" / name, 3, first=300 + 10 * number)
    copy_smaller(tmp_path / "all" / "train" / "cat" / "000.jpg", tmp_path / "all" / "test" / "cat" / "copy.jpg")
    return tmp_path / "all"


def test_a_picture_in_train_and_test_is_a_leak(check: Check, leaking: Path) -> None:
    (found,) = check(leaking, "input.validation=0").report.findings
    assert (found.kind, found.key, found.others) == ("leak", "train/cat/000.jpg", ("test/cat/copy.jpg",))


def test_skip_removes_a_leak_from_the_training_images(check: Check, leaking: Path) -> None:
    checked = check(leaking, "check.leak=skip")
    assert [each.key for each in checked.set_aside] == ["train/cat/000.jpg"]
    assert checked.splits["test/cat/copy.jpg"] == "test"


def test_an_error_stops_a_run_with_the_list(registry: Registry, leaking: Path, tmp_path: Path) -> None:
    recipe = parse_recipe(folder_recipe(leaking), registry, ["check.leak=error"])
    with pytest.raises(DataError, match=r"train/cat/000\.jpg ≈ test/cat/copy\.jpg"):
        open_data(recipe, tmp_path)


def test_pictures_of_one_colour_are_not_copies_of_each_other(check: Check, photos: Path) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (40, 40), (9, 9, 9)).save(photos / "cat" / f"{name}.png")
    assert Counter(each.kind for each in check(photos).report.findings) == {"constant": 2}


@pytest.mark.parametrize("seed", range(5))
def test_copies_stay_in_the_same_split(check: Check, photos: Path, seed: int) -> None:
    for number in range(10):
        for name in ("cat", "dog"):
            copy_smaller(photos / name / f"{number:03d}.jpg", photos / name / f"copy{number}.jpg")
    checked = check(photos, f"seed={seed}", "input.validation=0.3", "input.test=0.3")
    assert not keys(checked, "leak")
    assert checked.groups["cat/000.jpg"] == checked.groups["cat/copy0.jpg"] == "picture of cat/000.jpg"
    apart = check(photos, f"seed={seed}", "input.validation=0.3", "input.test=0.3", "check.group_duplicates=false")
    assert keys(apart, "leak")


@pytest.mark.parametrize("seed", range(3))
def test_a_split_size_in_images_counts_the_copies(check: Check, photos: Path, seed: int) -> None:
    for name in ("cat", "dog"):
        for number in range(3):
            for copy in range(9):
                shutil.copy(photos / name / f"{number:03d}.jpg", photos / name / f"copy{number}_{copy}.jpg")
    checked = check(photos, f"seed={seed}", "input.validation=14")
    assert checked.report.splits == {"train": 60, "validation": 14}
    assert checked.report.classes["cat"]["validation"] == 7
    assert not keys(checked, "leak")


def test_groups_that_share_a_picture_are_merged(check: Check, photos: Path) -> None:
    for number in range(10):
        (photos / "cat" / f"{number:03d}.jpg").rename(photos / "cat" / f"g{number // 2}_{number}.jpg")
        (photos / "dog" / f"{number:03d}.jpg").rename(photos / "dog" / f"h{number // 2}_{number}.jpg")
    copy_smaller(photos / "cat" / "g0_0.jpg", photos / "cat" / "g4_99.jpg")
    checked = check(photos, 'input.group_pattern="/(.[0-9])_"', "input.validation=0.3")
    joined = {sample.key for sample in checked.samples if checked.groups[sample.key] == "g0"}
    assert joined == {"cat/g0_0.jpg", "cat/g0_1.jpg", "cat/g4_8.jpg", "cat/g4_9.jpg", "cat/g4_99.jpg"}
    assert len({checked.splits[key] for key in joined}) == 1


def test_a_copy_without_a_split_follows_the_one_with_an_official_split(
    check: Check, photos: Path, tmp_path: Path
) -> None:
    copy_smaller(photos / "cat" / "000.jpg", photos / "cat" / "copy.jpg")
    rows = ["image,label,split"]
    for file in sorted(photos.rglob("*.jpg")):
        side = "test" if file.name in ("copy.jpg", "009.jpg") else ""
        rows.append(f"{file.relative_to(photos).as_posix()},{file.parent.name},{side}")
    (photos / "table.csv").write_text("\n".join(rows), encoding="utf-8")
    checked = check(photos / "table.csv", recipe=partial(csv_recipe, split="split"))
    assert checked.splits["cat/000.jpg"] == "test"
    assert not keys(checked, "leak")


# Masks --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Ten images with masks of 0 and 1."""
    root = tmp_path / "scenes"
    write_pictures(root / "images", 10)
    (root / "masks").mkdir()
    for number in range(10):
        write_mask(root, number, lambda values: values)
    return root


def write_mask(root: Path, number: int, change: Callable[[np.ndarray], np.ndarray]) -> None:
    values = np.zeros((48, 64), np.uint8)
    values[10:30, 5 + number : 40] = 1
    Image.fromarray(change(values)).save(root / "masks" / f"{number:03d}.png")


def test_a_rotated_tiff_has_the_size_of_its_mask(check: Check, masks: Path) -> None:
    (masks / "images" / "004.jpg").unlink()
    stored = picture(4).transpose(Image.Transpose.ROTATE_90)
    stored.save(masks / "images" / "004.tif", tiffinfo={0x0112: 6})
    checked = check(masks, recipe=masks_recipe)
    assert checked.report.findings == ()
    assert len(checked.samples) == 10


def test_good_masks_have_no_findings(check: Check, masks: Path) -> None:
    report = check(masks, recipe=masks_recipe).report
    assert (report.findings, report.found, report.used) == ((), 20, 20)
    shares = [values["pixels"] for values in report.classes.values()]
    assert sum(shares) == pytest.approx(1)
    expected = np.mean([20 * (35 - number) / (48 * 64) for number in range(10)])
    assert report.classes["object"]["pixels"] == pytest.approx(expected)


def test_pixel_shares_count_only_the_masks_that_are_used(check: Check, masks: Path) -> None:
    write_mask(masks, 4, lambda values: values * 0 + 1)
    shares = [
        check(masks, f"check.mask_empty={level}", recipe=masks_recipe).report.classes["object"]["pixels"]
        for level in ("keep", "skip")
    ]
    others = [20 * (35 - number) / (48 * 64) for number in range(10) if number != 4]
    assert shares == pytest.approx([(sum(others) + 1) / 10, sum(others) / 9])


def test_an_image_with_different_masks_is_a_conflict(check: Check, masks: Path) -> None:
    for number in (1, 2):
        shutil.copy(masks / "images" / "000.jpg", masks / "images" / f"{number:03d}.jpg")
    with Image.open(masks / "masks" / "000.png") as image:
        image.save(masks / "masks" / "001.png", compress_level=0)  # The same mask in other bytes.
    (masks / "images" / "002.jpg").unlink()
    assert not keys(check(masks, recipe=masks_recipe), "conflict")
    shutil.copy(masks / "images" / "000.jpg", masks / "images" / "002.jpg")
    found = [each for each in check(masks, recipe=masks_recipe).report.findings if each.kind == "conflict"]
    assert [(each.key, each.others, each.detail) for each in found] == [
        ("000.jpg", ("001.jpg", "002.jpg"), "the same bytes with different masks")
    ]
    assert len(check(masks, "check.conflict=skip", recipe=masks_recipe).samples) == 7


@pytest.mark.parametrize("swapped", [True, False])
@pytest.mark.parametrize("before_run", ["true", "false"])
def test_a_test_image_that_becomes_a_training_image_is_refused_even_with_the_same_mask(
    check: Check, registry: Registry, masks: Path, tmp_path: Path, swapped: bool, before_run: str
) -> None:
    overrides = ["input.image_size=16", "input.test=0.2", f"check.before_run={before_run}"]
    data = open_data(parse_recipe(masks_recipe(masks), registry, overrides), tmp_path)
    data.write_samples_csv(tmp_path / "samples.csv")
    lock = f"input.samples={tmp_path / 'samples.csv'}"
    assert check(masks, lock, recipe=masks_recipe).notes == ()
    train, test = (masks / "images" / data.samples[data.indices(side)[0]].key for side in ("train", "test"))
    contents = train.read_bytes(), test.read_bytes()
    train.write_bytes(contents[1])
    if swapped:
        test.write_bytes(contents[0])
    ((_, detail),) = errors(check(masks, lock, recipe=masks_recipe))
    assert f"have become training images: {train.name}" in detail
    assert f"training images: {train.name}" in refusal(registry, masks, tmp_path, lock, *overrides, recipe=masks_recipe)


SMOOTH = np.linspace(0, 255, 48 * 64).reshape(48, 64).astype(np.uint8)
BAD_MASKS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str, str]] = {
    "0 and 255": (lambda values: values * 255, "mask_values", r'\{ "0" = "background", "255" = "object" \}'),
    "one unknown value": (lambda values: values + 1, "mask_values", r"2 \(.* pixels\)"),
    "smoothed edges": (lambda values: SMOOTH, "mask_values", "nearest neighbour"),
    "minus one as 255": (lambda values: np.where(values == 0, 255, values).astype(np.uint8), "mask_values", "255"),
    "16 bits": (lambda values: values.astype(np.uint16) * 1000, "mask_values", "1000"),
    "colours": (
        lambda values: np.stack([values * 255, values * 0, values * 0], -1),
        "mask_values",
        r'\{ "#000000" = "background", "#ff0000" = "object" \}',
    ),
    "other size": (lambda values: values[:-1], "mask_size", "64 x 47 pixels, its image 64 x 48"),
    "turned": (lambda values: values.T.copy(), "mask_size", "48 x 64 pixels, its image 64 x 48"),
    "background only": (lambda values: values * 0, "mask_empty", "every pixel is background"),
    "object only": (lambda values: values * 0 + 1, "mask_empty", "every pixel is object"),
}


@pytest.mark.parametrize("name", BAD_MASKS)
def test_a_bad_mask_is_reported_with_its_reason(check: Check, masks: Path, name: str) -> None:
    change, kind, detail = BAD_MASKS[name]
    write_mask(masks, 4, change)
    checked = check(masks, recipe=masks_recipe)
    (found,) = checked.report.findings
    assert (found.kind, found.key) == (kind, "004.jpg")
    assert re.search(detail, found.detail)
    assert len(checked.samples) == (10 if kind == "mask_empty" else 9)


@pytest.mark.parametrize(
    ("content", "kind"), [(b"", "empty"), (b"text" * 9, "not_image"), (JPEG(1)[:500], "truncated")]
)
def test_an_undecodable_mask_is_reported(check: Check, masks: Path, content: bytes, kind: str) -> None:
    (masks / "masks" / "004.png").write_bytes(content)
    checked = check(masks, recipe=masks_recipe)
    (found,) = checked.report.findings
    assert (found.kind, found.key) == (kind, "004.jpg")
    assert "masks/004.png" in found.detail
    assert len(checked.report.set_aside) == 2


def test_a_mask_with_the_suffix_of_another_format_is_reported(check: Check, masks: Path) -> None:
    file = masks / "masks" / "004.png"
    with Image.open(file) as mask:
        mask.save(file, "BMP")
    checked = check(masks, recipe=masks_recipe)
    (found,) = checked.report.findings
    assert (found.kind, found.key) == ("wrong_extension", "004.jpg")
    assert found.detail.endswith("masks/004.png is BMP, not .png")
    assert len(checked.samples) == 10


def test_a_mask_of_several_pages_is_reported(check: Check, masks: Path) -> None:
    (masks / "masks" / "004.png").unlink()
    pages = [Image.new("L", (64, 48), 0) for _ in range(2)]
    pages[0].paste(1, (0, 0, 9, 9))
    pages[0].save(masks / "masks" / "004.tif", save_all=True, append_images=pages[1:])
    (found,) = check(masks, recipe=masks_recipe).report.findings
    assert (found.kind, found.key) == ("animated", "004.jpg")
    assert found.detail.endswith("masks/004.tif has several frames: TIFF")


def test_images_and_masks_without_a_partner_are_reported(check: Check, masks: Path) -> None:
    (masks / "masks" / "004.png").unlink()
    (masks / "images" / "005.jpg").unlink()
    checked = check(masks, recipe=masks_recipe)
    assert {Path(key).name for key in keys(checked, "mask_missing")} == {"004.jpg", "005.png"}
    assert (checked.report.found, checked.report.used) == (18, 16)


def test_masks_among_their_images_are_used_and_counted_once(check: Check, masks: Path) -> None:
    for file in (masks / "masks").iterdir():
        file.rename(masks / "images" / f"{file.stem}_mask.png")
    recipe = partial(masks_recipe, masks=masks / "images")
    report = check(masks, 'data.mask_suffix="_mask"', recipe=recipe).report
    assert (report.findings, report.found, report.used) == ((), 20, 20)


def test_a_mask_below_the_home_folder_is_counted_once(
    check: Check, masks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(masks.parent))
    monkeypatch.setenv("USERPROFILE", str(masks.parent))
    (masks / "images" / "005.jpg").unlink()
    checked = check(masks, recipe=partial(masks_recipe, masks=Path("~/scenes/masks")))
    assert [Path(key).name for key in keys(checked, "mask_missing")] == ["005.png"]
    assert (checked.report.found, checked.report.used) == (19, 18)


def test_a_mask_of_ignored_pixels_only_is_reported(check: Check, masks: Path) -> None:
    write_mask(masks, 4, lambda values: values * 0 + 255)
    (found,) = check(masks, 'data.ignore=["255"]', recipe=masks_recipe).report.findings
    assert (found.kind, found.detail) == ("mask_empty", "every pixel is ignored")


def test_a_palette_mask_is_read_by_its_indices(check: Check, masks: Path) -> None:
    with Image.open(masks / "masks" / "004.png") as image:
        image.load()
        image.putpalette([0, 0, 0, 255, 0, 0])
        image.save(masks / "masks" / "004.png")
    assert check(masks, recipe=masks_recipe).report.findings == ()


def test_a_class_without_pixels_in_any_mask_is_reported(check: Check, masks: Path) -> None:
    checked = check(masks, 'data.values.2="border"', recipe=masks_recipe)
    assert keys(checked, "too_few") == ["border"]


# The cache ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take files that were written just now for old ones."""
    monkeypatch.setattr(facts_cache, "RACY", 0)


def test_a_second_check_of_unchanged_files_reads_nothing(
    check: Check, photos: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = check(photos)
    assert first.report.read == 20

    def read(path: Path, *_: object) -> bytes:
        raise AssertionError(path)

    monkeypatch.setattr(file_facts, "read_file", read)
    again = check(photos)
    assert (again.report.read, again.report.findings, again.splits) == (0, first.report.findings, first.splits)


def test_a_changed_file_is_read_again(check: Check, photos: Path, settled: None) -> None:
    check(photos)
    (photos / "cat" / "000.jpg").write_bytes(b"")
    again = check(photos)
    assert (again.report.read, keys(again, "empty")) == (1, ["cat/000.jpg"])


def test_a_moved_file_is_read_but_not_decoded_again(
    check: Check, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(photos)
    photos.rename(photos.parent / "moved")
    monkeypatch.setattr(one_file, "Picture", None)
    assert check(photos.parent / "moved").report.read == 20


def test_files_with_the_same_bytes_are_decoded_once(
    check: Check, photos: Path, own_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        shutil.copy(photos / "cat" / "000.jpg", photos / "cat" / f"copy{number}.jpg")
    opened = []
    whole = one_file.Picture
    monkeypatch.setattr(one_file, "Picture", lambda *each: opened.append(each[0].name) or whole(*each))
    check(photos)
    assert len(opened) == 20
    assert sum(name.startswith("copy") for name in opened) <= 1


def test_many_files_are_read_in_processes_with_the_same_facts(
    check: Check, messy: Path, own_cache: None, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_threads = check(messy)
    shutil.rmtree(checks_folder())
    monkeypatch.setattr(file_facts, "FOR_PROCESSES", 1)
    monkeypatch.setattr(file_facts, "facts_of", None)  # This process decodes nothing.
    in_processes = check(messy)
    assert in_processes.report.read == in_threads.report.read > 35
    assert (in_processes.report.findings, in_processes.splits) == (in_threads.report.findings, in_threads.splits)
    assert check(messy).report.read == 0


# Policy -------------------------------------------------------------------------------------------------------------


def test_every_kind_with_a_policy_has_a_title_and_the_reverse() -> None:
    settings = {"before_run", "tiny_side", "imbalance_ratio", "near", "group_duplicates"}
    always_errors = {"no_images", "one_class", "split", "bad_share"}
    assert set(CheckTable.model_fields) - settings == set(KINDS) - always_errors


def test_the_policy_can_make_a_finding_an_error(check: Check, photos: Path) -> None:
    (photos / "cat" / "000.jpg").write_bytes(b"")
    checked = check(photos, "check.empty=error")
    assert [each.key for each in checked.report.of("error")] == ["cat/000.jpg"]


def test_the_check_can_be_switched_off(registry: Registry, photos: Path, tmp_path: Path) -> None:
    recipe = parse_recipe(folder_recipe(photos), registry, ["check.before_run=false", "input.image_size=16"])
    assert open_data(recipe, tmp_path).checked is None


def test_the_picture_helper_makes_different_pictures() -> None:
    assert not np.array_equal(picture(1), picture(2))


@pytest.mark.real_data
def test_photos_shared_by_two_published_data_sets_are_found(check: Check, real_data: Path, tmp_path: Path) -> None:
    """The manifest of ``pets37`` lists 78 photos that are also in ``pets``, at another size."""
    rows = ["image,label,split"]
    for file in sorted((real_data / "pets" / "images").glob("*.jpg")):
        rows.append(f"{file},{file.stem.rpartition('_')[0]},train")
    for file in sorted((real_data / "pets37").rglob("*.jpg")):
        rows.append(f"{file},{file.parent.name},test")
    (tmp_path / "pets.csv").write_text("\n".join(rows), encoding="utf-8")
    checked = check(tmp_path / "pets.csv", recipe=partial(csv_recipe, split="split"))
    found = [each for each in checked.report.findings if each.kind == "leak"]
    assert len(found) == 78
    assert all({Path(each.key).name} == {Path(other).name for other in each.others} for each in found)
