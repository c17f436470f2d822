"""``tlkit init``: what it recognizes in a folder, the recipe that it writes, and what it refuses."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkit.cli import main
from tlkit.contracts import DatasetContext
from tlkit.recipe.load import load_recipe


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def init(capsys):
    """Return a function that runs ``tlkit init`` and returns the exit code, the output and the messages."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["init", *map(str, arguments)])
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    return run


def values(file: str) -> dict:
    return tomllib.loads(Path(file).read_text(encoding="utf-8"))


def opened(file: str, registry):
    """Open the data set of a recipe, which must name the folders correctly."""
    recipe = load_recipe(Path(file), registry)
    return recipe.data.record.open(DatasetContext(recipe.task, recipe.seed), recipe.data.options)


def picture(file: Path, size: tuple[int, int] = (120, 110)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 30, 30)).save(file)


def mask(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(file)


def pairs(root: Path, images: str, masks: str, *values: int, count: int = 4, suffix: str = "") -> None:
    """Write images, and masks with one stripe per value."""
    for number in range(count):
        picture(root / images / f"a{number}.jpg")
        mask(root / masks / f"a{number}{suffix}.png", np.repeat(np.array(values), 8)[:, None].repeat(16, 1))


def test_class_folders_become_a_recipe_that_is_valid_and_finds_the_images(init, class_folders, registry):
    class_folders({"cat": 5, "dog": 5})
    code, out, _ = init("photos")
    assert code == 0
    assert "10 images in 2 class folders" in out
    assert "cat: 5" in out
    assert "formats: PNG 10" in out
    found = opened("photos.toml", registry)
    assert found.classes == ("cat", "dog")
    assert len(found.samples) == 10


def test_split_folders_are_counted_separately_and_need_no_shares(init, class_folders, registry):
    for split, count in (("train", 6), ("valid", 3), ("test", 2)):
        class_folders({"cat": count, "dog": count}, name=f"photos/{split}")
    _, out, _ = init("photos")
    assert out.splitlines()[1].strip().startswith("train: 12 images")
    assert "cat: 6 train, 3 validation, 2 test" in out
    assert not {"validation", "test"} & values("photos.toml")["input"].keys()
    assert {sample.split for sample in opened("photos.toml", registry).samples} == {"train", "validation", "test"}


def test_test_images_without_class_folders_are_noted_and_not_counted(init, class_folders):
    class_folders({"cat": 6, "dog": 6}, name="photos/train")
    picture(Path("photos/test/1.jpg"))
    _, out, _ = init("photos")
    assert "without labels: 1 image in photos/test; left out" in out.replace("\\", "/")
    assert "test" in values("photos.toml")["input"]


def test_junk_is_neither_a_class_nor_an_image(init, class_folders):
    root = class_folders({"cat": 4, "dog": 4})
    for name in ("__MACOSX", ".hidden", ".ipynb_checkpoints"):
        picture(root / name / "x.jpg")
    picture(root / "cat" / "._x.jpg")
    assert "8 images in 2 class folders" in init("photos")[1]


def test_the_folder_inside_an_unpacked_archive_is_used(init, class_folders, registry):
    class_folders({"cat": 4, "dog": 4}, name="photos/photos_v2")
    assert init("photos")[0] == 0
    assert len(opened("photos.toml", registry).samples) == 8


@pytest.mark.parametrize(("dogs", "balanced"), [(10, True), (5, False)])
def test_unequal_classes_get_weights(init, class_folders, dogs, balanced):
    class_folders({"cat": 4, "dog": dogs})
    init("photos")
    assert ("class_weights" in values("photos.toml")["train"]) == balanced


@pytest.mark.parametrize(("size", "resize"), [((200, 180), "stretch"), ((400, 160), "pad"), ((160, 400), "pad")])
def test_images_far_from_square_are_padded(init, size, resize):
    for label in ("cat", "dog"):
        picture(Path("photos") / label / "1.jpg", size)
    init("photos")
    assert values("photos.toml")["input"]["resize"] == resize


def test_small_images_get_a_small_input(init, class_folders):
    class_folders({"cat": 2, "dog": 2}, size=(32, 32))
    init("photos")
    assert values("photos.toml")["input"]["image_size"] == 96


def test_many_images_are_fine_tuned_and_few_are_not(init, tmp_path):
    for label in ("cat", "dog"):
        picture(tmp_path / "few" / label / "0.jpg")
        picture(tmp_path / "many" / label / "0.jpg")
        for number in range(1, 1000):
            (tmp_path / "many" / label / f"{number}.jpg").touch()
    init("few")
    init("many")
    assert values("few.toml")["schedule"]["name"] == "frozen"
    assert values("many.toml")["schedule"]["name"] == "two_phase"


def test_another_backbone_has_its_own_weights_and_a_schedule_that_fits_them(init, class_folders):
    class_folders({"cat": 2, "dog": 2})
    init("photos", "--backbone", "small_encoder")
    recipe = values("photos.toml")
    assert recipe["backbone"] == {"name": "small_encoder", "weights": "none"}
    assert recipe["schedule"]["name"] == "full"


def test_files_beside_an_unpacked_folder_are_noted(init, class_folders):
    class_folders({"cat": 4, "dog": 4}, name="photos/photos_v2")
    Path("photos/readme.txt").touch()
    assert "only the folder photos_v2 is used; ignored: readme.txt" in init("photos")[1]


@pytest.mark.skipif(sys.platform == "win32", reason="file names of Windows have no backslash")
def test_a_backslash_in_a_name_is_kept(init, class_folders, registry):
    class_folders({"cat": 2, "dog": 2}, name="back\\slash")
    assert init("back\\slash", "--out", "r.toml")[0] == 0
    assert len(opened("r.toml", registry).samples) == 4


def test_a_name_that_is_not_utf_8_is_refused_in_one_line(init, class_folders):
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    try:
        class_folders({"cat": 2, "dog": 2}, name=name)
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    code, _, err = init(name, "--out", "r.toml")
    assert code == 2
    assert err == "Error: caf\\xe9: the name is not in UTF-8, so it can't be written in a recipe; rename it\n"


@pytest.mark.parametrize("name", ['a "b" & c', "ümlaut", "#1 = [x]", "-dash-", "~nosuchuser"])
def test_any_folder_name_gives_a_valid_recipe(init, class_folders, registry, name):
    class_folders({"cat": 2, "dog": 2}, name=name)
    assert init(f"./{name}", "--out", "r.toml")[0] == 0
    assert len(opened("r.toml", registry).samples) == 4


@pytest.mark.parametrize(
    ("images", "masks", "pixels", "suffix", "names", "ignore"),
    [
        ("images", "masks", (0, 255), "", {"0": "background", "255": "object"}, None),
        ("img", "labels", (0, 1, 2, 255), "_mask", {"0": "background", "1": "class_1", "2": "class_2"}, ["255"]),
        ("images", "annotations/trimaps", (1, 2, 3), "", {"1": "pet", "2": "background", "3": "border"}, None),
        ("JPEGImages", "SegmentationClass", (0, 7), "", {"0": "background", "7": "object"}, None),
    ],
)
def test_images_and_masks_become_a_recipe_with_their_values(
    init, registry, images, masks, pixels, suffix, names, ignore
):
    pairs(Path("scenes"), images, masks, *pixels, suffix=suffix)
    code, out, _ = init("scenes")
    assert code == 0
    for value in pixels:
        assert f"mask value {value}: {1 / len(pixels):.1%} of the pixels" in out
    data = values("scenes.toml")["data"]
    assert data["values"] == names
    assert data.get("ignore") == ignore
    found = opened("scenes.toml", registry)
    assert len(found.samples) == 4
    assert found.set_aside == ()


def test_masks_in_split_folders_keep_their_splits(init, registry):
    for split in ("train", "val"):
        pairs(Path("scenes"), f"images/{split}", f"masks/{split}", 0, 255)
    init("scenes")
    assert {sample.split for sample in opened("scenes.toml", registry).samples} == {"train", "validation"}


def test_colour_masks_are_listed_by_colour_including_gray_ones(init):
    pairs(Path("scenes"), "images", "masks", 0, count=2)
    mask(Path("scenes/masks/a0.png"), np.broadcast_to(np.array([255, 0, 0]), (8, 8, 3)))
    mask(Path("scenes/masks/a1.png"), np.zeros((8, 8, 3)))
    init("scenes")
    assert values("scenes.toml")["data"]["values"] == {"#000000": "background", "#ff0000": "object"}


def test_palette_masks_are_listed_by_index(init):
    pairs(Path("scenes"), "images", "masks", 0, count=1)
    image = Image.fromarray(np.array([[0, 1], [1, 1]], np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 200, 50, 50])
    image.save("scenes/masks/a0.png")
    assert "mask value 1: 75.0% of the pixels" in init("scenes")[1]


def rectangles(root: Path, *values: int, count: int = 10, suffix: str = ".png", **options: int) -> None:
    """Write images, and masks with one rectangle per value on a background of 0."""
    for number in range(count):
        picture(root / "images" / f"a{number}.jpg")
        pixels = np.zeros((110, 120), np.uint8)
        for place, value in enumerate(values):
            pixels[20:70, 10 + 50 * place + number : 50 + 50 * place] = value
        file = root / "masks" / f"a{number}{suffix}"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(file, **options)


def spoil(file: str, *values: int) -> None:
    with Image.open(file) as image:
        pixels = np.array(image)
    pixels[0, : len(values)] = values
    Image.fromarray(pixels).save(file)


def test_a_few_pixels_of_another_value_do_not_hide_a_class(init):
    rectangles(Path("scenes"), 255)
    spoil("scenes/masks/a4.png", 128, 128, 128)
    _, out, _ = init("scenes")
    data = values("scenes.toml")["data"]
    assert data["values"] == {"0": "background", "255": "object"}
    assert data["ignore"] == ["128"]
    assert "1 other value: under 0.1% of the pixels" in out
    assert "too rare to be classes, with under 0.1% of the pixels and in few masks: 128" in out


def test_255_is_a_class_beside_values_that_are_not_class_numbers(init):
    rectangles(Path("scenes"), 128, 255)
    _, out, _ = init("scenes")
    data = values("scenes.toml")["data"]
    assert data["values"].keys() == {"0", "128", "255"}
    assert "ignore" not in data
    assert "255 is used as a class" in out


def test_255_is_ignored_beside_class_numbers_whatever_stray_pixels_there_are(init):
    rectangles(Path("scenes"), 1, 255)
    spoil("scenes/masks/a4.png", 77)
    init("scenes")
    data = values("scenes.toml")["data"]
    assert (data["values"].keys(), data["ignore"]) == ({"0", "1"}, ["255", "77"])


def test_a_rare_class_among_consecutive_ones_is_kept(init):
    rectangles(Path("scenes"), 1, 3)
    spoil("scenes/masks/a4.png", 2)
    init("scenes")
    assert values("scenes.toml")["data"]["values"].keys() == {"0", "1", "2", "3"}


def test_a_small_class_that_many_masks_have_is_kept(init):
    rectangles(Path("scenes"), 255)
    for number in range(5):
        spoil(f"scenes/masks/a{number}.png", 100)
    init("scenes")
    assert values("scenes.toml")["data"]["values"].keys() == {"0", "100", "255"}


def test_values_around_a_class_in_masks_saved_as_jpeg_belong_to_it(init):
    rectangles(Path("scenes"), 255, suffix=".jpg", quality=75)
    _, out, _ = init("scenes")
    assert values("scenes.toml")["data"]["values"] == {"0": "background", "255": "object"}
    assert "10 of 10 masks that were opened are JPEG files; JPEG changes values: save masks as PNG" in out
    assert "values around 0 and 255 come from smoothing or JPEG" in out


def test_three_values_are_found_in_masks_saved_as_jpeg(init):
    rectangles(Path("scenes"), 128, 255, suffix=".jpg", quality=75)
    init("scenes")
    assert values("scenes.toml")["data"]["values"].keys() == {"0", "128", "255"}


def test_smoothed_masks_have_their_two_extremes_as_classes(init):
    rectangles(Path("scenes"), 255)
    for file in Path("scenes/masks").iterdir():
        with Image.open(file) as image:
            smoothed = image.resize((48, 44), Image.Resampling.BILINEAR)
        smoothed.save(file)
    _, out, _ = init("scenes")
    assert values("scenes.toml")["data"]["values"] == {"0": "background", "255": "object"}
    assert "JPEG, which" not in out


def test_smoothed_masks_with_every_value_have_their_two_extremes_as_classes(init):
    rectangles(Path("scenes"), 255)
    spoil("scenes/masks/a4.png", *range(100))
    spoil("scenes/masks/a5.png", *range(100, 200))
    spoil("scenes/masks/a6.png", *range(200, 256))
    init("scenes")
    assert values("scenes.toml")["data"]["values"] == {"0": "background", "255": "object"}


def test_infinite_pixels_of_a_mask_are_ignored(init):
    pairs(Path("scenes"), "images", "masks", 0, 1)
    pixels = np.array([[0, 1], [np.inf, np.nan]], np.float32)
    Path("scenes/masks/a0.png").unlink()
    Image.fromarray(pixels).save("scenes/masks/a0.tif")
    assert init("scenes")[0] == 0
    assert values("scenes.toml")["data"]["values"].keys() == {"0", "1"}


def test_palette_masks_among_colour_masks_are_listed_by_colour(init):
    pairs(Path("scenes"), "images", "masks", 0, count=2)
    mask(Path("scenes/masks/a0.png"), np.broadcast_to(np.array([200, 50, 50]), (8, 8, 3)))
    image = Image.fromarray(np.array([[0, 1], [1, 1]], np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 200, 50, 50])
    image.save("scenes/masks/a1.png")
    init("scenes")
    assert values("scenes.toml")["data"]["values"] == {"#000000": "background", "#c83232": "object"}


@pytest.mark.parametrize("inner", ["", "all/"])
def test_only_the_top_folder_names_a_split_of_masks_as_in_a_run(init, registry, inner):
    for split in ("train", "val"):
        pairs(Path("scenes"), f"images/{inner}{split}", f"masks/{inner}{split}", 0, 255)
    init("scenes")
    splits = {sample.split for sample in opened("scenes.toml", registry).samples}
    assert ("validation" in values("scenes.toml")["input"]) == ("validation" not in splits) == bool(inner)


def test_images_without_a_mask_are_noted(init):
    pairs(Path("scenes"), "images", "masks", 0, 255)
    picture(Path("scenes/images/alone.jpg"))
    assert "images without a mask: 1; a run sets them aside" in init("scenes")[1]


def pets(root: Path) -> None:
    pairs(root, "images", "annotations/trimaps", 1, 2, 3)
    for name in ("trainval", "test"):
        (root / "annotations" / f"{name}.txt").write_text("")


@pytest.mark.parametrize(
    ("arguments", "task", "target"),
    [
        ((), "segmentation", "trimap"),
        (("--target", "pet"), "segmentation", "pet"),
        (("--task", "classification"), "classification", "breed"),
        (("--target", "species"), "classification", "species"),
    ],
)
def test_the_layout_of_oxford_pets_is_recognized(init, registry, arguments, task, target):
    pets(Path("pets"))
    assert init("pets", *arguments)[0] == 0
    recipe = load_recipe(Path("pets.toml"), registry)
    assert (recipe.task, recipe.data.record.name, recipe.data.options.target) == (task, "oxford_pets", target)


def test_a_file_that_exists_is_only_replaced_with_overwrite(init, class_folders):
    class_folders({"cat": 2, "dog": 2})
    Path("photos.toml").write_text("mine")
    code, _, err = init("photos")
    assert code == 2
    assert err.startswith("Error: photos.toml: already exists and was not changed")
    assert Path("photos.toml").read_text() == "mine"
    for option in ("--overwrite", "--force"):
        Path("photos.toml").write_text("mine")
        assert init("photos", option)[0] == 0
        assert values("photos.toml")["name"] == "photos"


@pytest.mark.parametrize(("counts", "few"), [({"cat": 20, "dog": 19}, "dog (19)"), ({"cat": 20, "dog": 20}, "")])
def test_few_images_are_said_and_stand_in_the_recipe(init, class_folders, counts, few):
    class_folders(counts)
    out = init("photos")[1]
    told = f"few images: {few}. Metrics of so few say little: have at least 20 of each class"
    for text in (out, Path("photos.toml").read_text()):
        assert (told in text) == bool(few)
        assert ("few images" in text) == bool(few)
    assert "tlkit check photos.toml" in out


def test_letters_with_marks_keep_their_letter_in_the_name_of_the_recipe(init, class_folders):
    class_folders({"cat": 2, "dog": 2}).rename("meine schönen Fotos")
    assert init("meine schönen Fotos")[0] == 0
    assert tomllib.loads(Path("meine-schonen-Fotos.toml").read_text())["name"] == "meine-schonen-Fotos"


def test_no_comment_of_the_recipe_repeats_a_value_that_may_be_changed(init, class_folders):
    class_folders({"cat": 2, "dog": 2})
    init("photos")
    for line in Path("photos.toml").read_text().splitlines():
        value, _, comment = line.partition(" # ")
        if " = " in value and not value.startswith("#"):
            number = value.partition(" = ")[2].strip()
            assert not (number.isdigit() and f" {number} epochs" in comment), line
            assert not re.search(r"\d training images", comment), line


def test_the_recipe_goes_where_out_says(init, class_folders):
    class_folders({"cat": 2, "dog": 2})
    assert init("photos", "--out", "mine.toml")[0] == 0
    assert "tlkit run mine.toml" in Path("mine.toml").read_text()
    assert not Path("photos.toml").exists()
    assert init("photos", "--out", "new/mine.toml")[0] == 0
    assert Path("new/mine.toml").is_file()


def empty(root: Path) -> None:
    (root / "cats").mkdir(parents=True)


def one_class(root: Path) -> None:
    picture(root / "cats" / "1.jpg")


def flat(root: Path) -> None:
    picture(root / "1.jpg")


def unpaired(root: Path) -> None:
    pairs(root, "images", "masks", 0, 255, count=1)
    (root / "masks" / "a0.png").rename(root / "masks" / "b.png")


def smooth(root: Path) -> None:
    pairs(root, "images", "masks", *range(200), count=1)


def only_test(root: Path) -> None:
    picture(root / "test" / "1.jpg")
    picture(root / "control" / "1.jpg")


def two_validations(root: Path) -> None:
    for split in ("train", "val", "valid"):
        picture(root / split / "cat" / "1.jpg")
        picture(root / split / "dog" / "1.jpg")


def empty_train(root: Path) -> None:
    for name in ("cat", "dog"):
        (root / "train" / name).mkdir(parents=True)
        picture(root / "test" / name / "1.jpg")


def nothing(root: Path) -> None:
    assert not root.exists()


def a_file(root: Path) -> None:
    root.write_text("")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (empty, "no images"),
        (one_class, "only one class folder with images (cats)"),
        (flat, "1 image, but no class folders"),
        (unpaired, "none of 1 masks is named after an image in"),
        (smooth, "200 different values"),
        (only_test, "found test, but no folder train; expected train as well"),
        (two_validations, "val and valid are both the validation split"),
        (empty_train, "no images in class folders, but test has some; expected images to train on in train"),
        (a_file, "this is a file that no data set recognises; expected a folder of images"),
        (nothing, "no such folder"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_folder_that_cannot_be_used_is_refused_with_the_reason_and_nothing_is_written(init, make, expected):
    make(Path("photos"))
    code, _, err = init("photos")
    assert code == 2
    assert err.startswith("Error: ")
    assert expected in err
    assert not Path("photos.toml").exists()


def test_a_task_that_the_folder_is_not_laid_out_for_is_refused(init, class_folders):
    class_folders({"cat": 2, "dog": 2})
    code, _, err = init("photos", "--task", "segmentation")
    assert code == 2
    assert "laid out for classification" in err


def test_an_unknown_backbone_suggests_the_nearest(init, class_folders):
    class_folders({"cat": 2, "dog": 2})
    code, _, err = init("photos", "--backbone", "MobilNetV2")
    assert code == 2
    assert 'did you mean "MobileNetV2"?' in err


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "dataset"), [("pets37", "folder"), ("pets", "oxford_pets")])
def test_real_folders_become_valid_recipes(init, real_data, registry, name, dataset):
    assert init(real_data / name)[0] == 0
    assert load_recipe(Path(f"{name}.toml"), registry).data.record.name == dataset
    assert len(opened(f"{name}.toml", registry).samples) > 100
