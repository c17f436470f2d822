"""A tiny data set of every kind that tlkit reads: eight pictures of red and blue boxes on noise."""

from __future__ import annotations

import base64
import csv
import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

COUNT, HEIGHT, WIDTH = 12, 40, 48
CLASSES = ("red", "blue")


class Picture(NamedTuple):
    """A picture, and where its box is.

    Args:
        name: its name without a suffix.
        label: class number.
        box: left, top, right, bottom; the last two are excluded.
        pixels: uint8 (H, W, 3).
        mask: uint8 (H, W), 0 outside and 1 + class number inside the box.
    """

    name: str
    label: int
    box: tuple[int, int, int, int]
    pixels: np.ndarray
    mask: np.ndarray

    @property
    def class_name(self) -> str:
        """The name of its class."""
        return CLASSES[self.label]

    @property
    def corners(self) -> list[list[float]]:
        """The corners of its box."""
        left, top, right, bottom = self.box
        return [[left, top], [right, top], [right, bottom], [left, bottom]]


def pictures(height: int = HEIGHT, width: int = WIDTH, count: int = COUNT) -> Iterator[Picture]:
    """Yield the pictures, of both classes in turn."""
    for number in range(count):
        random = np.random.default_rng(number)
        label = number % 2
        left, top = int(random.integers(2, width // 3)), int(random.integers(2, height // 3))
        box = (left, top, left + width // 2, top + height // 2)
        pixels = random.integers(60, 150, (height, width, 3)).astype(np.uint8)
        mask = np.zeros((height, width), np.uint8)
        mask[box[1] : box[3], box[0] : box[2]] = 1 + label
        pixels[mask > 0] = [(220, 40, 40), (40, 40, 220)][label]
        yield Picture(f"p{number:02d}", label, box, pixels, mask)


def save(pixels: np.ndarray, file: Path) -> None:
    """Write an image, and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def save_json(content: Any, file: Path) -> None:
    """Write a JSON file, and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


def save_table(rows: list[tuple[Any, ...]], file: Path) -> None:
    """Write a CSV file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


def class_folders(root: Path) -> Path:
    """One folder per class."""
    for each in pictures():
        save(each.pixels, root / each.class_name / f"{each.name}.png")
    return root


def mask_folders(root: Path) -> Path:
    """Images and masks."""
    for each in pictures():
        save(each.pixels, root / "images" / f"{each.name}.png")
        save(each.mask, root / "masks" / f"{each.name}.png")
    return root


def camvid(root: Path) -> Path:
    """CamVid's layout: ``train`` and ``trainannot``, ``val`` and ``valannot``."""
    for number, each in enumerate(pictures()):
        split = "train" if number < 8 else "val"
        save(each.pixels, root / split / f"{each.name}.png")
        save(each.mask, root / f"{split}annot" / f"{each.name}.png")
    return root


def label_table(root: Path) -> Path:
    """A CSV table of labels."""
    made = list(pictures())
    for each in made:
        save(each.pixels, root / "photos" / f"{each.name}.png")
    save_table([("image", "label"), *((f"photos/{each.name}.png", each.class_name) for each in made)], root / "t.csv")
    return root / "t.csv"


def npz(root: Path) -> Path:
    """Arrays in a NumPy file."""
    root.mkdir(parents=True, exist_ok=True)
    made = list(pictures())
    images = np.stack([each.pixels for each in made])
    np.savez(root / "a.npz", images=images, labels=np.array([each.class_name for each in made]))
    return root / "a.npz"


def oxford_pets(root: Path) -> Path:
    """The official layout of Oxford-IIIT Pet."""
    breeds = ("Abyssinian", "beagle")
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for number, each in enumerate(pictures()):
        name = f"{breeds[each.label]}_{number}"
        save(each.pixels, root / "images" / f"{name}.jpg")
        save(np.where(each.mask > 0, 1, 2).astype(np.uint8), root / "annotations" / "trimaps" / f"{name}.png")
        lists["test" if number >= 10 else "trainval"].append(f"{name} {1 + each.label} {1 + each.label} 1\n")
    for name, lines in lists.items():
        (root / "annotations" / f"{name}.txt").write_text("".join(lines))
    return root


def cats_vs_dogs(root: Path) -> Path:
    """The layout of Kaggle's dogs-vs-cats."""
    for number, each in enumerate(pictures()):
        save(each.pixels, root / f"{('cat', 'dog')[each.label]}.{number}.jpg")
    return root


def published(shape: tuple[int, ...], classes: int) -> Callable[[Path], Path]:
    """Return a function that writes a copy of a published data set of small images."""

    def write(root: Path) -> Path:
        root.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(0)
        arrays = {
            f"{what}_{split}": random.integers(0, 256, (2 * classes, *shape)).astype(np.uint8)
            if what == "x"
            else np.arange(2 * classes) % classes
            for split in ("train", "test")
            for what in ("x", "y")
        }
        np.savez(root / "copy.npz", **arrays)
        return root / "copy.npz"

    return write


def coco(root: Path) -> Path:
    """COCO JSON with polygons."""
    images, annotations = [], []
    for number, each in enumerate(pictures(), 1):
        save(each.pixels, root / "images" / f"{each.name}.png")
        images.append({"id": number, "file_name": f"{each.name}.png", "height": HEIGHT, "width": WIDTH})
        polygon = [value for corner in each.corners for value in corner]
        shape = {"id": number, "image_id": number, "category_id": 5 + each.label, "segmentation": [polygon]}
        annotations.append({**shape, "iscrowd": 0, "area": 1.0, "bbox": [0, 0, 1, 1]})
    categories = [{"id": 5 + number, "name": name} for number, name in enumerate(CLASSES)]
    save_json({"images": images, "annotations": annotations, "categories": categories}, root / "instances.json")
    return root


def labelme(root: Path) -> Path:
    """LabelMe JSON beside the images."""
    for each in pictures():
        save(each.pixels, root / f"{each.name}.png")
        shape = {"label": each.class_name, "shape_type": "polygon", "points": each.corners, "flags": {}}
        size = {"imagePath": f"{each.name}.png", "imageHeight": HEIGHT, "imageWidth": WIDTH, "imageData": None}
        save_json({"version": "7.9.0", "flags": {}, "shapes": [shape], **size}, root / f"{each.name}.json")
    return root


def voc(root: Path) -> Path:
    """CVAT's "Segmentation mask"."""
    colors = np.array([(0, 0, 0), (250, 50, 83), (51, 221, 255)], np.uint8)
    for each in pictures():
        save(each.pixels, root / "JPEGImages" / f"{each.name}.png")
        save(colors[each.mask], root / "SegmentationClass" / f"{each.name}.png")
    lines = [f"{name}:{','.join(map(str, colors[1 + number]))}::" for number, name in enumerate(CLASSES)]
    (root / "labelmap.txt").write_text("# label:color_rgb:parts:actions\n" + "\n".join([*lines, "background:0,0,0::"]))
    return root


def cvat(root: Path) -> Path:
    """CVAT's XML for images."""
    images = []
    for number, each in enumerate(pictures()):
        save(each.pixels, root / "images" / f"{each.name}.png")
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in each.corners)
        shape = f'<polygon label="{each.class_name}" points="{points}" z_order="0"/>'
        images.append(f'<image id="{number}" name="{each.name}.png" width="{WIDTH}" height="{HEIGHT}">{shape}</image>')
    meta = "<version>1.1</version><meta></meta>"
    (root / "annotations.xml").write_text(f"<annotations>{meta}{''.join(images)}</annotations>")
    return root


def roboflow(root: Path) -> Path:
    """Roboflow's "Semantic Segmentation Masks"."""
    for number, each in enumerate(pictures()):
        split, name = "train" if number < 8 else "valid", f"{each.name}_png.rf.{number:032x}"
        save(each.pixels, root / split / f"{name}.jpg")
        save(each.mask, root / split / f"{name}_mask.png")
    for split in ("train", "valid"):
        (root / split / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, red\n2, blue")
    return root


def label_studio(root: Path) -> Path:
    """Label Studio's JSON, with polygons in per cent."""
    tasks = []
    for number, each in enumerate(pictures()):
        save(each.pixels, root / f"{each.name}.png")
        points = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in each.corners]
        result = {"type": "polygonlabels", "original_width": WIDTH, "original_height": HEIGHT}
        result["value"] = {"points": points, "polygonlabels": [each.class_name]}
        image = {"image": f"/data/upload/1/0123abcd-{each.name}.png"}
        tasks.append({"id": number, "data": image, "annotations": [{"result": [result]}]})
    save_json(tasks, root / "project.json")
    return root


def supervisely(root: Path) -> Path:
    """A project of Supervisely, with bitmaps."""
    for each in pictures():
        save(each.pixels, root / "ds0" / "img" / f"{each.name}.png")
        stream = io.BytesIO()
        left, top, right, bottom = each.box
        Image.fromarray(each.mask[top:bottom, left:right] * 0 + 255).save(stream, "PNG")
        data = base64.b64encode(zlib.compress(stream.getvalue())).decode()
        made = {
            "classTitle": each.class_name,
            "geometryType": "bitmap",
            "bitmap": {"data": data, "origin": [left, top]},
        }
        size = {"height": HEIGHT, "width": WIDTH}
        save_json({"size": size, "tags": [], "objects": [made]}, root / "ds0" / "ann" / f"{each.name}.png.json")
    save_json({"classes": [{"title": name} for name in CLASSES], "tags": []}, root / "meta.json")
    return root


def imagefolder(root: Path) -> Path:
    """Hugging Face's image folder."""
    lines = []
    for each in pictures():
        save(each.pixels, root / f"{each.name}.png")
        lines.append(json.dumps({"file_name": f"{each.name}.png", "label": each.class_name}) + "\n")
    (root / "metadata.jsonl").write_text("".join(lines))
    return root
