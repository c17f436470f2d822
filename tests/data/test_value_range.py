"""``[input] value_range``, ``bands`` and ``orientation``, from the files to predictions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from recipe_text import recipe_text

import tlkit
from tlkit.data.checks.check import Checked
from tlkit.data.checks.value_range import lost_by_default, range_of
from tlkit.data.images.decode import decode_image
from tlkit.data.images.reading import Reading, reading_of
from tlkit.data.prepare import open_full_size
from tlkit.data.store.decoding import Decoding
from tlkit.errors import DataError, RecipeError
from tlkit.jobs import from_recipe
from tlkit.jobs.from_recipe import check_data, open_data, open_few, with_range_of
from tlkit.recipe.input_table import InputTable
from tlkit.recipe.load import parse_recipe
from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.runs.folder import RunFolder

Make = Callable[..., Recipe]


def deep(number: int, low: int = 1000, dtype: Any = np.uint16) -> np.ndarray:
    """Return a picture whose values lie in low to low + 255."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 256, (6, 6), dtype=np.uint8)
    fine = np.asarray(Image.fromarray(coarse).resize((40, 40), Image.Resampling.NEAREST))
    return (fine.astype(np.int64) + low).astype(dtype)


def write(file: Path, values: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".png":
        Image.fromarray(values).save(file)
    else:
        tifffile.imwrite(file, values, photometric="minisblack", planarconfig="contig" if values.ndim == 3 else None)


@pytest.fixture
def narrow(tmp_path: Path) -> Path:
    """Two classes of pictures of 12 bits; those of the validation split use other values."""
    for split, low in (("train", 1000), ("val", 3000)):
        for number in range(6):
            for shift, name in enumerate(("cat", "dog")):
                write(tmp_path / "narrow" / split / name / f"{number}.png", deep(number + 100 * shift, low))
    return tmp_path / "narrow"


@pytest.fixture
def make(registry: Registry) -> Make:
    def made(path: Path, **keys: Any) -> Recipe:
        text = recipe_text(data={"name": "folder", "path": path}, input={"image_size": 40, **keys})
        return parse_recipe(text, registry)

    return made


def finding(checked: Checked, kind: str = "value_range") -> str:
    return " ".join(each.detail for each in checked.report.findings if each.kind == kind)


# Check --------------------------------------------------------------------------------------------------------------


def test_the_check_names_the_range_in_use_and_the_key(narrow: Path, make: Make) -> None:
    text = finding(check_data(make(narrow)))
    assert "all 24 images use 1000 to 3255 of 0 to 65535: 10 of 256 grey levels are left" in text
    assert 'set input.value_range = "auto" or [1000, 3255]' in text


def test_a_range_that_cuts_values_off_or_is_far_too_wide_is_a_finding(narrow: Path, make: Make) -> None:
    assert "12 of 24 images have values beyond [0, 2000]" in finding(check_data(make(narrow, value_range=[0, 2000])))
    assert "of 256 grey levels are left" in finding(check_data(make(narrow, value_range=[0, 30000])))
    assert not finding(check_data(make(narrow, value_range=[0, 4095])))


def test_auto_is_noted_with_its_range_and_comes_from_training_images_alone(narrow: Path, make: Make) -> None:
    checked = check_data(make(narrow, value_range="auto"))
    assert not finding(checked)
    assert checked.value_range == (1000, 1255)
    note = 'input.value_range = "auto": the training images use 1000 to 1255'
    assert f"{note}; without it they use 1000 to 1255 of 0 to 65535: 2 of 256 grey levels are left" in checked.notes


def test_images_scaled_each_from_its_own_range_are_a_finding(tmp_path: Path, make: Make) -> None:
    for number in range(6):
        for name, low in (("cat", -500), ("dog", 900)):
            write(tmp_path / "ct" / name / f"{number}.tif", deep(number + abs(low), low, np.int16))
    text = finding(check_data(make(tmp_path / "ct")))
    assert "all 12 images use -500 to 1154, and each is scaled from its own range" in text
    assert not finding(check_data(make(tmp_path / "ct", value_range="auto")))


def test_8_bit_images_have_no_range(class_folders: Callable[..., Path], make: Make) -> None:
    photos = class_folders({"cat": 3, "dog": 3})
    assert not finding(check_data(make(photos)))
    checked = check_data(make(photos, value_range="auto"))
    assert "input.value_range has no effect: no training image has more than 8 bits per channel" in checked.notes


def test_pictures_of_a_narrow_range_are_told_apart(narrow: Path, make: Make) -> None:
    kinds = {each.kind for each in check_data(make(narrow)).report.findings}
    # The pictures of both splits are the same but for their brightness: found, although 8 bits leave 2 grey levels.
    assert "leak" in kinds
    assert "constant" not in kinds


def test_a_few_odd_images_do_not_change_the_range() -> None:
    usual = [(65535, 900.0, 1000.0, 1200.0, 1300.0)] * 99
    assert range_of([*usual, (65535, 0.0, 0.0, 65535.0, 65535.0)]) == (1000, 1200)
    assert range_of([(65535, 7.0, 7.0, 7.0, 7.0)]) == (7, 8)
    assert range_of([]) is None
    assert lost_by_default([(65535, 0.0, 0.0, 65000.0, 65535.0)]) == ""


# Store --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before_run", [True, False])
def test_a_run_decodes_with_the_range_of_its_training_images(
    narrow: Path, make: Make, tmp_path: Path, before_run: bool, registry: Registry
) -> None:
    text = recipe_text(
        data={"name": "folder", "path": narrow},
        input={"image_size": 40, "value_range": "auto"},
        check={"before_run": before_run},
    )
    data = open_data(parse_recipe(text, registry), tmp_path)
    assert data.value_range == (1000, 1255)
    (note,) = [each for each in data.notes if "value_range" in each]
    assert note.startswith('input.value_range = "auto": the training images use 1000 to 1255')
    row = next(row for row, sample in enumerate(data.samples) if sample.key.endswith("train/cat/0.png"))
    np.testing.assert_array_equal(data.store.images[row][..., 0], deep(0) - 1000)


def test_unchecked_images_of_an_earlier_split_give_the_range_of_its_training_images(
    tmp_path: Path, registry: Registry
) -> None:
    for number in range(20):
        for name in ("cat", "dog"):
            write(tmp_path / "photos" / name / f"{number}.png", deep(number, 1000 + 40 * number))
    keys: dict[str, Any] = {"image_size": 40, "validation": 0.5, "value_range": "auto"}
    text = recipe_text(data={"name": "folder", "path": tmp_path / "photos"}, input=keys)
    first = open_data(parse_recipe(text, registry), tmp_path)
    first.write_samples_csv(tmp_path / "samples.csv")
    again = recipe_text(
        data={"name": "folder", "path": tmp_path / "photos"},
        input={**keys, "samples": tmp_path / "samples.csv"},
        check={"before_run": False},
    )
    assert open_data(parse_recipe(again, registry), tmp_path).value_range == first.value_range


def test_masks_at_full_size_need_no_range(tmp_path: Path, registry: Registry) -> None:
    recipe = masks_recipe(pairs(tmp_path / "scans", (40, 24), 6), registry, orientation="stored", value_range="auto")
    full = open_full_size(from_recipe.data_settings(recipe))
    assert full.mask(full.sample_set.samples[0]).shape == (24, 40)


def test_cached_images_of_one_range_are_not_used_for_another(narrow: Path, make: Make, tmp_path: Path) -> None:
    stores = [open_data(make(narrow, **keys), tmp_path) for keys in ({}, {"value_range": [1000, 1255]}, {})]
    first, ranged, again = (np.stack([each.store.images[row] for row in range(4)]) for each in stores)
    np.testing.assert_array_equal(first, again)
    assert ranged.std() > 20 * first.std()


def test_each_way_to_read_files_has_its_own_digest() -> None:
    ways = [{}, {"value_range": (0.0, 4095.0)}, {"value_range": (0.0, 4096.0)}, {"bands": (2, 1, 0)}]
    ways += [{"orientation": "stored"}]
    digests = {Decoding((8, 8), "pad", Reading(**each)).digest(None) for each in ways}  # type: ignore[arg-type]
    assert len(digests) == len(ways)
    assert Decoding((8, 8), "pad", Reading(99)).digest(None) in digests, "the limit of pixels changes no pixel"


def test_cached_features_of_one_range_are_not_used_for_another(narrow: Path, make: Make, tmp_path: Path) -> None:
    keys = ({}, {"value_range": "auto"}, {"value_range": [0, 4095]}, {"orientation": "stored"}, {"bands": [0]})
    settings = [
        from_recipe._input_settings(recipe, open_data(recipe, tmp_path))
        for recipe in (make(narrow, **each) for each in keys)
    ]
    assert len({json.dumps(each) for each in settings}) == len(keys)
    assert settings[1]["value_range"] == [1000, 1255]


def test_a_look_at_the_data_uses_the_range_too(narrow: Path, make: Make, tmp_path: Path) -> None:
    few = open_few(make(narrow, value_range="auto"), 4, tmp_path)
    assert few.value_range == (1000, 1255)
    assert few.store.images[0].std() > 40


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("value_range", [4095, 0]),
        ("value_range", [0, 1, 2]),
        ("value_range", "automatic"),
        ("value_range", [0, float("nan")]),
        ("bands", [0, 1]),
        ("bands", [-1]),
        ("orientation", "up"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(make: Make, tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=f"input.{key}"):
        make(tmp_path, **{key: value})


def test_auto_can_not_be_used_before_it_is_known() -> None:
    with pytest.raises(ValueError, match="has not been replaced"):
        Reading.of_recipe(InputTable(value_range="auto"))


# Bands --------------------------------------------------------------------------------------------------------------


def test_images_with_more_bands_are_used_once_the_recipe_chooses(tmp_path: Path, make: Make) -> None:
    random = np.random.default_rng(0)
    for number in range(6):
        for name in ("cat", "dog"):
            write(tmp_path / "five" / name / f"{number}.tif", random.integers(0, 255, (20, 20, 5), dtype=np.uint8))
    checked = check_data(make(tmp_path / "five", max_bad_share=1.0))
    assert "has 5 bands" in finding(checked, "unsupported")
    assert "set input.bands = [0, 1, 2]" in finding(checked, "unsupported")
    assert len(check_data(make(tmp_path / "five", bands=[3, 2, 1])).samples) == 12


def test_a_band_that_is_left_out_is_said(tmp_path: Path, make: Make) -> None:
    for number in range(4):
        for name in ("cat", "dog"):
            file = tmp_path / "nir" / name / f"{number}.tif"
            file.parent.mkdir(parents=True, exist_ok=True)
            values = np.random.default_rng(number).integers(0, 255, (20, 20, 4), dtype=np.uint8)
            tifffile.imwrite(file, values, photometric="rgb", extrasamples=["unspecified"])
    assert "mode RGB, 1 more band left out" in finding(check_data(make(tmp_path / "nir")), "odd_mode")


# Orientation --------------------------------------------------------------------------------------------------------


def pairs(root: Path, size: tuple[int, int], orientation: int) -> Path:
    """Write photos that EXIF turns, and masks that were drawn on the stored pixels."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for number in range(6):
        mask = np.zeros(size[::-1], np.uint8)
        mask[: 4 + number, : 10 + number] = 1
        noise = np.random.default_rng(number).integers(0, 90, size[::-1], dtype=np.uint8)
        Image.fromarray((noise + mask * 160).astype(np.uint8)).save(root / "images" / f"{number}.jpg", exif=exif)
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    return root


def masks_recipe(root: Path, registry: Registry, **keys: Any) -> Recipe:
    text = recipe_text(
        task="segmentation",
        data={
            "name": "masks",
            "images": root / "images",
            "masks": root / "masks",
            "values": {"0": "ground", "1": "thing"},
        },
        input={"image_size": 32, "max_bad_share": 1.0, **keys},
        head={"name": "unet"},
    )
    return parse_recipe(text, registry)


def test_a_mask_of_the_stored_size_names_exif_and_the_key(tmp_path: Path, registry: Registry) -> None:
    root = pairs(tmp_path / "scans", (40, 24), 6)
    text = finding(check_data(masks_recipe(root, registry)), "mask_size")
    assert "EXIF orientation 6" in text
    assert 'set input.orientation = "stored"' in text
    unchecked = masks_recipe(root, registry)
    with pytest.raises(DataError, match=r'input\.orientation = "stored" reads it unturned'):
        open_data(replaced(unchecked), tmp_path)


def replaced(recipe: Recipe) -> Recipe:
    from dataclasses import replace

    return replace(recipe, check=recipe.check.model_copy(update={"before_run": False}))


def test_stored_reads_photos_as_their_masks_were_drawn(tmp_path: Path, registry: Registry) -> None:
    root = pairs(tmp_path / "scans", (40, 24), 6)
    recipe = masks_recipe(root, registry, orientation="stored")
    assert len(check_data(recipe).samples) == 6
    data = open_data(recipe, tmp_path)
    images, masks = data.store.images, data.store.masks
    assert masks is not None
    for row in range(6):
        bright = images[row][..., 0] > 125
        assert (bright == (masks[row] == 1)).mean() > 0.97


@pytest.mark.parametrize(("size", "orientation"), [((32, 32), 6), ((40, 24), 3)])
def test_photos_whose_size_decides_nothing_are_a_finding(
    tmp_path: Path, registry: Registry, size: tuple[int, int], orientation: int
) -> None:
    root = pairs(tmp_path / "scans", size, orientation)
    checked = check_data(masks_recipe(root, registry))
    assert f"EXIF orientation {orientation}; its mask has none" in finding(checked, "orientation")
    assert len(checked.samples) == 6
    assert not finding(check_data(masks_recipe(root, registry, orientation="stored")), "orientation")


# Runs ---------------------------------------------------------------------------------------------------------------


def test_a_run_keeps_its_range_and_every_verb_uses_it(narrow: Path, registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    text = recipe_text(
        data={"name": "folder", "path": narrow},
        input={"image_size": 16, "value_range": "auto"},
        schedule={"epochs": 1},
    )
    file.write_text(text, encoding="utf-8")
    run = tlkit.run(file, out=tmp_path / "run", registry=registry, quiet=True).folder
    card = RunFolder(run).read_card()
    assert card.value_range == (1000, 1255)
    assert reading_of(card) == Reading(None, (1000, 1255))
    recipe = with_range_of(parse_recipe(text, registry), card)
    assert recipe.input.value_range == (1000, 1255)

    picture = narrow / "train" / "cat" / "0.png"
    shown = decode_image(picture, reading=reading_of(card))
    # The same pixels in 8 bits, which no range changes, must give the same prediction.
    Image.fromarray(shown).save(tmp_path / "same.png")
    deep_image, plain = tlkit.load(run).predict([picture, tmp_path / "same.png"])
    assert deep_image.probabilities == pytest.approx(plain.probabilities, abs=1e-6)
    assert tlkit.evaluate(run, split="train", registry=registry).count == 12


def test_a_card_of_an_earlier_version_reads_files_as_before(tmp_path: Path) -> None:
    fixture = Path(__file__).parents[1] / "runs" / "fixtures" / "run_0_1_0_classification" / "model.json"
    assert "value_range" not in json.loads(fixture.read_text(encoding="utf-8"))
    assert reading_of(RunFolder(fixture.parent).read_card()) == Reading()
