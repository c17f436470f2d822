"""Write a data set as CVAT's XML and as Pascal VOC masks with datumaro; run outside tlkit's environment.

Usage: datumaro_cvat.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import datumaro as dm
import numpy as np
from datumaro.components.annotation import AnnotationType, LabelCategories, Mask, Polygon
from datumaro.components.media import Image

NAMES = ("cat", "dog: small", "tree")


def annotations(random, height, width):
    for number in range(1, int(random.integers(2, 6))):
        keys = {
            "label": int(random.integers(0, 3)),
            "id": number,
            "group": number,
            "z_order": int(random.integers(0, 3)),
        }
        if random.random() < 0.6:
            # Whole and half numbers: datumaro keeps 32 bits of coordinates, which decide pixels for other numbers.
            points = np.round(random.random((int(random.integers(3, 9)), 2)) * [width, height] * 2) / 2
            yield Polygon(points.ravel().tolist(), **keys)
        else:
            yield Mask(random.random((height, width)) < 0.3, **keys)


def items():
    random = np.random.default_rng(0)
    for number in range(40):
        height, width = random.integers(12, 90, 2).tolist()
        pixels = random.integers(0, 255, (height, width, 3)).astype(np.uint8)
        yield dm.DatasetItem(
            id=f"d{number % 3}/image {number}",
            subset="val" if number % 5 == 4 else "train",
            media=Image.from_numpy(pixels),
            annotations=list(annotations(random, height, width)),
        )


def main(folder: Path) -> None:
    categories = {AnnotationType.label: LabelCategories.from_iterable(NAMES)}
    made = dm.Dataset.from_iterable(list(items()), categories=categories, media_type=Image)
    made.export(str(folder / "cvat"), "cvat", save_media=True)
    made.transform("polygons_to_masks").export(str(folder / "voc"), "voc_segmentation", save_media=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
