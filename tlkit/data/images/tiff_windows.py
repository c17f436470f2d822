"""Read a TIFF by its tiles or strips, so that a picture larger than the memory can be predicted part by part."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from tlkit.data.images.bands import Bands, own_range, turned
from tlkit.data.images.image_file import SWAPPED, BadImageError, undecodable
from tlkit.data.images.reading import Reading
from tlkit.data.images.tiff import TiffPage

_GRAY_OR_RGB = (0, 1, 2)
_YCBCR, _JPEG = 6, 7
_LARGEST_SEGMENT = 2**27
"""Bytes of a tile or strip up to which a file is read by them: 128 MiB."""
_SEPARATE = 2
_PART = 2**22
"""Bytes that are read at a time of an uncompressed picture which is a single strip: 4 MiB."""


class TiffWindows(TiffPage):
    """A TIFF that is read row by row of its tiles or strips.

    Args:
        path: the file.
        reading: how it is read.

    Raises:
        BadImageError: the file is damaged, of a kind that is not read, or has too many pixels.
    """

    _in_parts = False

    def __init__(self, path: Path, reading: Reading) -> None:
        try:
            super().__init__(path, None, reading)
        except BadImageError:
            if hasattr(self, "_file"):
                self.close()
            raise
        self.turned_by = self.orientation if reading.orientation == "exif" and self.orientation in range(1, 9) else 1
        page = self._page
        self._planes = self._samples if int(page.planarconfig or 1) == _SEPARATE and self._samples > 1 else 1
        self._tile = (int(page.tilelength), int(page.tilewidth)) if page.is_tiled else self._strip()

    def _strip(self) -> tuple[int, int]:
        """Return the size of the strips; a single one that is not compressed is read in parts."""
        rows = min(int(self._page.rowsperstrip), self.height)
        self._in_parts = rows == self.height and self._is_plain()
        return (max(1, min(rows, _PART // self._row_bytes)) if self._in_parts else rows), self.width

    def _is_plain(self) -> bool:
        """Return whether the values are stored as they are, in whole bytes."""
        page = self._page
        whole = int(page.bitspersample) == page.dtype.itemsize * 8
        return int(page.compression) == 1 and int(page.predictor) == 1 and int(page.fillorder) == 1 and whole

    @property
    def _row_bytes(self) -> int:
        return self.width * (self._samples // self._planes) * int(self._page.dtype.itemsize)

    @property
    def why_not(self) -> str:
        """Why the file can't be read by windows, as a clause; empty if it can."""
        page, (height, width) = self._page, self._tile
        if self._photometric not in _GRAY_OR_RGB and (self._photometric, int(page.compression)) != (_YCBCR, _JPEG):
            return "its colours are neither grey nor RGB"
        if self._reading.bands and self._samples == 1 and self.pages > 1:
            return "its bands are pages"
        if height * width * page.dtype.itemsize * self._samples > _LARGEST_SEGMENT:
            return f"its strips or tiles of {width} x {height} pixels are too large"
        if self.turned_by in SWAPPED and not page.is_tiled:
            return "it has strips, and is turned by its EXIF orientation"
        count = self._planes * (1 if self._in_parts else -(-self.height // height) * -(-self.width // width))
        if min(len(page.dataoffsets), len(page.databytecounts)) < count:
            return f"its header lists {len(page.dataoffsets)} of its {count} strips or tiles"
        return ""

    @property
    def size(self) -> tuple[int, int]:
        """The picture's (height, width), turned."""
        return (self.width, self.height) if self.turned_by in SWAPPED else (self.height, self.width)

    def rows(self, top: int, bottom: int) -> np.ndarray:
        """Decode some rows of the turned picture as ``decode_image`` does: uint8 (bottom - top, W, 3).

        Raises:
            BadImageError: they can't be decoded.
        """
        (height, width), by = (self.height, self.width), self.turned_by
        if by in SWAPPED:
            first, last = (width - bottom, width - top) if by in (7, 8) else (top, bottom)
            return turned(self._stored((0, height), (first, last)), by)
        first, last = (height - bottom, height - top) if by in (3, 4) else (top, bottom)
        return turned(self._stored((first, last), (0, width)), by)

    def _stored(self, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
        """Decode a window of the picture as it is stored."""
        (height, width), (top, bottom), (left, right) = self._tile, rows, columns
        out = np.empty((bottom - top, right - left, 3), np.uint8)
        for y in range(top // height, -(-bottom // height)):
            for x in range(left // width, -(-right // width)):
                block = np.asarray(self._bands(y, x).chosen(self._path, self._reading).rgb(self._with_range))
                first, before = y * height, x * width
                part = block[max(0, top - first) : bottom - first, max(0, left - before) : right - before]
                at, beside = max(0, first - top), max(0, before - left)
                out[at : at + part.shape[0], beside : beside + part.shape[1]] = part
        return out

    def _bands(self, y: int, x: int) -> Bands:
        """Decode the strip or tile in row y and column x of them, without what lies outside the picture."""
        down, across = -(-self.height // self._tile[0]), -(-self.width // self._tile[1])
        shape = (
            min(self._tile[0], self.height - y * self._tile[0]),
            min(self._tile[1], self.width - x * self._tile[1]),
            self._samples // self._planes,
        )
        if self._in_parts:
            planes = [self._part(plane, y, shape) for plane in range(self._planes)]
        else:
            planes = [self._segment((plane * down + y) * across + x, shape) for plane in range(self._planes)]
        return self._explained(planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2))

    def _part(self, plane: int, y: int, shape: tuple[int, int, int]) -> np.ndarray:
        """Read some rows of a strip that is not compressed."""
        page, handle = self._page, self._file.filehandle
        count = shape[0] * self._row_bytes
        try:
            handle.seek(int(page.dataoffsets[plane]) + y * self._tile[0] * self._row_bytes)
            content = handle.read(count)
        except (OSError, ValueError, OverflowError) as error:
            raise undecodable(self._path, error) from error
        if len(content) < count:
            raise undecodable(self._path, EOFError(f"the file is truncated: {len(content)} of {count} bytes"))
        return np.frombuffer(content, page.dtype.newbyteorder(self._file.byteorder)).reshape(shape).astype(page.dtype)

    def _segment(self, number: int, shape: tuple[int, int, int]) -> np.ndarray:
        page = self._page
        offset, count = int(page.dataoffsets[number]), int(page.databytecounts[number])
        if not offset or not count:  # a sparse file leaves empty tiles out
            return np.full(shape, page.nodata, page.dtype)
        jpeg = {} if int(page.compression) != _JPEG else {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        try:
            handle = self._file.filehandle
            handle.seek(offset)
            values = page.decode(handle.read(count), number, **jpeg)[0]
        except Exception as error:  # tifffile's codecs raise what they like
            raise self._undecodable(error) from error
        if values is None:
            return np.full(shape, page.nodata, page.dtype)
        inside = np.asarray(values[0, : shape[0], : shape[1]]) if values.ndim == 4 else values
        if inside.shape != shape:
            raise undecodable(self._path, ValueError(f"expected a tile of {shape}, received {values.shape}"))
        return inside

    @cached_property
    def _with_range(self) -> Reading:
        """How the file is read; where each picture is scaled from its own range, with the range of the whole picture.

        That takes a pass over the file.
        """
        bands = self._bands(0, 0)
        fixed = bands.values.dtype.kind == "u" and bands.values.dtype.itemsize <= 2 and bands.highest
        if not bands.deep or self._reading.value_range is not None or fixed:
            return self._reading
        ends = []
        for y in range(-(-self.height // self._tile[0])):
            for x in range(-(-self.width // self._tile[1])):
                chosen = self._bands(y, x).chosen(self._path, self._reading)
                values = chosen.values[..., : chosen.colors]
                finite = values[np.isfinite(values)]
                if finite.size:
                    ends += [finite.min(), finite.max()]
        return replace(self._reading, value_range=own_range(np.array(ends)))


def open_windows(path: Path, reading: Reading) -> tuple[TiffWindows | None, str]:
    """Open a TIFF to be read by windows.

    Returns:
        the file, or None with the reason, a clause, why it must be decoded whole.

    Raises:
        BadImageError: the file has too many pixels.
    """
    try:
        page = TiffWindows(path, reading)
    except BadImageError as error:
        if error.kind == "huge":
            raise
        return None, "tifffile can't read it"
    reason = page.why_not
    if not reason:
        try:
            page.rows(0, 1)
        except BadImageError:  # a compression without its codec, which Pillow may have
            reason = "its strips or tiles can't be decoded one by one"
    if not reason:
        return page, ""
    page.close()
    return None, reason
