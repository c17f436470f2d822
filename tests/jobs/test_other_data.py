"""``tlkit.evaluate`` on other data: its own folder, columns and splits decide, not those of the training."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from evaluate_fakes import BLUE, GREEN, RED, color_model, make_card, plain_image, save_run_with_data
from PIL import Image
from recipe_text import recipe_text

import tlkit
from tlkit.evaluation import evaluator
from tlkit.registry import Registry

COLORS = {"red": RED, "green": GREEN, "blue": BLUE}
INPUT = {"image_size": 8, "batch_size": 4, "validation": 0.4, "group_pattern": "([rgb])[a-z]*[0-9]"}


def save(path: Path, color: tuple[int, int, int], shade: int = 0) -> str:
    """Save an image of about one colour, and return its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(plain_image(color).astype(int) + shade, 0, 255).astype(np.uint8)).save(path)
    return path.name


def write_table(path: Path, columns: str, rows: list[str]) -> Path:
    path.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def table_run(tmp_path: Path, registry: Registry) -> Path:
    """A run on a table whose images lie in ``old``, with columns of splits and groups."""
    rows = []
    for name, color in COLORS.items():
        for number in range(5):
            file = save(tmp_path / "old" / f"{name[0]}_{number}.png", color, number)
            rows.append(f"{file},{name},{'validation' if number > 2 else 'train'},{file}")
    table = write_table(tmp_path / "old.csv", "image,label,split,patient", rows)
    data = {"name": "csv", "path": table, "root": tmp_path / "old", "split": "split", "group": "patient"}
    text = recipe_text(data=data, input={**INPUT, "group_pattern": "(.*)"})
    return save_run_with_data(tmp_path / "run", color_model(), make_card(), text, registry).path


@pytest.fixture
def new_table(tmp_path: Path) -> Path:
    """A table beside images of the training images' names, all of which show another colour than the label says."""
    rows = [
        f"{save(tmp_path / 'new' / f'{name[0]}_{number}.png', (90, 90, 200), number)},{name}"
        for name in COLORS
        for number in range(3)
    ]
    return write_table(tmp_path / "new" / "new.csv", "image,label", rows)


def test_a_new_table_is_measured_on_the_images_beside_it_not_on_the_training_images(table_run, new_table, registry):
    result = tlkit.evaluate(table_run, data=new_table, registry=registry)
    assert (result.split, result.count) == ("data", 9)
    assert result.metrics["accuracy"] == pytest.approx(1 / 3)
    assert result.metrics["per_class"]["blue"]["recall"] == 1.0
    assert result.notes == ()


def test_training_images_among_other_data_are_counted(table_run, tmp_path, registry):
    shutil.copytree(tmp_path / "old", tmp_path / "copy")
    save(tmp_path / "copy" / "x.png", RED, 40)
    rows = [f"{file.name},{'red'}" for file in sorted((tmp_path / "copy").glob("[rx]*.png"))]
    result = tlkit.evaluate(
        table_run, data=write_table(tmp_path / "copy" / "t.csv", "image,label", rows), registry=registry
    )
    assert result.notes == (
        "3 training images and 2 validation images of this run are among the 6 images measured, so the metrics are "
        "better than they would be on new images",
    )


def test_the_splits_of_other_data_are_told_and_one_can_be_measured(table_run, new_table, registry):
    rows = new_table.read_text(encoding="utf-8").splitlines()[1:]
    splits = ["test" if place < 2 else "train" for place in range(len(rows))]
    write_table(new_table, "image,label,split", [f"{row},{split}" for row, split in zip(rows, splits, strict=True)])
    whole = tlkit.evaluate(table_run, data=new_table, registry=registry)
    assert (whole.split, whole.count) == ("data", 9)
    assert "the data has splits (7 train, 2 test); all 9 images are measured together" in whole.notes[0]
    part = tlkit.evaluate(table_run, data=new_table, split="test", registry=registry)
    assert (part.split, part.count, part.notes) == ("test", 2, ())
    with pytest.raises(tlkit.DataError, match="no validation images: its splits are 7 train, 2 test"):
        tlkit.evaluate(table_run, data=new_table, split="validation", registry=registry)


def test_a_table_without_the_column_names_the_key_and_a_table_of_values_sets_it(table_run, new_table, registry):
    write_table(new_table, "image,colour", new_table.read_text(encoding="utf-8").splitlines()[1:])
    with pytest.raises(tlkit.DataError, match=r"no column \"label\".*data\.label"):
        tlkit.evaluate(table_run, data=new_table, registry=registry)
    assert tlkit.evaluate(table_run, data={"path": new_table, "label": "colour"}, registry=registry).count == 9
    with pytest.raises(tlkit.RecipeError, match=r'data\.labl: unknown option .* did you mean "label"'):
        tlkit.evaluate(table_run, data={"path": new_table, "labl": "colour"}, registry=registry)


