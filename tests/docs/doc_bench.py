"""What the working folder of the documentation's tests is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

RECIPE = """\
name = "photos"
task = "classification"

[data]
name = "folder"
path = "photos"

[input]
image_size = 32
batch_size = 8
validation = 0.25
test = 0.2

[backbone]
name = "small_encoder"
filters = [8, 16]
convs = 1

[head]
name = "linear"

[schedule]
name = "full"
epochs = 2
learning_rate = 0.01
"""


def save_image(file: Path, seed: int) -> None:
    """Save a picture of noise; another seed gives another picture."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
