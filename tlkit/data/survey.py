"""Looking at a folder before there is a recipe: how it is laid out, which classes, how many, what sizes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from tlkit.data.decode import SUFFIXES
from tlkit.errors import DataError

K = TypeVar("K", int, tuple[int, int, int])
Layout = Literal["classes", "masks", "oxford_pets"]

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_IMAGE_FOLDERS = ("images", "image", "img", "imgs", "photos", "jpegimages", "x")
_MASK_FOLDERS = (
    "masks",
    "mask",
    "labels",
    "label",
    "annotations",
    "segmentation",
    "segmentations",
    "trimaps",
    "gt",
    "y",
)
_JUNK = ("__macosx", "__pycache__")
_SAMPLE = 400
"""How many files are opened at the most; all are counted."""


@dataclass(frozen=True)
class Survey:
    """What a folder holds.

    Args:
        root: the folder.
        layout: how it is laid out.
        counts: split ("" where there is none) → class → number of images; for masks, class is "".
        sizes: (width, height) of the images that were opened.
        formats: Pillow's name of the format → how many of those that were opened.
        unreadable: how many of those that were opened are not images.
        images, masks: the folders of a mask layout.
        mask_suffix: what a mask's name has behind its image's.
        mask_values: pixel value → share of the pixels of the masks that were opened.
        mask_colors: (red, green, blue) → share; for colour masks.
    """

    root: Path
    layout: Layout
    counts: dict[str, dict[str, int]]
    sizes: tuple[tuple[int, int], ...] = ()
    formats: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    images: Path | None = None
    masks: Path | None = None
    mask_suffix: str = ""
    mask_values: dict[int, float] = field(default_factory=dict)
    mask_colors: dict[tuple[int, int, int], float] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names of a layout of class folders, sorted."""
        return tuple(sorted({name for each in self.counts.values() for name in each}))

    @property
    def total(self) -> int:
        """How many images there are."""
        return sum(sum(each.values()) for each in self.counts.values())


def survey(root: Path) -> Survey:
    """Look at a folder: every file is counted, and an even sample of them is opened.

    Raises:
        DataError: it is no folder, has no images, or is not laid out in a way that tlkit knows.
    """
    if not root.is_dir():
        raise DataError(f"{root.absolute()}: {'is a file, expected a folder' if root.exists() else 'no such folder'}")
    if (root / "annotations" / "trimaps").is_dir() and (root / "annotations" / "test.txt").is_file():
        images = [file for file in _images(root / "images")]
        return Survey(root, "oxford_pets", {"": {"": len(images)}}, *_look(images))
    pair = _mask_pair(root)
    if pair is not None:
        return _survey_masks(root, *pair)
    return _survey_classes(root)


def _survey_classes(root: Path) -> Survey:
    sides = {SPLITS[folder.name.lower()]: folder for folder in _folders(root) if folder.name.lower() in SPLITS}
    if "train" not in sides:
        sides = {"": root}
    counts: dict[str, dict[str, int]] = {}
    files: list[Path] = []
    for split, folder in sides.items():
        counts[split] = {}
        for each in _folders(folder):
            found = list(_images(each))
            files += found
            if found:
                counts[split][each.name] = len(found)
    names = {name for each in counts.values() for name in each}
    if not names:
        loose = sum(1 for _ in _images(root))
        what = f"{loose} images, but no class folders" if loose else "no images"
        raise DataError(
            f"{root}: {what}. tlkit knows three layouts:\n"
            "  a folder a class:       cats/*.jpg  dogs/*.jpg   (also under train/, val/ and test/)\n"
            "  images and masks:       images/a.jpg  masks/a.png\n"
            "  a table of labels:      a CSV file with the columns image and label; write a recipe with [data] "
            'name = "csv" (tlkit plugins show dataset csv)'
        )
    if len(names) < 2:
        raise DataError(
            f"{root}: only one class folder with images ({next(iter(names))}); "
            "at least two classes are needed to learn a difference"
        )
    return Survey(root, "classes", counts, *_look(files))


