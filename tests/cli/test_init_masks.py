"""``tlkit init`` for folders of images and masks: what they are named, and what the values of the masks mean."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tlkit
from tlkit.cli import main
from tlkit.data.images.source import mask_of
from tlkit.recipe.load import load_recipe

Draw = Callable[[np.ndarray, int], "Image.Image | np.ndarray"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tlkit_run(capsys):
    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        try:
            code = main(list(arguments)) or 0
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out + err

    return run


def drawing(number: int) -> np.ndarray:
    """Return a mask of 0, 1 and, in odd ones, 2; (40, 48)."""
    values = np.zeros((40, 48), np.uint8)
    values[5 : 20 + number % 5, 5 + number : 20 + number] = 1
    values[25:35, 20 : 23 + number] = 2 * (number % 2)
    return values


def save(pixels: Image.Image | np.ndarray, file: str, **options: object) -> None:
    path = Path("scenes") / file
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (40, 48, 3)).astype(np.uint8)


def pairs(image: str, mask: str, draw: Draw = lambda values, number: values, count: int = 8, **options: object) -> None:
    """Write images and masks with their numbers in the place of ``{}``."""
    for number in range(count):
        save(picture(number), image.format(number))
        save(draw(drawing(number), number), mask.format(number), **options)


def read(registry, file: str = "scenes.toml") -> tuple[dict, tlkit.SampleSet, list[set[int]]]:
    """Return the recipe's data table, its samples, and the class numbers in each mask."""
    recipe = load_recipe(Path(file), registry)
    found = recipe.data.record.open(tlkit.DatasetContext(recipe.task, recipe.seed), recipe.data.options)
    masks = [mask_of(each, found) for each in found.samples]
    numbers = [set(np.unique(mask.decode(mask.read())).tolist()) for mask in masks]
    return tomllib.loads(Path(file).read_text())["data"], found, numbers


