"""The perceptual hash of a picture: that of imagehash, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from imagehash import phash
from PIL import Image

from tlkit.data.checks.picture_hash import PictureHashes


def hashes_of(*images: Image.Image) -> list[str]:
    hashes = PictureHashes()
    for number, image in enumerate(images):
        hashes.add(str(number), image)
    made = hashes.made()
    return [made.get(str(number), "") for number in range(len(images))]


@pytest.mark.parametrize("seed", range(30))
def test_the_hash_has_the_bits_of_imagehash(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width = (int(side) for side in random.integers(32, 200, 2))
    coarse = random.integers(0, 256, (int(random.integers(2, 9)), 7), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    if seed % 3 == 0:
        image.paste(200, (3, 3, 20, 20))
    expected = np.packbits(phash(image, 16).hash).tobytes().hex()
    turned = image.transpose(Image.Transpose.ROTATE_90)
    alone, together = hashes_of(image), hashes_of(turned, image, turned, image)
    assert alone == [expected]
    assert together == [*hashes_of(turned), expected, *hashes_of(turned), expected]


def test_a_nearly_flat_picture_has_none() -> None:
    levels = np.full((50, 60), 100, np.uint8)
    levels[::2] += 3
    assert levels.std() < 2
    flat = Image.fromarray(levels.copy())
    levels[::2] += 2
    some = Image.fromarray(levels)
    assert [bool(each) for each in hashes_of(flat, some, flat)] == [False, True, False]
    assert hashes_of() == []
