"""Reports of runs that never were: images, labels and predictions are made up, and nothing is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from evaluate_fakes import StandInData, make_card
from recipe_text import recipe_text

from tlkit.recipe.load import parse_recipe
from tlkit.registry.discovery import make_registry
from tlkit.report.write_results import Additions, write_results
from tlkit.runs.folder import RunFolder

SIDE = 32


@dataclass(frozen=True)
class MadeLogits:
    """Logits that no network computed."""

    values: np.ndarray
    at_once: int = 64

    def batches(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(rows), self.at_once):
            yield self.values[rows[start : start + self.at_once]]


def made_classification(
    path: Path, classes: Sequence[str], *, images: int = 300, kind: str = "single", names: str = "{}.png", seed: int = 0
) -> RunFolder:
    """Write the report of a classification in an empty folder.

    Args:
        path: the folder.
        classes: class names.
        images: the number of images, a tenth of them for training.
        kind: the label kind.
        names: the pattern of file names.
        seed: the seed of all that is made up.
    """
    rng = np.random.default_rng(seed)
    colors = rng.integers(0, 256, (len(classes), 3))
    labels: np.ndarray = rng.integers(0, len(classes), images).astype(np.int32)
    logits = rng.normal(0, 1.2, (images, len(classes))).astype(np.float32)
    logits[np.arange(images), labels] += 2.5
    pictures = colors[labels][:, None, None] + rng.normal(0, 30, (images, SIDE, SIDE, 3))
    if kind == "binary":
        logits = logits[:, 1:] - logits[:, :1]
    elif kind == "multi":
        labels = (rng.random((images, len(classes))) < 0.3).astype(np.float32)
        logits = (3 * labels - 1.5 + rng.normal(0, 1.5, labels.shape)).astype(np.float32)
    data = StandInData(
        pictures.clip(0, 255).astype(np.uint8),
        _splits(images),
        tuple(classes),
        labels,
        keys=[names.format(row) for row in range(images)],
    )
    card = make_card(classes=tuple(classes), label_kind=kind, image_size=(SIDE, SIDE), name=f"{len(classes)} classes")
    return _written(path, card, data, logits)


def made_segmentation(path: Path, classes: Sequence[str], *, images: int = 24, seed: int = 0) -> RunFolder:
    """Write the report of a segmentation in an empty folder; its images have a square of a class each."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((images, SIDE, SIDE), np.uint8)
    for mask in masks:
        top, left = rng.integers(0, SIDE // 2, 2)
        mask[top : top + SIDE // 2, left : left + SIDE // 2] = rng.integers(1, len(classes))
    masks[:, 0] = 255
    truth = np.eye(len(classes), dtype=np.float32)[np.where(masks == 255, 0, masks)]
    logits = 3 * truth + rng.normal(0, 1.2, truth.shape).astype(np.float32)
    pictures = (60 * masks[..., None].astype(int) + rng.normal(40, 20, (*masks.shape, 3))).clip(0, 255)
    data = StandInData(pictures.astype(np.uint8), _splits(images), tuple(classes), masks=masks)
    card = make_card(classes=tuple(classes), task="segmentation", image_size=(SIDE, SIDE), name="squares")
    return _written(path, card, data, logits)


def _splits(images: int) -> list[str]:
    return ["train" if row % 10 == 0 else "test" if row % 10 < 4 else "validation" for row in range(images)]


def _written(path: Path, card: Any, data: StandInData, logits: np.ndarray) -> RunFolder:
    path.mkdir()
    folder = RunFolder(path)
    lines = ["phase,epoch,loss,accuracy,val_loss,val_accuracy,learning_rate"]
    for epoch in range(1, 9):
        phase, rate = ("head", 0.001) if epoch < 5 else ("finetune", 0.0001)
        lines.append(f"{phase},{epoch},{2 / epoch},{1 - 0.5 / epoch},{2.2 / epoch},{1 - 0.6 / epoch},{rate}")
    folder.history.write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = parse_recipe(recipe_text(), make_registry(environ={}))
    write_results(folder, card, data, MadeLogits(logits), recipe=recipe, added=Additions())  # type: ignore[arg-type]
    return folder
