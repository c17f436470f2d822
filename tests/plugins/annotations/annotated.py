"""Made annotations, small enough to draw in a test."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import tlkit

HEIGHT, WIDTH = 24, 32
CATEGORIES = ({"id": 3, "name": "cat"}, {"id": 17, "name": "dog"})


def write_image(file: Path, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    """Write an image of (height, width) whose pixels depend on its name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(sum(map(ord, file.name)))
    Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(file)


def write_json(file: Path, content: Any) -> Path:
    """Write a JSON file, and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def square(x: float, y: float, side: float) -> list[float]:
    """Return a polygon [x, y, …]."""
    return [x, y, x + side, y, x + side, y + side, x, y + side]


def coco_entry(number: int, name: str, size: tuple[int, int] = (HEIGHT, WIDTH)) -> dict[str, Any]:
    """Return an image of a COCO file."""
    return {"id": number, "file_name": name, "height": size[0], "width": size[1]}


def coco_annotation(image: int, category: int, segmentation: Any, **more: Any) -> dict[str, Any]:
    """Return an annotation of a COCO file."""
    return {"id": image, "image_id": image, "category_id": category, "segmentation": segmentation, **more}


def coco(images: list[Any], annotations: list[Any], categories: Any = CATEGORIES) -> dict[str, Any]:
    """Return the content of a COCO file."""
    return {"images": images, "annotations": annotations, "categories": list(categories)}


def labelme(shapes: list[Any], image: str, **more: Any) -> dict[str, Any]:
    """Return the content of a LabelMe file."""
    return {
        "version": "7.9.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": image,
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
        **more,
    }


def labelme_shape(label: str, points: list[list[float]], kind: str | None = "polygon", **more: Any) -> dict[str, Any]:
    """Return a shape of a LabelMe file."""
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}, "mask": None, **more}


def png_text(pixels: np.ndarray) -> str:
    """Return an array as a PNG in base64."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def drawn(found: tlkit.SampleSet) -> dict[str, np.ndarray]:
    """Return key → the drawn mask of each sample."""
    return {sample.key: sample.mask.draw(sample.mask.read()) for sample in found.samples}  # type: ignore[union-attr]
