"""Write a COCO data set with datumaro, read it with datumaro, and draw what it read; run outside tlkit's environment.

Usage: datumaro_coco.py FOLDER [COCO]; with the second folder, nothing is written but what datumaro reads there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import datumaro as dm
import numpy as np
from datumaro.components.annotation import AnnotationType, LabelCategories, Mask, Polygon
from datumaro.components.media import Image
from datumaro.util.mask_tools import rles_to_mask
from datumaro_items import items

NAMES = ("cat", "ünï cörn", "dog")


def annotations(random, height, width):
    for number in range(1, int(random.integers(2, 6))):
        keys = {"label": int(random.integers(0, 3)), "id": number, "group": number}
        if random.random() < 0.6:
            points = random.random((int(random.integers(3, 9)), 2)) * [width, height]
            yield Polygon(points.ravel().tolist(), **keys)
        else:
            crowd = {"is_crowd": bool(random.random() < 0.5)}
            yield Mask(random.random((height, width)) < 0.3, attributes=crowd, **keys)


def drawn(item):
    """Draw an item as read by datumaro: crowds ignored below, then later shapes over earlier ones."""
    height, width = item.media.size if item.media.has_size else item.annotations[0].image.shape
    mask = np.zeros((height, width), np.uint8)
    shapes = [each for each in item.annotations if each.type in (AnnotationType.polygon, AnnotationType.mask)]
    for crowd in (True, False):
        for each in sorted(shapes, key=lambda each: each.id):
            if bool(each.attributes.get("is_crowd")) == crowd:
                polygon = each.type == AnnotationType.polygon
                inside = rles_to_mask([each.points], width, height) if polygon else each.image
                mask[np.asarray(inside, bool)] = 255 if crowd else each.label + 1
    return mask


def main(folder: Path, existing: Path | None = None) -> None:
    if existing is not None:
        folder.mkdir(parents=True)
        read = dm.Dataset.import_from(str(existing), "coco_instances")
        np.savez(folder / "masks.npz", **{item.id: drawn(item) for item in read})
        return
    categories = {AnnotationType.label: LabelCategories.from_iterable(NAMES)}
    made = dm.Dataset.from_iterable(list(items(60, annotations)), categories=categories, media_type=Image)
    made.export(str(folder / "coco"), "coco_instances", save_media=True)
    read = dm.Dataset.import_from(str(folder / "coco"), "coco_instances")
    masks = {f"images/{item.subset}/{item.id}.jpg": drawn(item) for item in read}
    np.savez(folder / "masks.npz", **masks)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
