"""The images, masks and recipes that the state machine works with: small enough for a run of a second."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from recipe_text import recipe_text

PER_CLASS = 8
SIDE = 8
VARIANTS = 5
"""What the changing image may be: as at first, other pixels, a copy of another image of its class or of the other
class, and no image. All have the same number of bytes."""
CHANGING = "photos/a/3.bmp"
_LEARNING = {"learning_rate": 0.1}

KINDS: Mapping[str, Mapping[str, Any]] = {
    "frozen": {"schedule": {"name": "frozen", **_LEARNING}, "train": {"cache": "on"}},
    "views": {
        "schedule": {"name": "frozen", **_LEARNING},
        "augment": [{"name": "flip"}],
        "train": {"cache": "on", "views": 2, "checkpoint_steps": 2},
    },
    "full": {
        "schedule": {"name": "full", **_LEARNING},
        "augment": [{"name": "flip"}],
        "head": {"name": "linear", "dropout": 0.2},
        "train": {"checkpoint_steps": 1, "ema": 0.9},
    },
    "masks": {"schedule": {"name": "frozen", **_LEARNING}, "train": {"cache": "on"}},
    "table": {"schedule": {"name": "full", **_LEARNING}, "train": {"checkpoint_steps": 1}},
    "coco": {"schedule": {"name": "full", **_LEARNING}, "train": {"checkpoint_steps": 1}},
}
SEGMENTATION = ("masks", "table", "coco")
_VALUES = {"0": "ground", "255": "thing"}


def image_bytes(root: Path, variant: int) -> bytes:
    """Return the bytes of the changing image."""
    if variant in (2, 3):
        return (root / f"photos/{'ab'[variant - 2]}/0.bmp").read_bytes()
    if variant == 4:
        return b"no image".ljust((root / "photos/a/0.bmp").stat().st_size, b"\n")
    file = root / ".made.bmp"
    Image.fromarray(_pixels(f"{CHANGING} {variant}", 0)).save(file)
    content = file.read_bytes()
    file.unlink()
    return content


def write_data(root: Path, variant: int = 0) -> None:
    """Write photos in class folders, and scenes with their masks, a table and COCO annotations of them."""
    for number, label in enumerate("ab"):
        (root / "photos" / label).mkdir(parents=True)
        for index in range(PER_CLASS):
            name = f"photos/{label}/{index}.bmp"
            Image.fromarray(_pixels(name, number)).save(root / name)
    (root / CHANGING).write_bytes(image_bytes(root, variant))
    for folder in ("images", "masks"):
        (root / "scenes" / folder).mkdir(parents=True)
    annotations = []
    for index in range(PER_CLASS):
        x, y, size = index % 3, index % 4, 4
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[y : y + size, x : x + size] = 255
        pixels = _pixels(f"scene {index}", 0)
        pixels[mask > 0, 2] = 250
        Image.fromarray(pixels).save(root / f"scenes/images/{index}.png")
        Image.fromarray(mask).save(root / f"scenes/masks/{index}.png")
        annotations.append(
            {"id": index + 1, "image_id": index, "category_id": 1, "bbox": [x, y, size, size], "iscrowd": 0}
            | {"area": size * size, "segmentation": [[x, y, x + size, y, x + size, y + size, x, y + size]]}
        )
    images = [{"id": n, "file_name": f"{n}.png", "width": SIDE, "height": SIDE} for n in range(PER_CLASS)]
    coco = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (root / "scenes/coco.json").write_text(json.dumps(coco))
    with (root / "scenes/table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["image", "mask"], *([f"images/{n}.png", f"masks/{n}.png"] for n in range(PER_CLASS))]
        )


def write_recipe(root: Path, kind: str, epochs: int) -> Path:
    """Write a recipe for the data below ``root``, unless it is there, and return its file."""
    file = root / "recipes" / f"{kind}-{epochs}.toml"
    if file.is_file():
        return file
    scenes = root / "scenes"
    data = {
        "masks": {"name": "masks", "images": scenes / "images", "masks": scenes / "masks", "values": _VALUES},
        "table": {"name": "csv", "path": scenes / "table.csv", "mask": "mask", "values": _VALUES},
        "coco": {"name": "coco", "path": scenes / "coco.json", "images": scenes / "images"},
    }.get(kind, {"name": "folder", "path": root / "photos"})
    tables = {key: value for key, value in KINDS[kind].items() if key != "schedule"}
    if kind in SEGMENTATION:
        tables |= {"head": {"name": "linear_seg"}, "task": "segmentation"}
    file.parent.mkdir(exist_ok=True)
    file.write_text(
        recipe_text(
            name=kind,
            data=data,
            input={"image_size": SIDE, "batch_size": 4, "max_bad_share": 0.5},
            backbone={"name": "small_cnn", "filters": [4]},
            schedule={**KINDS[kind]["schedule"], "epochs": epochs},
            **tables,
        )
    )
    return file


def replace_in_place(file: Path, content: bytes) -> None:
    """Write a file as ``rsync -t`` would: with the time it had, and as a new file."""
    before = file.stat()
    temporary = file.with_name(".new")
    temporary.write_bytes(content)
    os.utime(temporary, ns=(before.st_atime_ns, before.st_mtime_ns))
    temporary.replace(file)


def _pixels(name: str, color: int) -> np.ndarray:
    """Return pixels that a name determines, mostly of one colour."""
    random = np.random.default_rng(list(name.encode()))
    pixels = random.integers(0, 160, (SIDE, SIDE, 3), dtype=np.uint8)
    pixels[..., color] += 90
    return pixels
