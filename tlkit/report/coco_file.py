"""Masks as COCO JSON (cocodataset.org/#format-data)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from tlkit.contracts import IGNORE

BACKGROUND = "background"
"""The name of a class 0 that COCO has no annotations for: its pixels are those in no shape."""


class CocoFile:
    """The annotations of some images: the pixels of each class as one run-length encoded annotation.

    Ignored pixels become a region of many objects (``iscrowd = 1``), which COCO's own evaluation ignores, too. Without
    a class 0 called ``background`` all classes have annotations, and ignored pixels are those in none.

    Args:
        classes: class names in the order of the class numbers.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._first = 1 if classes and classes[0] == BACKGROUND else 0
        self._names = list(classes)
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._ignored = False

    def add(self, name: str, mask: np.ndarray) -> None:
        """Add an image.

        Args:
            name: its file name, with ``/`` between folders.
            mask: uint8 (H, W), class numbers and ``IGNORE``.
        """
        height, width = mask.shape
        number = len(self._images) + 1
        self._images.append({"id": number, "file_name": name, "height": height, "width": width})
        for value in np.unique(mask).tolist():
            if value == IGNORE and self._first:
                self._ignored = True
                self._annotate(number, IGNORE, mask == value, crowd=1)
            elif self._first <= value < IGNORE:
                self._annotate(number, self._id(value), mask == value)

    def text(self) -> str:
        """Return the file's content."""
        categories = [
            {"id": self._id(value), "name": name} for value, name in enumerate(self._names) if value >= self._first
        ]
        if self._ignored:
            name = "ignore" if "ignore" not in self._names else "ignored pixels"
            categories.append({"id": IGNORE, "name": name})
        content = {"images": self._images, "annotations": self._annotations, "categories": categories}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))

    def _id(self, value: int) -> int:
        return value + 1 - self._first

    def _annotate(self, image: int, category: int, inside: np.ndarray, crowd: int = 0) -> None:
        from pycocotools import mask as coco

        runs = coco.encode(np.asfortranarray(inside, np.uint8))
        self._annotations.append(
            {
                "id": len(self._annotations) + 1,
                "image_id": image,
                "category_id": category,
                "segmentation": {"size": list(inside.shape), "counts": runs["counts"].decode()},
                "area": int(coco.area(runs)),
                "bbox": coco.toBbox(runs).tolist(),
                "iscrowd": crowd,
            }
        )