def test_a_folder_for_a_run_on_a_table_says_how_to_read_it(table_run, tmp_path, registry):
    for name, color in COLORS.items():
        save(tmp_path / "folders" / name / "a.png", color, 7)
    with pytest.raises(tlkit.DataError, match=r"is a folder; .* data\.name=folder"):
        tlkit.evaluate(table_run, data=tmp_path / "folders", registry=registry)
    result = tlkit.evaluate(table_run, data={"name": "folder", "path": tmp_path / "folders"}, registry=registry)
    assert (result.count, result.metrics["accuracy"]) == (3, 1.0)


def test_a_table_for_a_run_on_folders_says_how_to_read_it(table_run, new_table, tmp_path, registry):
    data = {"name": "folder", "path": tmp_path / "none"}
    (table_run / "recipe.toml").write_text(recipe_text(data=data, input=INPUT), encoding="utf-8")
    with pytest.raises(tlkit.DataError, match=r"is a file, .* It looks like data for csv .* add --set data\.name=csv"):
        tlkit.evaluate(table_run, data=new_table, registry=registry)
    assert tlkit.evaluate(table_run, data={"name": "csv", "path": new_table}, registry=registry).count == 9


def test_an_unknown_class_is_told_before_an_image_is_decoded_or_the_model_loaded(table_run, tmp_path, registry):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"no image")
    rows = [f"{number}.png,violet" for number in range(3)]
    table = write_table(tmp_path / "violet.csv", "image,label", rows)
    (table_run / "model.keras").unlink()
    with pytest.raises(tlkit.DataError, match="the model has no class violet; it was trained on red, green, blue"):
        tlkit.evaluate(table_run, data=table, registry=registry)


def test_a_class_that_is_nearly_the_models_is_suggested(table_run, tmp_path, registry):
    save(tmp_path / "a.png", GREEN)
    table = write_table(tmp_path / "g.csv", "image,label", ["a.png,Green"])
    with pytest.raises(tlkit.DataError, match='did you mean "green"'):
        tlkit.evaluate(table_run, data=table, registry=registry)


def test_nothing_at_the_path_is_an_error(table_run, tmp_path, registry):
    with pytest.raises(tlkit.DataError, match="none: no such file or folder"):
        tlkit.evaluate(table_run, data=tmp_path / "none", registry=registry)


def test_plugins_of_parts_that_are_not_used_may_be_missing(table_run, new_table, registry):
    recipe = table_run / "recipe.toml"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace('"linear"', '"gone"').replace('"full"', '"gone_too"'), encoding="utf-8")
    assert tlkit.evaluate(table_run, registry=registry).split == "validation"
    assert tlkit.evaluate(table_run, data=new_table, registry=registry).count == 9
    recipe.write_text(text.replace('"csv"', '"gone"'), encoding="utf-8")
    with pytest.raises(tlkit.RecipeError, match='no dataset "gone"'):
        tlkit.evaluate(table_run, registry=registry)


# Other data sets ----------------------------------------------------------------------------------------------------


@pytest.fixture
def masks_run(tmp_path: Path, registry: Registry) -> Callable[..., Path]:
    """Write the run of a segmentation whose images and masks lie in two folders."""

    def write(images: str, masks: str, suffix: str = "") -> Path:
        write_masks(tmp_path / images, tmp_path / masks, suffix)
        values = {"0": "red", "1": "green", "2": "blue"}
        data = {"name": "masks", "images": tmp_path / images, "masks": tmp_path / masks, "values": values}
        text = recipe_text(task="segmentation", data={**data, "mask_suffix": suffix}, input=INPUT, head=None)
        text += '[head]\nname = "linear_seg"\n'
        card = make_card(task="segmentation")
        return save_run_with_data(tmp_path / "run", color_model(pixels=True), card, text, registry).path

    return write


def write_masks(images: Path, masks: Path, suffix: str = "", *, right: bool = True) -> None:
    images, masks = (Path(str(each).replace("{split}", "train")) for each in (images, masks))
    for place, (name, color) in enumerate(COLORS.items()):
        for number in range(3):
            save(images / f"{name}{number}.png", color, number)
            masks.mkdir(parents=True, exist_ok=True)
            value = place if right else (place + 1) % 3
            Image.fromarray(np.full((8, 8), value, np.uint8)).save(masks / f"{name}{number}{suffix}.png")


