"""A recipe for 24 small images of two classes, and what must be the same in two runs of it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from photos import write_photos
from recipe_text import recipe_text

TABLES = ("metrics.csv", "metrics.json", "predictions.csv", "samples.csv", "freeze.csv")
"""The files of a run that must not depend on where or when it ran."""


def write_cats_and_dogs(folder: Path, *, pixels: int = 24, image_size: int = 16, epochs: int = 6) -> Path:
    """Write the images and the recipe, ``r.toml``; return that."""
    write_photos(folder / "photos", {"cat": 12, "dog": 12}, (pixels, pixels))
    text = recipe_text(
        data={"name": "folder", "path": folder / "photos"},
        input={"image_size": image_size, "batch_size": 4, "test": 0.2},
        backbone={"name": "small_cnn", "filters": [8]},
        schedule={"epochs": epochs, "learning_rate": 0.01},
    )
    (folder / "r.toml").write_text(text, encoding="utf-8")
    return folder / "r.toml"


def run_bytes(run: Path, names: Iterable[str] = TABLES) -> dict[str, bytes]:
    """Return the bytes of files of a run, and those of its weights.

    The other parts of ``model.keras`` have the date, and numbers that Keras gives to objects of a process.
    """
    found = {name: (run / name).read_bytes() for name in names}
    with zipfile.ZipFile(run / "model.keras") as model:
        found["weights"] = model.read("model.weights.h5")
    return found
