"""The predictions of a segmentation as a folder of masks and overlays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from tlkit.data.images.decode import decode_image
from tlkit.data.images.reading import reading_of
from tlkit.errors import DataError
from tlkit.evaluation.found_images import FoundImage
from tlkit.evaluation.prediction import DrawnPrediction, Prediction
from tlkit.report.colors import background_class, overlay
from tlkit.report.mask_files import classes_csv, palette_png, png, unique_stems
from tlkit.report.prediction_writer import PredictionWriter
from tlkit.runs.card import Card
from tlkit.system.disk import check_new_folder, write_atomically
from tlkit.system.parallel import in_threads


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
        check_new_folder(out)
        if self.overwrite:
            return
        for path in (out / "classes.csv", *(path for pair in self.files(images) for path in pair)):
            if path.exists():
                raise DataError(f"{path}: already exists and was not changed; give another folder, or --overwrite")

    def write(
        self, predictions: Iterable[Prediction], images: Sequence[FoundImage], failed: Callable[[Prediction], None]
    ) -> int:
        """Write the files, and return the number of masks."""
        self.begin(images)
        parts = self._predicted(predictions, images, failed)
        # Compressing a picture takes longer than predicting it.
        written = in_threads(lambda part: self._write(*part), parts, name="tlkit-write", ahead=1)
        return sum(1 for _ in written)

    def begin(self, images: Sequence[FoundImage]) -> None:
        """Check that no file is overwritten, and write the table of the classes."""
        self.check(images)
        self.out.mkdir(parents=True, exist_ok=True)
        write_atomically(self.out / "classes.csv", classes_csv(self.card.classes, self.card.colors))

    def _predicted(
        self, predictions: Iterable[Prediction], images: Sequence[FoundImage], failed: Callable[[Prediction], None]
    ) -> Iterator[tuple[Prediction, Path, tuple[Path, Path]]]:
        """Yield each prediction that has a mask with the files of its image, mask and overlay."""
        for each, image, files in zip(predictions, images, self.files(images), strict=True):
            if each.error is not None:
                failed(each)
            else:
                yield each, image.path, files

    def _write(self, prediction: Prediction, image: Path, files: tuple[Path, Path]) -> None:
        write_files(
            files, prediction if isinstance(prediction, DrawnPrediction) else drawn(self.card, prediction, image)
        )

    def files(self, images: Sequence[FoundImage]) -> list[tuple[Path, Path]]:
        """Return the paths of each image's mask and overlay."""
        masks, overlays = self.out / "masks", self.out / "overlays"
        return [
            (masks / f"{name}.png", overlays / f"{name}.png") for name in unique_stems([each.name for each in images])
        ]


def write_files(files: tuple[Path, Path], prediction: DrawnPrediction) -> None:
    """Write a mask and its overlay.

    Raises:
        OSError: one can't be written.
    """
    for path, content in zip(files, prediction.files, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)


def drawn(card: Card, prediction: Prediction, image: Path) -> DrawnPrediction:
    """Draw the files of a prediction's mask.

    Args:
        card: the model's card.
        prediction: the prediction, with its mask.
        image: the image's file.

    Raises:
        BadImageError: the image can't be decoded any more.
    """
    assert prediction.mask is not None
    background = background_class(card.classes)
    picture = overlay(decode_image(image, reading=reading_of(card)), prediction.mask, card.colors, background)
    files = palette_png(prediction.mask, card.colors), png(Image.fromarray(picture), quick=True)
    return DrawnPrediction(prediction.path, shares=prediction.shares, size=prediction.size, files=files)
