"""The images that are measured: copies of real photos, and many small ones that are drawn."""

from __future__ import annotations

import os
import shutil
from itertools import product
from pathlib import Path


def lay_out_photos(pets: Path, root: Path, number: int, *, linked: bool) -> None:
    """Write one folder per breed with ``number`` JPEGs in all, the published ones repeated as needed.

    Each file contains its own name as a comment, so that no two have the same bytes unless they are links.

    Args:
        pets: the folder with ``images``.
        root: the folder to write.
        number: the number of images.
        linked: make the repetitions hard links to one copy, so that the disk holds each image once.
    """
    images = sorted((pets / "images").glob("*.jpg"))
    originals: dict[Path, Path] = {}
    for _, (turn, image) in zip(range(number), product(range(1, number + 1), images), strict=False):
        folder = root / image.stem.rsplit("_", 1)[0]
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{image.stem}_{turn}.jpg"
        if linked and image in originals:
            os.link(originals[image], target)
        else:
            target.write_bytes(_with_comment(image.read_bytes(), target.name))
            originals[image] = target


def lay_out_photos_with_masks(pets: Path, root: Path, number: int) -> None:
    """Write ``images`` with JPEGs and ``masks`` with trimaps of the same names."""
    folders = root / "images", root / "masks"
    for folder in folders:
        folder.mkdir(parents=True)
    for image in sorted((pets / "images").glob("*.jpg"))[:number]:
        trimap = pets / "annotations" / "trimaps" / f"{image.stem}.png"
        for file, folder in zip((image, trimap), folders, strict=True):
            shutil.copyfile(file, folder / file.name)


def lay_out_small_images(root: Path, number: int, folders: int) -> None:
    """Write ``number`` JPEGs of 96×72 pixels, no two alike, in ``folders`` folders of the same size."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for place in range(folders):
        folder = root / f"class_{place:04d}"
        folder.mkdir(parents=True)
        for image in range(place, number, folders):
            coarse = random.integers(0, 256, (9, 12, 3), np.uint8)
            Image.fromarray(coarse).resize((96, 72), Image.Resampling.BICUBIC).save(folder / f"{image}.jpg")


def _with_comment(jpeg: bytes, text: str) -> bytes:
    """Return the JPEG with a comment segment added (COM, ITU-T T.81 B.2.4.5)."""
    comment = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]