LAYOUTS = {
    "splits above": ("{s}/images/{{}}.jpg", "{s}/masks/{{}}.png", ["train", "valid"], {}),
    "annot": ("{s}/{{}}.png", "{s}annot/{{}}.png", ["train", "val", "test"], {}),
    "one folder per split": ("{s}/a{{}}_jpg.rf.0f.jpg", "{s}/a{{}}_jpg.rf.0f_mask.png", ["train", "valid"],
                             {"mask_suffix": "_mask"}),
    "satellite": ("{{}}_sat.jpg", "{{}}_mask.png", [""], {"image_suffix": "_sat", "mask_suffix": "_mask"}),
    "beside": ("{{}}.jpg", "{{}}_mask.png", [""], {"mask_suffix": "_mask"}),
    "prefixes": ("img_{{}}.png", "mask_{{}}.png", [""], {"image_prefix": "img_", "mask_prefix": "mask_"}),
    "suffixes": ("{{}}.jpg", "{{}}.png", [""], {"image_suffix": ".jpg", "mask_suffix": ".png"}),
    "a folder per sample": ("s{{}}/image.png", "s{{}}/mask.png", [""],
                            {"image_suffix": "image", "mask_suffix": "mask"}),
    "X and X_mask": ("plants/{{}}.jpg", "plants_mask/{{}}.png", [""], {}),
    "X and X_labels": ("plants/{{}}.jpg", "plants_labels/{{}}.png", [""], {}),
    "X and X_gt": ("plants/{{}}.jpg", "plants_gt/{{}}.png", [""], {}),
    "X and masks/X": ("plants/{{}}.jpg", "masks/plants/{{}}.png", [""], {}),
    "masks in the images' folder": ("{{}}.jpg", "masks/{{}}.png", [""], {}),
    "nnU-Net": ("images{s}/c_{{}}_0000.png", "labels{s}/c_{{}}.png", ["Tr", "Ts"], {"image_suffix": "_0000"}),
    "DRIVE": ("{s}/images/{{}}_{s}.tif", "{s}/1st_manual/{{}}_manual1.gif", ["training", "test"],
              {"image_suffix": "_{split}", "mask_suffix": "_manual1"}),
    "KITTI": ("{s}/image_2/{{}}_10.png", "{s}/semantic/{{}}_10.png", ["training"], {}),
    "Cityscapes": ("leftImg8bit/{s}/x/x_{{}}_000019_leftImg8bit.png", "gtFine/{s}/x/x_{{}}_000019_gtFine_labelIds.png",
                   ["train", "val"], {"image_suffix": "_leftImg8bit", "mask_suffix": "_gtFine_labelIds"}),
    "ADE20K": ("images/{s}/A_{{}}.jpg", "annotations/{s}/A_{{}}.png", ["training", "validation"], {}),
    "ISIC": ("ISIC_Task1-2_{s}_Input/I_{{}}.jpg", "ISIC_Task1_{s}_GroundTruth/I_{{}}_segmentation.png", ["Training"],
             {"mask_suffix": "_segmentation"}),
    "Carvana": ("{s}/ab{{}}_01.jpg", "{s}_masks/ab{{}}_01_mask.gif", ["train"], {"mask_suffix": "_mask"}),
    "VOC": ("JPEGImages/2007_{{}}.jpg", "SegmentationClass/2007_{{}}.png", [""], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_images_and_masks_are_paired_in_each_layout(tlkit_run, registry, name):
    image, mask, splits, options = LAYOUTS[name]
    for split in splits:
        pairs(image.format(s=split), mask.format(s=split), count=4)
    code, out = tlkit_run("init", "scenes")
    assert code == 0, out
    data, found, numbers = read(registry)
    assert len(found.samples) == 4 * len(splits)
    assert found.set_aside == ()
    assert {key: value for key, value in data.items() if "fix" in key} == options
    assert len({each.split for each in found.samples}) == len(splits)
    expected = {
        (image.format(s=split).format(number), mask.format(s=split).format(number))
        for split in splits
        for number in range(4)
    }
    root = Path("scenes")
    assert {
        (Path(each.image).relative_to(root).as_posix(), Path(each.mask).relative_to(root).as_posix())
        for each in found.samples
    } == expected
    assert numbers[1] >= {0, 1}
    assert data["values"].keys() == {"0", "1", "2"}
    assert tlkit_run("check", "scenes.toml")[0] == 0


def test_other_masks_that_fit_are_named_with_their_keys(tlkit_run, registry):
    pairs("training/image_2/{}.png", "training/semantic/{}.png")
    pairs("training/image_2/{}.png", "training/semantic_rgb/{}.png")
    code, out = tlkit_run("init", "scenes")
    assert code == 0
    assert read(registry)[0]["masks"] == "scenes/{split}/semantic"
    assert 'other masks that fit as well: masks = "{split}/semantic_rgb"' in out


def test_masks_of_one_value_are_passed_over_for_others(tlkit_run, registry):
    pairs("images/{}.tif", "1st_manual/{}.png")
    pairs("images/{}.tif", "mask/{}.png", lambda values, number: values * 0 + 255)
    assert tlkit_run("init", "scenes")[0] == 0
    assert read(registry)[0]["masks"] == "scenes/1st_manual"


def test_lists_of_splits_are_kept(tlkit_run, registry):
    pairs("JPEGImages/{}.jpg", "SegmentationClass/{}.png")
    sets = Path("scenes/ImageSets/Segmentation")
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("0\n1\n2\n3\n4\n")
    (sets / "val.txt").write_text("5\n6\n")
    _, out = tlkit_run("init", "scenes")
    data, found, _ = read(registry)
    assert (data["splits"], data["lists"]) == ("lists", "scenes/ImageSets/Segmentation")
    assert sorted(str(each.split) for each in found.samples) == ["train"] * 5 + ["validation"] * 2
    assert "images in none of the lists: 1" in out
    assert "train: 5 images" in out


def test_images_without_masks_are_counted(tlkit_run):
    pairs("train/{}.jpg", "train_masks/{}.png")
    for number in range(3):
        save(picture(number), f"test/{number}.jpg")
        save(picture(number), f"more/{number}.jpg")
    _, out = tlkit_run("init", "scenes")
    assert "images without a mask: 3" in out
    assert "folders with images that are not used: more (3)" in out


def test_a_mask_whose_name_nearly_fits_is_named(tlkit_run):
    pairs("images/{}.jpg", "masks/{}.png")
    Path("scenes/masks/7.png").rename("scenes/masks/007.png")
    _, out = tlkit_run("init", "scenes")
    assert "images without a mask: 1; a run sets them aside. 007 differs in leading zeros only" in out


@pytest.mark.parametrize("masks", ["masks", "semantic"])
def test_names_that_differ_in_leading_zeros_are_refused_with_the_reason(tlkit_run, masks):
    pairs("images/{}.jpg", masks + "/{:03d}.png")
    code, out = tlkit_run("init", "scenes")
    assert code == 2
    assert "000 differs in case or leading zeros only" in out


def test_several_masks_of_one_image_are_refused_with_what_to_do(tlkit_run):
    for number in range(6):
        save(picture(number), f"stage1_train/id{number}/images/id{number}.png")
        for which in range(2):
            save(drawing(number), f"stage1_train/id{number}/masks/{which}.png")
    code, out = tlkit_run("init", "scenes")
    assert code == 2
    assert "several masks in 6 of them, one per object" in out
    assert "draw those of a folder into one" in out


@pytest.mark.parametrize("classes", [("with_mask", "without_mask"), ("mask", "normal"), ("labels", "tags")])
def test_class_folders_named_like_masks_stay_classes(tlkit_run, classes):
    for name in classes:
        for number in range(4):
            save(picture(number), f"{name}/{number}.jpg")
    _, out = tlkit_run("init", "scenes", "--task", "classification")
    assert "8 images in 2 class folders" in out


def test_masks_beside_images_in_class_folders_are_read_if_asked_for(tlkit_run, registry):
    for name in ("benign", "malignant"):
        pairs(f"{name}/{name} ({{}}).png", f"{name}/{name} ({{}})_mask.png", count=4)
    assert tlkit_run("init", "scenes", "--task", "segmentation")[0] == 0
    assert len(read(registry)[1].samples) == 8


def palette(values: np.ndarray, *colors: tuple[int, int, int]) -> Image.Image:
    image = Image.frombytes("P", values.shape[::-1], values.tobytes())
    image.putpalette([part for color in colors for part in color])
    return image


BLACK, RED, GREEN, WHITE = (0, 0, 0), (255, 0, 0), (0, 255, 0), (255, 255, 255)


def top(value: float, dtype: type) -> Draw:
    """Return a function that marks the first rows of a mask with a value."""

    def draw(values: np.ndarray, number: int) -> np.ndarray:
        values = values.astype(dtype)
        values[:4] = value
        return values

    return draw


VALUES = {
    "minus one": (top(-1, np.int32), "tif", {"0", "1", "2"}, ["-1"]),
    "no data": (top(-9999, np.float32), "tif", {"0", "1", "2"}, ["-9999"]),
    "least float": (top(np.finfo(np.float32).min, np.float32), "tif", {"0", "1", "2"}, ["-3.4028235e+38"]),
    "NaN": (top(np.nan, np.float32), "tif", {"0", "1", "2"}, ["nan"]),
    "16 bits": (top(65535, np.uint16), "png", {"0", "1", "2"}, ["65535"]),
    "large": (lambda v, n: v.astype(np.int32) * 200000, "tif", {"0", "200000", "400000"}, None),
    "0.0 and 255.0": (lambda v, n: (v > 0) * np.float32(255), "tif", {"0", "255"}, None),
    "decimals": (lambda v, n: v / np.float32(2), "tif", {"0", "0.5", "1"}, None),
    "-1 and 1": (lambda v, n: np.where(v > 0, 1, -1).astype(np.int32), "tif", {"-1", "1"}, None),
    "alpha": (lambda v, n: np.dstack([v * 0] * 3 + [(v > 0) * np.uint8(255)]), "png", {"0", "255"}, None),
    "alpha of several shades": (
        lambda v, n: np.dstack([v * 0 + 20 * n] * 3 + [(v > 0) * np.uint8(255)]), "png", {"0", "255"}, None),
    "grey and alpha": (lambda v, n: np.dstack([v * 0, (v > 0) * np.uint8(255)]), "png", {"0", "255"}, None),
    "grey, opaque": (lambda v, n: np.dstack([v, v * 0 + 255]), "png", {"0", "1", "2"}, None),
    "red channel": (lambda v, n: np.dstack([v, v * 0, v * 0]), "png", {"0", "1", "2"}, None),
    "red drawing": (lambda v, n: np.dstack([(v > 0) * np.uint8(255), v * 0, v * 0]), "png",
                    {"#000000", "#ff0000"}, None),
    "opaque colours": (lambda v, n: np.dstack([v * 60, v * 0, v * 0, v * 0 + 255]), "png",
                       {"#000000", "#3c0000", "#780000"}, None),
    "instances": (lambda v, n: np.dstack([v, (v > 0) * (np.arange(48) % 7).astype(np.uint8), v * 0]), "png",
                  {"0", "1", "2"}, None),
    "one palette": (lambda v, n: palette(v, BLACK, RED, GREEN), "png", {"0", "1", "2"}, None),
    "other unused colours": (
        lambda v, n: palette(v, BLACK, RED, GREEN, (n, 1, 2), (9, n, 9)), "png", {"0", "1", "2"}, None),
    "palettes of another order": (
        lambda v, n: palette(v, BLACK, RED, GREEN) if n % 3 else palette(2 - v, GREEN, RED, BLACK), "gif",
        {"#000000", "#ff0000", "#00ff00"}, None),
    "palette and grey": (
        lambda v, n: palette((v > 0) * np.uint8(1), BLACK, WHITE) if n % 2 else (v > 0) * np.uint8(255), "png",
        {"#000000", "#ffffff"}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_the_values_of_masks_are_named_as_check_and_a_run_read_them(tlkit_run, registry, name):
    draw, suffix, keys, ignored = VALUES[name]
    pairs("images/{}.jpg", f"masks/{{}}.{suffix}", draw)
    code, out = tlkit_run("init", "scenes")
    assert code == 0, out
    data, _, numbers = read(registry)
    assert data["values"].keys() == keys
    assert data.get("ignore") == ignored
    assert len(set.union(*numbers) - {tlkit.IGNORE}) == len(keys)
    assert (tlkit.IGNORE in numbers[0]) == bool(ignored)
    assert tlkit_run("validate", "scenes.toml")[0] == 0
    code, out = tlkit_run("check", "scenes.toml")
    assert code == 0, out
    assert "16 used" in out


def test_the_channel_is_written_and_explained(tlkit_run, registry):
    pairs("images/{}.jpg", "masks/{}.png", VALUES["alpha"][0])
    _, out = tlkit_run("init", "scenes")
    assert read(registry)[0]["channel"] == "alpha"
    assert "all masks are of one colour, and their alpha channel varies" in out


def test_the_same_classes_are_read_whatever_the_order_of_the_palette(tlkit_run, registry):
    pairs("images/{}.jpg", "masks/{}.gif", VALUES["palettes of another order"][0])
    _, out = tlkit_run("init", "scenes")
    assert "masks that were opened have palettes of another order" in out
    _, found, _ = read(registry)
    for sample in found.samples:
        mask = mask_of(sample, found)
        classes = [found.classes[number].removeprefix("class_") for number in np.unique(mask.decode(mask.read()))]
        expected = {0: "000000", 1: "ff0000", 2: "00ff00"}
        number = int(Path(sample.mask).stem)
        assert set(classes) == {expected[value] for value in np.unique(drawing(number))}


def test_an_alpha_channel_beside_colours_is_named(tlkit_run):
    pairs("images/{}.jpg", "masks/{}.png", lambda v, n: np.dstack([v * 60, v * 0, v * 0, (v > 0) * np.uint8(255)]))
    _, out = tlkit_run("init", "scenes")
    assert 'data.channel = "alpha" reads it instead of the colours' in out


def test_palettes_that_only_look_different_are_named(tlkit_run, registry):
    pairs("images/{}.jpg", "masks/{}.png", lambda v, n: palette(v, BLACK, (n, 9, 9), GREEN))
    _, out = tlkit_run("init", "scenes")
    assert read(registry)[0]["values"].keys() == {"0", "1", "2"}
    assert "palettes have other colours for the same indices" in out


def test_numbers_of_instances_are_named(tlkit_run):
    pairs("images/{}.jpg", "masks/{}.png", lambda v, n: np.where(v > 0, 26001 + n, 7).astype(np.uint16))
    _, out = tlkit_run("init", "scenes")
    assert "look like numbers of instances" in out


@pytest.mark.parametrize(
    ("draw", "suffix", "expected"),
    [
        (lambda v, n: v * 0, "png", "every pixel of the 8 masks that were opened is 0"),
        (lambda v, n: np.random.default_rng(n).random((40, 48)).astype(np.float32), "tif", "apply a threshold"),
        (lambda v, n: picture(n), "png", 'one channel has the class numbers, write a recipe with data.channel = "red"'),
        (lambda v, n: picture(n), "jpg", "save masks as PNG"),
    ],
    ids=["one value", "probabilities", "a colour per object", "photographs"],
)
def test_masks_without_classes_are_refused_with_what_to_do(tlkit_run, draw, suffix, expected):
    pairs("images/{}.jpg", f"masks/{{}}.{suffix}", draw)
    code, out = tlkit_run("init", "scenes")
    assert code == 2
    assert expected in out


def test_smoothed_masks_are_read_by_the_nearest_class_and_named_by_check(tlkit_run, registry):
    pairs("images/{}.jpg", "masks/{}.jpg", lambda v, n: (v > 0) * np.uint8(255), quality=80)
    _, out = tlkit_run("init", "scenes")
    assert "8 of 8 masks that were opened are JPEG files" in out
    data, _, numbers = read(registry)
    assert data["nearest"] is True
    assert all(each == {0, 1} for each in numbers)
    code, out = tlkit_run("check", "scenes.toml")
    assert code == 0
    assert "masks with values between the classes: 8  [mask_between]" in out


NAMES = {
    "_classes.csv": ("Pixel Value, Class\n0, background\n1, leaf\n2, stem", "masks"),
    "classes.txt": ("background\nleaf\nstem\n", "."),
    "label_names.txt": ("0: background\n1: leaf\n2: stem", "images"),
    "labels.txt": ("leaf\nstem\n", "."),
    "dataset.json": (json.dumps({"labels": {"background": 0, "leaf": 1, "stem": 2}}), "."),
    "obj_class_to_machine_color.json": (
        json.dumps({"background": [0, 0, 0], "leaf": [1, 1, 1], "stem": [2, 2, 2]}), "."),
    "label_colors.txt": ("0 0 0 background\n255 0 0\tleaf\n0 255 0 stem\n", "."),
    "labelmap.txt": ("# label:color_rgb:parts:actions\nbackground:0,0,0::\nleaf:255,0,0::\nstem:0,255,0::", "."),
    "class_dict.csv": ("name,r,g,b\nbackground,0,0,0\nleaf,255,0,0\nstem,0,255,0\n", "."),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_class_names_come_from_the_file_that_has_them(tlkit_run, registry, name):
    text, folder = NAMES[name]
    colored = "255" in text
    pairs("images/{}.jpg", "masks/{}.png", lambda v, n: palette(v, BLACK, RED, GREEN) if colored else v)
    (Path("scenes") / folder / name).write_text(text)
    _, out = tlkit_run("init", "scenes")
    data, _, numbers = read(registry)
    keys = ["#000000", "#ff0000", "#00ff00"] if colored else ["0", "1", "2"]
    assert data["values"] == dict(zip(keys, ["background", "leaf", "stem"], strict=True))
    assert f"class names: {Path('scenes') / folder / name}" in out
    assert f"from {(Path('scenes') / folder / name).as_posix()}" in Path("scenes.toml").read_text()
    assert set.union(*numbers) == {0, 1, 2}


def test_names_of_classes_that_no_opened_mask_has_are_kept(tlkit_run, registry):
    pairs("images/{}.jpg", "masks/{}.png")
    Path("scenes/classes.txt").write_text("background\nleaf\nstem\nroot\n")
    _, out = tlkit_run("init", "scenes")
    assert read(registry)[0]["values"]["3"] == "root"
    assert "in none of the masks that were opened: 3 (root)" in out


def test_void_is_ignored(tlkit_run, registry):
    pairs("images/{}.jpg", "masks/{}.png")
    Path("scenes/_classes.csv").write_text("Pixel Value, Class\n0, void\n1, leaf\n2, stem\n")
    tlkit_run("init", "scenes")
    data = read(registry)[0]
    assert (data["values"], data["ignore"]) == ({"1": "leaf", "2": "stem"}, ["0"])


def test_a_list_of_files_is_no_list_of_classes(tlkit_run, registry):
    pairs("images/{}.jpg", "masks/{}.png")
    Path("scenes/labels.txt").write_text("\n".join(f"{number}.jpg leaf" for number in range(8)))
    tlkit_run("init", "scenes")
    assert read(registry)[0]["values"] == {"0": "background", "1": "class_1", "2": "class_2"}


def test_names_that_do_not_fit_are_said_and_not_used(tlkit_run, registry):
    pairs("images/{}.jpg", "masks/{}.png", lambda v, n: v * 50)
    Path("scenes/classes.txt").write_text("leaf\nstem\n")
    _, out = tlkit_run("init", "scenes")
    assert read(registry)[0]["values"].keys() == {"0", "50", "100"}
    assert "do not fit the values of the masks; they were not used" in out


def test_the_150_classes_of_ade20k_have_their_names(tlkit_run, registry):
    pairs("images/training/{}.jpg", "annotations/training/{}.png", lambda v, n: v * 75)
    lines = [f"{number}\t0.1\t9\t9\t1\tthing {number};other" for number in range(1, 151)]
    Path("scenes/objectInfo150.txt").write_text("\n".join(["Idx\tRatio\tTrain\tVal\tStuff\tName", *lines]))
    tlkit_run("init", "scenes")
    data = read(registry)[0]
    assert len(data["values"]) == 150
    assert data["values"]["75"] == "thing 75"
    assert data["ignore"] == ["0"]


def test_other_pictures_beside_images_and_masks_do_not_hide_them(tlkit_run, registry):
    pairs("{}_sat.jpg", "{}_mask.png")
    save(picture(0), "previews/overview.jpg")
    assert tlkit_run("init", "scenes")[0] == 0
    data, found, _ = read(registry)
    assert (data["image_suffix"], len(found.samples)) == ("_sat", 8)
