"""The prediction of pictures that are larger than a model's images, tile by tile, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tlkit.contracts import ImageSize
from tlkit.data.images.decode import Resize, fit_image
from tlkit.data.images.image_file import BadImageError
from tlkit.data.images.reading import Reading
from tlkit.data.images.rows import PictureRows, open_rows
from tlkit.evaluation.classification import predicted_labels
from tlkit.evaluation.given_images import GivenImage
from tlkit.evaluation.prediction import Prediction, TileLabels
from tlkit.evaluation.predictor import Predictor
from tlkit.evaluation.segmentation import class_shares
from tlkit.evaluation.tiling import Span, Tiles
from tlkit.system.text import size_text

_BAND_BYTES = 2**30
"""Bytes that the rows of one row of tiles may take."""
_BATCH_BYTES = 2**26
"""Bytes that the probabilities of the pixels of the tiles of a batch may take."""

Told = Callable[[int, int], None]
"""Called with how many of how many tiles are predicted."""


Seen = Callable[[np.ndarray], None]
"""Called with the rows of a picture, uint8 (h, W, 3), each once, from the top."""
Strips = Callable[[Seen], Iterable[np.ndarray]]
"""Predicts the strips of a picture's mask, uint8 (h, W), from the top; calls its argument with the picture's rows."""
WriteMask = Callable[[Strips, ImageSize], np.ndarray]
"""Writes the mask of a picture of (height, width); returns the number of pixels of each class number, int (256,)."""


def count_classes(strips: Strips, _size: ImageSize) -> np.ndarray:
    """Return the number of pixels of each class number, int (256,), and write nothing."""
    counts = np.zeros(256, np.int64)
    for strip in strips(lambda _rows: None):
        counts += np.bincount(strip.reshape(-1), minlength=256)
    return counts


def tell_nobody(_done: int, _total: int) -> None:
    """Tell nobody how many tiles are predicted."""


@dataclass(frozen=True, eq=False)
class _Tile(GivenImage):
    """A tile, uint8 (H, W, 3) in the colours that the model takes, so that no bands are chosen again."""

    def to_size(self, size: ImageSize, resize: Resize, _reading: Reading) -> tuple[np.ndarray, ImageSize]:
        """Resize the tile."""
        assert isinstance(self.image, np.ndarray)
        height, width = self.image.shape[:2]
        return self.image if (height, width) == size else fit_image(self.image, size, resize), (height, width)


@dataclass(frozen=True)
class Block:
    """The blended prediction of a part of a picture.

    Args:
        top: its first row in the picture.
        left: its first column.
        probabilities: float32 (h, w, classes).
    """

    top: int
    left: int
    probabilities: np.ndarray


class TiledPredictor:
    """Predicts pictures tile by tile.

    Args:
        predictor: the model.
        tiles: the longer side of a tile in pixels of the picture; it is resized to the model's image size. None: the
            model's own, so that nothing is resized.
        overlap: the pixels that neighbouring tiles share at least.
        batch_size: the largest number of tiles per call of the model.

    Raises:
        DataError: the tiles are too large or too small, or their overlap is not smaller.

    Attributes:
        asked: the arguments after ``predictor``, with which a worker makes another.
    """

    def __init__(self, predictor: Predictor, tiles: int | None, overlap: int, batch_size: int = 16) -> None:
        card, asked = predictor.card, batch_size
        self.predictor = predictor
        self.tiles = Tiles.of_model(card.image_size, tiles, overlap)
        self._pixels = card.task == "segmentation"
        if self._pixels:
            height, width = np.maximum(self.tiles.size, card.image_size)
            batch_size = min(batch_size, max(1, _BATCH_BYTES // int(height * width * 4 * len(card.classes))))
        self._batch_size = batch_size
        self.asked = (tiles, overlap, asked)

    def open(self, path: Path) -> PictureRows:
        """Open a picture of any size.

        Raises:
            BadImageError: it can't be read, or has more pixels than ``data.images.rows`` allows.
        """
        picture = open_rows(path, self.predictor.reading)
        needed = self.tiles.size[0] * picture.size[1] * 3
        if needed > _BAND_BYTES:
            picture.__exit__()
            raise BadImageError(
                "huge",
                f"{path}: is {picture.size[1]} pixels wide, of which a row of tiles takes {size_text(needed)}; "
                f"expected at most {size_text(_BAND_BYTES)}; give smaller tiles",
            )
        if picture.note:
            note = f"{path}: was decoded whole, not tile by tile, because {picture.note}"
            self.predictor.notes = (*self.predictor.notes, note)
        return picture

    def predict(self, path: Path, write: WriteMask = count_classes, told: Told = tell_nobody) -> Prediction:
        """Predict a picture.

        Args:
            path: the file.
            write: what writes the mask of a segmentation.
            told: called with how many of how many tiles are predicted.

        Returns:
            the classes of a segmentation by their shares of the pixels; of a classification each tile, and the mean of
            the probabilities of all tiles as the picture's; where an image has several labels, the largest, because a
            label that holds for a part of a picture holds for the picture. A file that can't be decoded has an
            ``error``.

        Raises:
            RunError: the model needs more memory than there is.
        """
        card = self.predictor.card
        try:
            with self.open(path) as picture:
                if self._pixels:
                    counts = write(lambda seen: self.masks(picture, seen, told), picture.size)[: len(card.classes)]
                    return Prediction(path, shares=class_shares(counts, card), size=picture.size)
                tiles = self.labels(picture, told)
        except BadImageError as error:
            return Prediction(path, error=str(error))
        values = tiles.probabilities
        whole = values.max(0) if card.label_kind == "multi" else values.mean(0)
        return replace(predicted_labels(path, whole, picture.size, card), size=picture.size, tiles=tiles)

    def labels(self, picture: PictureRows, told: Told = tell_nobody) -> TileLabels:
        """Return what a classification predicts for each tile, row by row; takes and raises what ``blocks`` does."""
        height, width = picture.size
        down, across = self.tiles.spans(height, 0), self.tiles.spans(width, 1)
        boxes = [
            (x.start, y.start, min(width, x.start + self.tiles.size[1]), min(height, y.start + self.tiles.size[0]))
            for y in down
            for x in across
        ]
        probabilities = np.empty((len(boxes), len(self.predictor.classes)), np.float32)
        cut = self._cut(picture, down, across, lambda _rows: None)
        for number, each in enumerate(self.predictor.predict_given(cut, self._batch_size)):
            probabilities[number] = list(each.probabilities.values())
            told(number + 1, len(boxes))
        return TileLabels(np.array(boxes, np.int64), probabilities)

    def masks(
        self, picture: PictureRows, seen: Seen = lambda _rows: None, told: Told = tell_nobody
    ) -> Iterator[np.ndarray]:
        """Yield the most probable class of each pixel in strips, from the top: uint8 (h, W).

        Takes and raises what ``blocks`` does.
        """
        width = picture.size[1]
        strip = np.empty((0, width), np.uint8)
        for block in self.blocks(picture, seen, told):
            if block.left == 0:
                if len(strip):
                    yield strip
                strip = np.empty((len(block.probabilities), width), np.uint8)
            part = block.probabilities.argmax(-1)
            strip[:, block.left : block.left + part.shape[1]] = part
        yield strip

    def blocks(
        self, picture: PictureRows, seen: Seen = lambda _rows: None, told: Told = tell_nobody
    ) -> Iterator[Block]:
        """Yield the blended probabilities of the pixels in blocks, from left to right and from the top.

        Beside one tile's, only those are in memory that another tile is faded into: a few rows of the picture.

        Args:
            picture: the opened picture.
            seen: called with the rows of the picture, uint8 (h, W, 3), each once, before their blocks come.
            told: called with how many of how many tiles are predicted.

        Raises:
            BadImageError: the picture can't be decoded.
            RunError: the model needs more memory than there is.
        """
        height, width = picture.size
        down, across = self.tiles.spans(height, 0), self.tiles.spans(width, 1)
        cut = self._cut(picture, down, across, seen)
        predicted = self.predictor.predict_given(cut, self._batch_size, pixel_probabilities=True)
        above = np.empty((max(y.fade_out for y in down), width, len(self.predictor.classes)), np.float32)
        done = 0
        for y in down:
            before = np.empty(0, np.float32)
            for x in across:
                values = next(predicted).pixel_probabilities
                assert values is not None
                part = values[y.first - y.start : y.last - y.start, x.first - x.start : x.last - x.start]
                part = part * x.weights()[:, None] * y.weights()[:, None, None]
                if x.fade_in:
                    part[:, : x.fade_in] += before
                right = x.last - x.fade_out
                before = part[:, part.shape[1] - x.fade_out :].copy()
                part = part[:, : right - x.first]
                if y.fade_in:
                    part[: y.fade_in] += above[: y.fade_in, x.first : right]
                bottom = y.last - y.fade_out
                above[: y.fade_out, x.first : right] = part[bottom - y.first :]
                yield Block(y.first, x.first, part[: bottom - y.first])
                done += 1
                told(done, len(down) * len(across))

    def _cut(self, picture: PictureRows, down: list[Span], across: list[Span], seen: Seen) -> Iterator[_Tile]:
        """Yield the tiles of a picture, row by row."""
        (height, width), (tall, wide) = picture.size, self.tiles.size
        band, top = np.empty((0, width, 3), np.uint8), 0
        for y in down:
            end = top + len(band)
            rows = picture.read(end, min(height, y.start + tall))
            seen(rows)
            band, top = np.concatenate([band[y.start - top :], rows]), y.start
            for x in across:
                tile = band[:, x.start : x.start + wide]
                missing = [(0, tall - tile.shape[0]), (0, wide - tile.shape[1]), (0, 0)]
                yield _Tile(np.ascontiguousarray(np.pad(tile, missing, "symmetric")), f"tile ({x.start}, {y.start})")