def _mask_pair(root: Path) -> tuple[Path, Path] | None:
    folders = {folder.name.lower(): folder for folder in _folders(root)}
    if "train" in folders and not any(name in folders for name in _IMAGE_FOLDERS):
        return None
    images = next((folders[name] for name in _IMAGE_FOLDERS if name in folders), None)
    masks = next((folders[name] for name in _MASK_FOLDERS if name in folders), None)
    return None if images is None or masks is None else (images, masks)


def _survey_masks(root: Path, images: Path, masks: Path) -> Survey:
    image_files, mask_files = list(_images(images)), list(_images(masks))
    if not image_files or not mask_files:
        raise DataError(f"{images if not image_files else masks}: no images in it")
    suffix = _mask_suffix(images, image_files, masks, mask_files)
    counts: dict[str, dict[str, int]] = {}
    for file in image_files:
        parts = file.relative_to(images).parts[:-1]
        split = next((SPLITS[part.lower()] for part in parts if part.lower() in SPLITS), "")
        counts.setdefault(split, {"": 0})[""] += 1
    values, colors = _mask_values(_evenly(mask_files, 100))
    return Survey(
        root,
        "masks",
        counts,
        *_look(image_files),
        images=images,
        masks=masks,
        mask_suffix=suffix,
        mask_values=values,
        mask_colors=colors,
    )


def _mask_suffix(images: Path, image_files: Sequence[Path], masks: Path, mask_files: Sequence[Path]) -> str:
    """What the masks' names have behind the images'; the commonest."""
    mask_stems = {file.relative_to(masks).with_suffix("").as_posix() for file in mask_files}
    found: Counter[str] = Counter()
    for file in _evenly(list(image_files), 50):
        stem = file.relative_to(images).with_suffix("").as_posix()
        if stem in mask_stems:
            found[""] += 1
        else:
            endings = [other[len(stem) :] for other in mask_stems if other.startswith(stem)]
            found.update(min(endings, key=len) for _ in endings[:1])
    if not found:
        raise DataError(
            f"{masks}: none of {len(mask_files)} masks is called like one of the images in {images}, "
            f"such as {image_files[0].name}; expected the same names, or a suffix such as a_mask.png"
        )
    return found.most_common(1)[0][0]


def _mask_values(files: Sequence[Path]) -> tuple[dict[int, float], dict[tuple[int, int, int], float]]:
    values: Counter[int] = Counter()
    colors: Counter[tuple[int, int, int]] = Counter()
    for file in files:
        try:
            with Image.open(file) as image:
                if image.mode in ("RGB", "RGBA"):
                    pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
                    gray = (pixels[:, 0] == pixels[:, 1]) & (pixels[:, 1] == pixels[:, 2])
                    if gray.all():
                        _count(values, pixels[:, 0])
                        continue
                    seen, counts = np.unique(pixels, axis=0, return_counts=True)
                    for color, count in zip(seen.tolist(), counts.tolist(), strict=True):
                        colors[(color[0], color[1], color[2])] += count
                else:
                    _count(values, np.asarray(image.convert("L") if image.mode == "1" else image).reshape(-1))
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
            continue
    return _shares(values), _shares(colors)


def _count(values: Counter[int], pixels: np.ndarray) -> None:
    seen, counts = np.unique(pixels, return_counts=True)
    for value, count in zip(seen.tolist(), counts.tolist(), strict=True):
        values[int(value)] += count


def _shares(counts: Counter[K]) -> dict[K, float]:
    total = sum(counts.values())
    return {key: count / total for key, count in sorted(counts.items())}


def _look(files: Sequence[Path]) -> tuple[tuple[tuple[int, int], ...], dict[str, int], int]:
    """Sizes and formats from the headers of an even sample."""
    sizes: list[tuple[int, int]] = []
    formats: Counter[str] = Counter()
    unreadable = 0
    for file in _evenly(list(files), _SAMPLE):
        try:
            with Image.open(file) as image:
                sizes.append(image.size)
                formats[image.format or "unknown"] += 1
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            unreadable += 1
    return tuple(sizes), dict(formats.most_common()), unreadable


def _evenly(files: Sequence[Path], most: int) -> list[Path]:
    if len(files) <= most:
        return list(files)
    return [files[index * len(files) // most] for index in range(most)]


def _folders(folder: Path) -> list[Path]:
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and entry.name.lower() not in _JUNK
    )


def _images(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name.lower() not in _JUNK)
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(parent) / name
