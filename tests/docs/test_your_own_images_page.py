"""Every layout on the page *Your own images* is built from its tree and read with the recipe below it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit
from command_line import tlkit_command
from doc_bench import save_image
from doc_blocks import Block, blocks_of
from PIL import Image
from test_doc_blocks import BASE

from tlkit.contracts import DatasetContext
from tlkit.recipe.load import parse_recipe


def layouts(*names: str) -> list[Any]:
    """The trees of the page, each with the CSV table and the recipe's tables below it; of all or of some data sets."""
    found = []
    tree: Block | None = None
    table = ""
    for block in blocks_of("docs/your-own-images.md"):
        if block.language == "text" and block.text.splitlines()[0].endswith("/"):
            tree, table = block, ""
        elif block.language == "text":
            table = block.text
        elif block.language == "toml" and tree is not None:
            values = tomllib.loads(block.text)
            if not names or values["data"]["name"] in names:
                found.append(pytest.param(tree.text, table, values, id=str(tree)))
            tree = None
    return found


def paths(tree: str) -> list[Path]:
    """The files of a tree that is drawn by indentation."""
    files: list[Path] = []
    folders: list[str] = []
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip())) // 4
        name = line.strip()
        folders = [*folders[:depth], name.removesuffix("/")]
        if not name.endswith("/"):
            files.append(Path(*folders))
    return files


_MASK_VALUES: dict[str, list[Any]] = {
    "oxford_pets": [1, 2, 3],
    "roboflow": [0, 1],
    "voc": [(0, 0, 0), (128, 64, 128), (0, 0, 142)],
}
"""Data set → the values, or colours, of its masks where the recipe does not name them."""


def build(tree: str, table: str, data: dict[str, Any]) -> None:
    """Make the files of a tree: pictures, masks with the values that the recipe names, tables, lists."""
    files = paths(tree)
    values = [int(key) for key in data.get("values", {})] + [int(key) for key in data.get("ignore", [])]
    for number, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".jpg":
            save_image(file, number)
        elif file.suffix == ".png":
            known = [*_MASK_VALUES.get(data["name"], values), *([0] if "other" in data else [])]
            pixels = np.array(known, np.uint8)[np.random.default_rng(number).integers(0, len(known), (40, 48))]
            Image.fromarray(pixels).save(file)
        elif file.suffix in (".csv", ".json", ".xml") or file.name == "labelmap.txt":
            file.write_text(table.replace('"imagePath": "a.jpg"', f'"imagePath": "{file.stem}.jpg"'), encoding="utf-8")
    pets = [file.stem for file in files if file.parent.name == "trimaps"]
    for name, some in (("trainval.txt", pets[::2]), ("test.txt", pets[1::2])):
        for file in (each for each in files if each.name == name):
            breeds = [re.sub(r"_\d+$", "", pet) for pet in pets]
            rows = [f"{pet} {sorted(set(breeds)).index(re.sub(r'_[0-9]+$', '', pet)) + 1} 1 1" for pet in some]
            file.write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.mark.parametrize(("tree", "table", "values"), layouts())
def test_a_layout_of_the_page_is_read_with_the_recipe_of_the_page(tree, table, values, tmp_path, monkeypatch, registry):
    monkeypatch.chdir(tmp_path)
    build(tree, table, values["data"])
    task = values.get("task", "classification")
    small = {"image_size": 32, "validation": 0.5}
    recipe = {"name": "page", "task": task, **BASE[task], **values, "input": small}
    Path("page.toml").write_text(tomlkit.dumps(recipe), encoding="utf-8")
    checked = parse_recipe(tomlkit.dumps(recipe), registry)
    samples = checked.data.record.open(DatasetContext(task, 0), checked.data.options)
    pictures = [file for file in paths(tree) if file.suffix == ".jpg"]
    assert {sample.image for sample in samples.samples} == set(pictures)
    assert not samples.set_aside
    outcome = tlkit_command("check", "page.toml")
    assert outcome.code == 0, outcome.out


RECOGNISED = (
    "folder",
    "masks",
    "oxford_pets",
    "coco",
    "labelme",
    "voc",
    "cvat",
    "roboflow",
    "label_studio",
    "supervisely",
)


@pytest.mark.parametrize(("tree", "table", "values"), layouts(*RECOGNISED))
def test_tlkit_init_recognises_the_first_layouts_of_the_page(tree, table, values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build(tree, table, values["data"])
    folder = tree.splitlines()[0].removesuffix("/")
    assert tlkit_command("init", folder, "--out", "written.toml").code == 0
    written = tomllib.loads(Path("written.toml").read_text(encoding="utf-8"))
    assert written["data"]["name"] == values["data"]["name"]
    assert written["task"] == values.get("task", "classification")


@pytest.mark.parametrize(("tree", "table", "values"), layouts("csv"))
def test_tlkit_init_recognises_the_tables_of_the_page(tree, table, values, tmp_path, monkeypatch, registry):
    monkeypatch.chdir(tmp_path)
    build(tree, table, values["data"])
    assert tlkit_command("init", values["data"]["path"], "--out", "written.toml").code == 0
    written = parse_recipe(Path("written.toml").read_text(encoding="utf-8"), registry)
    task = values.get("task", "classification")
    assert written.task == task
    by_hand = parse_recipe(tomlkit.dumps({"name": "page", "task": task, **BASE[task], **values}), registry)
    read = [each.data.record.open(DatasetContext(task, 0), each.data.options) for each in (written, by_hand)]
    images = [[(each.image, each.label, each.split) for each in found.samples] for found in read]
    assert images[0] == images[1]


@pytest.mark.parametrize("name", ["cifar10.npz", "cells.npz"])
def test_an_npz_file_of_the_page_is_read(tmp_path, monkeypatch, registry, name):
    monkeypatch.chdir(tmp_path)
    arrays = {f"x_{split}": np.zeros((20, 32, 32, 3), np.uint8) for split in ("train", "test")}
    np.savez(name, **arrays, y_train=np.arange(20) % 10, y_test=np.arange(20) % 10)
    (block,) = [each for each in blocks_of("docs/your-own-images.md") if f'"{name}"' in each.text]
    recipe = {"name": "page", "task": "classification", **BASE["classification"], **tomllib.loads(block.text)}
    checked = parse_recipe(tomlkit.dumps(recipe), registry)
    assert len(checked.data.record.open(DatasetContext("classification", 0), checked.data.options).samples) == 40
