"""Small photographs for tests: a tint for each class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def write_photos(root: Path, classes: Mapping[str, int], size: tuple[int, int] = (40, 32)) -> Path:
    """Write a folder of class folders with images ``000.png``, ``001.png`` and so on.

    Args:
        root: the folder.
        classes: class → how many images it has.
        size: their width and height.
    """
    random = np.random.default_rng(0)
    for number, (label, count) in enumerate(classes.items()):
        (root / label).mkdir(parents=True)
        for index in range(count):
            pixels = random.integers(0, 60, (size[1], size[0], 3))
            pixels[..., number % 3] += 150 + 20 * (number // 3)
            Image.fromarray(pixels.astype(np.uint8)).save(root / label / f"{index:03d}.png")
    return root
