"""The perceptual hash of a picture: that of imagehash, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from imagehash import phash
from PIL import Image

from tlkit.data.checks.picture_hash import picture_hash


@pytest.mark.parametrize("seed", range(30))
def test_the_hash_has_the_bits_of_imagehash(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width = (int(side) for side in random.integers(32, 200, 2))
    coarse = random.integers(0, 256, (int(random.integers(2, 9)), 7), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    if seed % 3 == 0:
        image.paste(200, (3, 3, 20, 20))
    assert picture_hash(image) == np.packbits(phash(image, 16).hash).tobytes().hex()


def test_a_nearly_flat_picture_has_none() -> None:
    levels = np.full((50, 60), 100, np.uint8)
    levels[::2] += 3
    assert levels.std() < 2
    assert picture_hash(Image.fromarray(levels)) == ""
    levels[::2] += 2
    assert picture_hash(Image.fromarray(levels)) != ""
