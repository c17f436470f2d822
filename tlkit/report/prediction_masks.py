"""The predictions of a segmentation as a folder of masks and overlays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PIL import Image

from tlkit.data.images.decode import decode_image
from tlkit.data.images.reading import reading_of
from tlkit.errors import DataError
from tlkit.evaluation.found_images import FoundImage
from tlkit.evaluation.prediction import Prediction
from tlkit.report.colors import overlay
from tlkit.report.mask_files import classes_csv, palette_png, png, unique_stems
from tlkit.report.prediction_writer import PredictionWriter
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
        write_atomically(self.out / "classes.csv", classes_csv(self.card.classes, self.card.colors))
        count = 0
        for each, image, (mask_path, overlay_path) in zip(predictions, images, self._files(images), strict=True):
            if each.mask is None:
                failed(each)
                continue
            for path in (mask_path, overlay_path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(mask_path, palette_png(each.mask, self.card.colors))
            pixels = decode_image(image.path, reading=reading_of(self.card))
            picture = overlay(pixels, each.mask, self.card.colors)
            write_atomically(overlay_path, png(Image.fromarray(picture)))
            count += 1
        return count

    def _files(self, images: Sequence[FoundImage]) -> list[tuple[Path, Path]]:
        """Return the paths of each image's mask and overlay."""
        masks, overlays = self.out / "masks", self.out / "overlays"
        return [
            (masks / f"{name}.png", overlays / f"{name}.png") for name in unique_stems([each.name for each in images])
        ]