@pytest.mark.parametrize(
    ("images", "masks", "suffix"),
    [
        ("data/images", "data/masks", ""),
        ("data/imgs", "data/labels", ""),
        ("pictures", "truth", ""),
        ("data", "data/masks", ""),
        ("data", "data", "_mask"),
        ("data/train/images", "data/train/masks", ""),
        ("data/{split}/images", "data/{split}/masks", ""),
        ("data/{split}", "data/{split}annot", ""),
    ],
)
def test_other_masks_are_found_in_folders_of_the_same_names(masks_run, tmp_path, registry, images, masks, suffix):
    run = masks_run(images, masks, suffix)
    above = Path(*Path(images).parts[:1])
    inner = [Path(each).relative_to(above) if each.startswith("data") else Path(each) for each in (images, masks)]
    write_masks(tmp_path / "other" / inner[0], tmp_path / "other" / inner[1], suffix, right=False)
    at = tmp_path / "other" / "train" if "data/train" in images else tmp_path / "other"
    result = tlkit.evaluate(run, data=at, registry=registry)
    assert result.count == 9
    assert result.metrics["mean_iou"] == 0.0


def test_masks_that_are_not_found_are_an_error_that_names_the_folders(masks_run, tmp_path, registry):
    run = masks_run("data/imgs", "data/labels")
    (tmp_path / "other" / "pictures").mkdir(parents=True)
    with pytest.raises(
        tlkit.DataError, match=r"expected the folders imgs and labels, or images and masks .*data\.images"
    ):
        tlkit.evaluate(run, data=tmp_path / "other", registry=registry)
    write_masks(tmp_path / "a", tmp_path / "b")
    result = tlkit.evaluate(run, data={"images": tmp_path / "a", "masks": tmp_path / "b"}, registry=registry)
    assert result.metrics["mean_iou"] == 1.0


class PlacedOptions(tlkit.Options):
    """A data set of a plugin that says nothing about other data."""

    path: Path
    lists: Path | None = None
    prefix: str = ""


def open_placed(ctx: tlkit.DatasetContext, options: PlacedOptions) -> tlkit.SampleSet:
    assert options.prefix == "r"
    assert options.lists is None or options.lists.name == "lists"
    files = sorted(options.path.glob(f"{options.prefix}*.png"))
    classes = ("red", "green")
    samples = tuple(tlkit.Sample(file.name, file, label=place % 2) for place, file in enumerate(files))
    assert options.lists is None or options.path.name == "old"
    return tlkit.SampleSet(samples=samples, classes=classes, root=options.path)


@pytest.fixture
def placed(table_run: Path) -> tuple[Path, tlkit.Dataset]:
    """A run whose data is that of a plugin."""
    dataset = tlkit.Dataset(
        name="placed", summary="s", options=PlacedOptions, open=open_placed, tasks=("classification",)
    )
    data = {"name": "placed", "path": table_run.parent / "old", "lists": table_run.parent / "lists", "prefix": "r"}
    (table_run / "recipe.toml").write_text(recipe_text(data=data, input=INPUT), encoding="utf-8")
    return table_run, dataset


def test_the_data_set_of_a_plugin_keeps_no_path_but_the_new_one(placed, tmp_path):
    run, dataset = placed
    for number in range(2):
        save(tmp_path / "other" / f"r{number}.png", RED, 50 + number)
    result = tlkit.evaluate(run, data=tmp_path / "other", registry=tlkit.plugins(dataset))
    assert (result.count, result.metrics["accuracy"]) == (2, 0.5)


def test_a_plugin_that_relocates_to_something_else_broke_its_contract(placed, tmp_path):
    run, dataset = placed
    broken = dataclasses.replace(dataset, relocate=lambda _options, path: path)
    with pytest.raises(tlkit.PluginError, match='dataset "placed": expected relocate to return PlacedOptions'):
        tlkit.evaluate(run, data=tmp_path, registry=tlkit.plugins(broken))


def test_data_that_is_read_from_no_path_can_be_replaced_by_a_folder(table_run, tmp_path, registry):
    (table_run / "recipe.toml").write_text(recipe_text(input=INPUT), encoding="utf-8")
    save(tmp_path / "folders" / "red" / "a.png", RED, 9)
    with pytest.raises(tlkit.DataError, match=r'"digits" of this run is not read from a path .*data\.name=folder'):
        tlkit.evaluate(table_run, data=tmp_path / "folders", registry=registry)
    result = tlkit.evaluate(table_run, data={"name": "folder", "path": tmp_path / "folders"}, registry=registry)
    assert result.metrics["accuracy"] == 1.0


def test_exhausted_memory_is_a_run_error(table_run, registry, monkeypatch):
    class Exhausted:
        def measure(self, _measurement: object) -> None:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(evaluator, "task_evaluation", lambda _card: Exhausted())
    with pytest.raises(tlkit.RunError, match=r"needs more memory than there is for 4 images .* fewer images at a time"):
        tlkit.evaluate(table_run, registry=registry)
