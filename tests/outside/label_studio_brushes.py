"""Write an export of Label Studio with brushes that its converter encodes; run outside tlkit's environment.

Usage: label_studio_brushes.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from label_studio_converter.brush import encode_rle
from PIL import Image


def main(folder: Path) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    tasks, masks = [], {}
    for number in range(30):
        height, width = random.integers(8, 70, 2).tolist()
        inside = np.zeros((height, width), bool)
        inside[height // 4 : height // 2 + 1, width // 5 :] = True
        if number % 2:
            inside ^= random.random((height, width)) < 0.2
        pixels = np.zeros((height, width, 4), np.uint8)
        pixels[..., :3] = random.integers(0, 255, 3)
        pixels[..., 3] = inside * 255
        name = f"image {number}.png"
        Image.fromarray(random.integers(0, 255, (height, width, 3), np.uint8)).save(folder / name)
        masks[name] = inside.astype(np.uint8)
        value = {"format": "rle", "rle": encode_rle(pixels.flatten()), "brushlabels": ["cell"]}
        result = {"type": "brushlabels", "value": value, "original_width": width, "original_height": height}
        tasks.append({"id": number, "data": {"image": f"/data/upload/1/{name}"}, "annotations": [{"result": [result]}]})
    (folder / "project.json").write_text(json.dumps(tasks))
    np.savez(folder / "masks.npz", **masks)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
