"""The predictions of a segmentation as a folder of masks and overlays."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from tlkit.contracts import IGNORE
from tlkit.data.images.decode import decode_image
from tlkit.errors import DataError
from tlkit.evaluation.found_images import FoundImage
from tlkit.evaluation.prediction import Prediction
from tlkit.report.colors import GREY, overlay
from tlkit.report.prediction_writer import PredictionWriter
from tlkit.runs.card import Card
from tlkit.system.disk import write_atomically


class PredictionMasks(PredictionWriter):
    """Writes a folder with ``masks``, ``overlays`` and ``classes.csv``.

    Masks are PNG files of class numbers at the images' own sizes, with the card's colours as their palette. The
    sub-folders of the images are preserved.
    """

    def check(self, images: Sequence[FoundImage]) -> None:
        """Check that no file of the folder exists, unless files may be overwritten."""
        out = self.out
        if out.suffix.lower() == ".csv" and not out.is_dir():
            example = out.with_suffix("")
            raise DataError(f"{out}: the model predicts masks, which need a folder, such as {example}")
        if out.exists() and not out.is_dir():
            raise DataError(f"{out}: is a file; a segmentation's predictions need a folder for masks and overlays")
        if self.overwrite:
            return
        for path in (out / "classes.csv", *(path for pair in self._files(images) for path in pair)):
            if path.exists():
                raise DataError(f"{path}: already exists and was not changed; give another folder, or --overwrite")

    def write(
        self, predictions: Iterable[Prediction], images: Sequence[FoundImage], failed: Callable[[Prediction], None]
    ) -> int:
        """Write the files, and return the number of masks."""
        self.check(images)
        self.out.mkdir(parents=True, exist_ok=True)
        write_atomically(self.out / "classes.csv", _classes_csv(self.card))
        count = 0
        for each, image, (mask_path, overlay_path) in zip(predictions, images, self._files(images), strict=True):
            if each.mask is None:
                failed(each)
                continue
            for path in (mask_path, overlay_path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(mask_path, _palette_png(each.mask, self.card))
            picture = overlay(decode_image(image.path), each.mask, self.card.colors)
            write_atomically(overlay_path, _png(Image.fromarray(picture)))
            count += 1
        return count

    def _files(self, images: Sequence[FoundImage]) -> list[tuple[Path, Path]]:
        """Return the paths of each image's mask and overlay."""
        masks, overlays = self.out / "masks", self.out / "overlays"
        return [(masks / f"{name}.png", overlays / f"{name}.png") for name in output_names(images)]


def output_names(images: Sequence[FoundImage]) -> list[str]:
    """Return a unique name without suffix for each image, also on file systems that ignore case or Unicode forms.

    ``a.jpg`` becomes ``a``; ``b.jpg`` and ``b.png`` of the same folder become ``b.jpg`` and ``b.png``.
    """
    stems = [str(PurePosixPath(each.name).with_suffix("")) for each in images]
    counts = Counter(map(_folded, stems))
    taken: set[str] = set()
    names: list[str] = []
    for each, stem in zip(images, stems, strict=True):
        wanted = stem if counts[_folded(stem)] == 1 else each.name
        name, number = wanted, 1
        while _folded(name) in taken:
            number += 1
            name = f"{wanted}-{number}"
        taken.add(_folded(name))
        names.append(name)
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _palette_png(mask: np.ndarray, card: Card) -> bytes:
    """Return a mask as a palette PNG (mode P): class numbers are the indices, the card's colours the palette."""
    image = Image.fromarray(mask)
    table = np.zeros((256, 3), np.uint8)
    table[: len(card.colors)] = card.colors
    table[IGNORE] = GREY
    image.putpalette(table.reshape(-1).tolist())
    return _png(image)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _classes_csv(card: Card) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "class", "red", "green", "blue"])
    for number, (name, color) in enumerate(zip(card.classes, card.colors, strict=True)):
        writer.writerow([number, name, *color])
    return text.getvalue()
