"""Read a large picture some rows at a time: a TIFF by its tiles or strips, another file decoded once, in 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit.contracts import ImageSize
from tlkit.data.images.image_file import BadImageError
from tlkit.data.images.picture import Picture
from tlkit.data.images.reading import PLAIN, Reading
from tlkit.data.images.tiff_windows import TiffWindows, open_windows
from tlkit.files.image_formats import format_of
from tlkit.system.memory import available_memory
from tlkit.system.text import size_text

WINDOW_PIXELS = 10_000_000_000
"""Pixels that a TIFF may have which is read by its tiles or strips: a square of 100,000."""
WHOLE_PIXELS = 1_000_000_000
"""Pixels that a picture may have which is decoded at once, in at most 4 bytes per pixel by Pillow."""
_PIXEL_BYTES = 4
_START = 64


class PictureRows:
    """The rows of a picture, 8-bit RGB as ``decode_image`` returns them. A context manager.

    Args:
        source: the opened TIFF, or the decoded picture.
        note: why a TIFF is decoded whole, as a clause; empty if it is not.
    """

    def __init__(self, source: TiffWindows | Image.Image, note: str = "") -> None:
        self._source = source
        self.note = note
        self.size: ImageSize = source.size if isinstance(source, TiffWindows) else source.size[::-1]

    @property
    def by_windows(self) -> bool:
        """Whether only the parts that are asked for are in memory."""
        return isinstance(self._source, TiffWindows)

    def __enter__(self) -> PictureRows:
        return self

    def __exit__(self, *error: object) -> None:
        self._source.close()

    def read(self, top: int, bottom: int) -> np.ndarray:
        """Return some rows, uint8 (bottom - top, W, 3).

        Raises:
            BadImageError: they can't be decoded.
        """
        if isinstance(self._source, TiffWindows):
            return self._source.rows(top, bottom)
        return np.array(self._source.crop((0, top, self._source.width, bottom)))


def open_rows(path: Path, reading: Reading = PLAIN) -> PictureRows:
    """Open a picture, which may have more pixels than others: ``WINDOW_PIXELS`` or ``WHOLE_PIXELS``.

    Args:
        path: the file.
        reading: how files are read; its limit of pixels does not count.

    Raises:
        BadImageError: the file can't be read, is not an image, has too many pixels, or takes more memory than there is.
    """
    note = ""
    if _is_tiff(path):
        source, note = open_windows(path, replace(reading, max_pixels=WINDOW_PIXELS))
        if source is not None:
            return PictureRows(source)
    with _raised_limit():
        picture = Picture(path, None, replace(reading, max_pixels=WHOLE_PIXELS))  # not closed: its image may be kept
        height, width = picture.size
        needed, free = height * width * _PIXEL_BYTES, available_memory()
        if needed > free:
            why = f", because {note}" if note else ""
            raise BadImageError(
                "huge",
                f"{path}: {width} x {height} pixels are decoded at once{why}, which takes {size_text(needed)} of "
                f"memory; {size_text(free)} are free. Save it as a TIFF with tiles, which is read tile by tile",
            )
        return PictureRows(picture.rgb(), note)


def _is_tiff(path: Path) -> bool:
    """Return whether a file starts like a TIFF; pipes and devices are not read."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            found = format_of(file.read(_START))
    except OSError:  # Picture says why
        return False
    return found is not None and found.name == "TIFF"


@contextmanager
def _raised_limit() -> Iterator[None]:
    """Have Pillow open and decode pictures of ``WHOLE_PIXELS`` pixels; its own limit is below."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = WHOLE_PIXELS
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
