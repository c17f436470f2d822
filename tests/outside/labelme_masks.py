"""Write LabelMe files, and draw them with labelme's own ``shapes_to_label``; run outside tlkit's environment.

Usage: labelme_masks.py FOLDER
"""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import sys
import types
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
from PIL import Image

COUNTS = {
    "polygon": (3, 9),
    "rectangle": (2, 3),
    "oriented_rectangle": (4, 5),
    "circle": (2, 3),
    "line": (2, 3),
    "linestrip": (2, 6),
    "point": (1, 2),
    "mask": (2, 3),
}
NAMES = ("bird", "cat", "dog")


def shapes_to_label():
    """Load the function from its file: importing labelme itself needs Qt."""
    stub = types.ModuleType("labelme._label_file")
    stub.ShapeDict = dict
    sys.modules |= {"labelme": types.ModuleType("labelme"), "labelme._label_file": stub}
    file = distribution("labelme").locate_file("labelme/utils/shape.py")
    spec = importlib.util.spec_from_file_location("labelme_shape", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.shapes_to_label


def shape(random, height, width):
    kind = str(random.choice(list(COUNTS)))
    points = random.random((int(random.integers(*COUNTS[kind])), 2)) * [width * 1.2, height * 1.2]
    points -= [width * 0.1, height * 0.1]
    pixels = None
    if random.random() < 0.3:
        points = np.round(points)
    if kind == "mask":
        (left, right), (top, bottom) = np.sort(random.integers(0, width, 2)), np.sort(random.integers(0, height, 2))
        points = np.array([[left, top], [right, bottom]], float)
        pixels = random.random((bottom - top + 1, right - left + 1)) < 0.5
    return {"label": str(random.choice(NAMES)), "points": points.tolist(), "shape_type": kind, "mask": pixels}


def text(pixels):
    if pixels is None:
        return None
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def main(folder: Path) -> None:
    draw = shapes_to_label()
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    masks = {}
    for number in range(300):
        height, width = random.integers(20, 120, 2).tolist()
        name = f"{number:03d}.png"
        Image.fromarray(random.integers(0, 255, (height, width, 3)).astype(np.uint8)).save(folder / name)
        shapes = [shape(random, height, width) for _ in range(int(random.integers(1, 6)))]
        masks[name], _ = draw((height, width), shapes, {each: value for value, each in enumerate(NAMES, 1)})
        content = {
            "version": "6.3.1",
            "flags": {},
            "shapes": [{**each, "mask": text(each["mask"]), "group_id": None, "flags": {}} for each in shapes],
            "imagePath": f"..\\elsewhere\\{name}",
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        (folder / f"{number:03d}.json").write_text(json.dumps(content))
    np.savez(folder / "masks.npz", **masks)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
