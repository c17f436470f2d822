"""A run of a few numbers whose model the tiny format of ``fake_exporters`` can hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from evaluate_fakes import BLUE, GREEN, RED, color_model, make_card, save_run_with_data
from PIL import Image
from recipe_text import recipe_text

from tlkit.registry import Registry

COLORS = {"red": RED, "green": GREEN, "blue": BLUE}


def write_tinted(root: Path, count: int = 8) -> Path:
    """Write class folders of images whose left and right halves have different colours."""
    random = np.random.default_rng(0)
    for name, color in COLORS.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.clip(np.array(color) // 2 + random.integers(0, 90, (12, 8, 3)), 0, 255)
            pixels[:, 4:] = pixels[:, 4:, ::-1] // 3
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{number}.png")
    return root


def tiny_run(folder: Path, registry: Registry, **changes: Any) -> Path:
    """Write the run folder ``run`` with its photos beside it, and return it.

    Args:
        folder: an empty folder.
        registry: the plugins.
        changes: what is different in the card.
    """
    photos = write_tinted(folder / "photos")
    classes = changes.get("classes", ("red", "green", "blue"))
    if len(classes) == 2:
        for name in set(COLORS) - set(classes):
            for each in (photos / name).iterdir():
                each.unlink()
            (photos / name).rmdir()
    text = recipe_text(
        data={"name": "folder", "path": photos}, input={"image_size": 8, "batch_size": 4, "validation": 0.4}
    )
    card = make_card(**{"resize": "crop", **changes})
    model = color_model(binary=card.label_kind == "binary")
    return save_run_with_data(folder / "run", model, card, text, registry).path
