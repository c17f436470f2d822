"""Stand-ins for models, cards and data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tlkit.contracts import Sample, SetAside
from tlkit.recipe.load import load_recipe
from tlkit.registry import Registry
from tlkit.runs.card import Card, Part
from tlkit.runs.folder import RunFolder


def make_card(**changes: Any) -> Card:
    values: dict[str, Any] = {
        "tlkit": "0.1.0",
        "name": "tiny",
        "task": "classification",
        "classes": ("red", "green", "blue"),
        "label_kind": "single",
        "image_size": (8, 8),
        "resize": "stretch",
        "colors": ((230, 159, 0), (86, 180, 233), (0, 158, 115)),
        "backbone": Part(name="tiny", options={}),
        "head": Part(name="linear", options={}),
    }
    values |= changes
    values["colors"] = tuple((10 * i % 256, 20, 30) for i in range(len(values["classes"])))
    return Card(**values)


def color_model(size: tuple[int, int] = (8, 8), *, pixels: bool = False, binary: bool = False) -> Any:
    """Return a model whose logits are the red, green and blue, or red minus green, of an image or of each pixel."""
    import keras

    images = keras.Input((*size, 3))
    kernel = np.eye(3, dtype=np.float32) / 10
    if binary:
        kernel = np.array([[0.1], [-0.1], [0.0]], np.float32)
    values = images if pixels else keras.layers.GlobalAveragePooling2D()(images)
    layer = keras.layers.Conv2D(3, 1, use_bias=False) if pixels else keras.layers.Dense(kernel.shape[1], use_bias=False)
    model = keras.Model(images, layer(values))
    layer.set_weights([kernel[None, None] if pixels else kernel])
    return model


def plain_image(color: tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> np.ndarray:
    return np.full((*size, 3), color, np.uint8)


RED, GREEN, BLUE = (200, 20, 20), (20, 200, 20), (20, 20, 200)


class StandInData:
    """A stand-in for ``tlkit.data.prepare.Data`` with what evaluation and reports read of it."""

    def __init__(
        self,
        images: np.ndarray,
        splits: list[str],
        classes: tuple[str, ...],
        labels: np.ndarray | None = None,
        masks: np.ndarray | None = None,
        keys: list[str] | None = None,
        set_aside: tuple[SetAside, ...] = (),
    ) -> None:
        keys = keys or [f"{row}.png" for row in range(len(images))]
        self.samples = tuple(Sample(key, row) for row, key in enumerate(keys))
        self.splits = np.array(splits)
        self.classes = classes
        self.groups = (None,) * len(images)
        self.colors: dict[int, tuple[int, int, int]] = {}
        self.labels = labels
        self.store = SimpleNamespace(images=images, masks=masks)
        self.set_aside = set_aside
        self.notes: tuple[str, ...] = ()

    def indices(self, split: str) -> np.ndarray:
        return np.flatnonzero(self.splits == split).astype(np.int64)

    def class_counts(self, split: str) -> np.ndarray:
        values = self.store.masks if self.labels is None else self.labels
        counted = values[self.indices(split)]
        if self.labels is not None and self.labels.ndim == 2:
            return np.asarray(counted.sum(0), np.float64)
        counts = np.bincount(counted.reshape(-1), minlength=max(256, len(self.classes)))
        return counts[: len(self.classes)].astype(np.float64)


@pytest.fixture
def run_folder(tmp_path: Path) -> RunFolder:
    path = tmp_path / "run"
    path.mkdir()
    return RunFolder(path)


def save_run(folder: RunFolder, model: Any, card: Card) -> None:
    model.save(folder.model)
    folder.write_json(folder.card, card.model_dump(mode="json"))


def save_run_with_data(path: Path, model: Any, card: Card, recipe: str, registry: Registry) -> RunFolder:
    """Write the folder of a finished run: a model, a recipe, and the ``samples.csv`` of its data."""
    from tlkit.data.prepare import open_data
    from tlkit.data.settings import DataSettings

    path.mkdir()
    folder = RunFolder(path)
    save_run(folder, model, card)
    folder.recipe.write_text(recipe, encoding="utf-8")
    checked = load_recipe(folder.recipe, registry)
    with tempfile.TemporaryDirectory() as cache:
        settings = DataSettings(checked.data, checked.input, checked.task, seed=0)
        open_data(settings, Path(cache)).write_samples_csv(folder.samples)
    return folder
