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
from datumaro_items import items

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


def main(folder: Path) -> None:
    categories = {AnnotationType.label: LabelCategories.from_iterable(NAMES)}
    made = dm.Dataset.from_iterable(list(items(40, annotations)), categories=categories, media_type=Image)
    made.export(str(folder / "cvat"), "cvat", save_media=True)
    made.transform("polygons_to_masks").export(str(folder / "voc"), "voc_segmentation", save_media=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
