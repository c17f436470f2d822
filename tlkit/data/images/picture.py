"""Open an image file of any kind by the reader that decodes it right: Pillow where it does, otherwise tifffile."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageOps

from tlkit.contracts import ImageSize
from tlkit.data.images.bands import Bands, check_bands, turned, turned_back
from tlkit.data.images.image_file import (
    BROKEN,
    SWAPPED,
    BadImageError,
    is_animated,
    open_image,
    orientation_of,
    read_file,
    tagged_orientation,
    undecodable,
)
from tlkit.data.images.reading import PLAIN, Reading
from tlkit.data.images.tiff import TiffPage, bits_of, pillow_is_right, unused_samples
from tlkit.image_formats import format_of

_TURNED_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_OTHER_BYTES = {
    "RGB;16B": "RGB;16L",
    "RGB;16L": "RGB;16B",
    "RGBA;16B": "RGBA;16L",
    "RGBA;16L": "RGBA;16B",
    "RGBX;16B": "RGBX;16L",
    "RGBX;16L": "RGBX;16B",
    "RGB;16N": "RGB;16B" if sys.byteorder == "little" else "RGB;16L",
    "RGBA;16N": "RGBA;16B" if sys.byteorder == "little" else "RGBA;16L",
    "RGBX;16N": "RGBX;16B" if sys.byteorder == "little" else "RGBX;16L",
    "LA;16B": "RGBA",
}
"""Pillow's layout of 16-bit samples, of which it keeps the upper byte → the layout by which it keeps the lower one."""


class Picture:
    """An opened image file; its pixels are not decoded yet. A context manager.

    Args:
        path: the file.
        data: its bytes, if they were read already.
        reading: how it is read.

    Raises:
        BadImageError: the file can't be read, is not an image of a supported kind, or has too many pixels.
    """

    def __init__(self, path: Path, data: bytes | None = None, reading: Reading = PLAIN) -> None:
        self._path = path
        self._reading = reading
        self._content = read_file(path, reading.max_pixels) if data is None else data
        self._image, self.page = self._opened()
        # Kept, because asking a PNG for its EXIF data decodes it, after which Pillow has forgotten how it was stored.
        self._tiles: list[Any] = list(getattr(self._image, "tile", ()))
        if self._image is not None:
            self.format: str = self._image.format or ""
            self.orientation = orientation_of(path, self._image)
            stored = self._image.size
            if tagged_orientation(self._image) in SWAPPED:
                stored = stored[::-1]
        else:
            assert self.page is not None
            self.format, self.orientation = "TIFF", self.page.orientation
            stored = (self.page.width, self.page.height)
        self.stored_size: ImageSize = (stored[1], stored[0])
        self.turned = reading.orientation == "exif" and self.orientation != 1
        swapped = self.turned and self.orientation in SWAPPED
        self.size: ImageSize = (stored[0], stored[1]) if swapped else (stored[1], stored[0])

    def _opened(self) -> tuple[Image.Image | None, TiffPage | None]:
        try:
            image = open_image(self._path, self._content, self._reading)
        except BadImageError as error:
            promised = format_of(self._content)
            if error.kind != "undecodable" or promised is None or promised.name != "TIFF":
                raise
        else:
            if image.format != "TIFF" or self._pillow_reads(image):
                return image, None
        return None, TiffPage(self._path, self._content, self._reading)

    def _pillow_reads(self, image: Image.Image) -> bool:
        try:
            plain = not self._reading.bands or (image.mode in ("L", "RGB") and not is_animated(image))
            return pillow_is_right(image) and plain and not (self._reading.bands and unused_samples(image))
        except BROKEN as error:
            raise undecodable(self._path, error) from error

    def __enter__(self) -> Picture:
        return self

    def __exit__(self, *error: object) -> None:
        if self._image is not None:
            self._image.close()
        if self.page is not None:
            self.page.close()

    @cached_property
    def mode(self) -> str:
        """What its pixels are, in Pillow's words or as ``5 x uint16``; with what of it is not used."""
        if self._image is None:
            assert self.page is not None
            text, unused = self.page.mode, self.page.left_out
        else:
            layout = self._rawmode().rpartition(";16")[0]
            text = self._image.mode + (" of 16 bits" if layout in ("RGB", "RGBA", "RGBX", "LA") else "")
            text += " transparency" if "transparency" in self._image.info else ""
            unused = unused_samples(self._image) if self.format == "TIFF" and not self._reading.bands else 0
        return text + (f", {unused} more band{'s' * (unused > 1)} left out" if unused else "")

    @property
    def animated(self) -> bool:
        """Whether it has several frames or pages; pages that ``Reading.bands`` takes as bands don't count."""
        if self._image is None:
            assert self.page is not None
            return self.page.pages > 1 and not self._reading.bands
        return is_animated(self._image)

    @property
    def deep(self) -> bool:
        """Whether ``bands`` has more than the 8-bit RGB of ``decoded``."""
        if self._image is None:
            return True
        return self._image.mode[0] in "IF" or self._rawmode() in _OTHER_BYTES or self._pnm_maximum() > 255

    def _rawmode(self) -> str:
        args = self._tiles[0].args if self._tiles else ""
        rawmode = args if isinstance(args, str) else args[0] if args else ""
        return rawmode if isinstance(rawmode, str) else ""

    def _pnm_maximum(self) -> int:
        """Return the largest value that the header of a PGM or PPM file names; 0 for other files."""
        if self.format != "PPM" or not self._tiles:
            return 0
        codec, args = self._tiles[0].codec_name, self._tiles[0].args
        return int(args[1]) if codec.startswith("ppm") and args[0] != "1" else 65535 * (args == "I;16B")

    def draft(self, mode: str | None, size: tuple[int, int]) -> bool:
        """Have a JPEG decoded at a part of its size, but at least (width, height), and to a mode of Pillow.

        Returns:
            whether this changes its mode.
        """
        if self._image is None or self.deep:
            return False
        before = self._image.mode
        swapped = self.turned and self.orientation in SWAPPED
        self._image.draft(mode, size[::-1] if swapped else size)
        return self._image.mode != before

    def rgb(self, *, gray: bool = False) -> Image.Image:
        """Decode the image to 8-bit RGB, turned; with ``gray``, leave an 8-bit grey image as it is.

        Raises:
            BadImageError: the image can't be decoded.
        """
        if self.deep:
            return self.bands().rgb(self._reading)
        assert self._image is not None
        try:
            image = self._upright(self._image)
            if self._reading.bands:
                return self._selected(image)
            return image if gray and image.mode == "L" and "transparency" not in image.info else _to_rgb(image)
        except BROKEN as error:
            raise undecodable(self._path, error) from error

    def _upright(self, image: Image.Image) -> Image.Image:
        """Decode, and turn as asked for."""
        image.load()
        if image.format == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info:
            # Pillow inverts every CMYK JPEG, but only programs that write Adobe's marker store the inks inverted.
            image = ImageChops.invert(image)
        if self._reading.orientation == "exif":
            ImageOps.exif_transpose(image, in_place=True)
            return image
        if self.format == "TIFF" and self.orientation in _TURNED_BACK:
            return image.transpose(_TURNED_BACK[self.orientation])
        return image

    def _selected(self, image: Image.Image) -> Image.Image:
        """Return the bands that ``Reading.bands`` names as RGB."""
        if image.mode not in ("L", "LA", "RGB", "RGBA"):
            image = image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB")
        bands = image.split()
        chosen = [bands[band] for band in check_bands(self._path, len(bands), self._reading)]
        return Image.merge("RGB", chosen if len(chosen) == 3 else chosen * 3)

    def bands(self) -> Bands:
        """Decode the bands that are used as they are stored, turned.

        Raises:
            BadImageError: the image can't be decoded, or nothing says which of its bands are colours.
        """
        try:
            page = self.page
            chosen = self._of_pillow().chosen(self._path, self._reading) if page is None else page.bands()
            return chosen.turned(self.orientation) if self.turned else chosen
        except BROKEN as error:
            raise undecodable(self._path, error) from error

    def _of_pillow(self) -> Bands:
        """Return the deep bands of an image that Pillow reads, not turned."""
        image, maximum, rawmode = self._image, self._pnm_maximum(), self._rawmode()
        assert image is not None
        if maximum > 255:
            return _of_pnm(self._content, image, self._tiles[0], maximum)
        clear = image.info.get("transparency")
        if rawmode in _OTHER_BYTES:
            bands = self._of_16_bit_colors(image, rawmode)
        else:
            image.load()
            highest = 2 ** (bits_of(image) if self.format == "TIFF" else 16) - 1 if image.mode.startswith("I;16") else 0
            bands = Bands(np.asarray(image)[..., None], highest, 1)
        if self.format == "TIFF":
            return replace(bands, values=turned_back(bands.values, self.orientation))
        if self.format == "JPEG2000" and bands.highest:
            bits = _jpeg2000_bits(self._content)
            return Bands(bands.values >> (16 - bits), 2**bits - 1, 1)  # Pillow shifted them to 16 bits
        return bands if clear is None else _with_clear_color(bands, clear)

    def _of_16_bit_colors(self, image: Image.Image, rawmode: str) -> Bands:
        """Decode twice: Pillow keeps one of the two bytes of each sample."""
        with open_image(self._path, self._content, self._reading) as again:
            tiles: Any = again.tile  # type: ignore[attr-defined]
            other = _OTHER_BYTES[rawmode]
            again.tile = [  # type: ignore[attr-defined]
                tile._replace(args=other if isinstance(tile.args, str) else (other, *tile.args[1:])) for tile in tiles
            ]
            for each in (image, again):
                each.load()
            high, low = (np.asarray(each).astype(np.uint16) for each in (image, again))
        if rawmode == "LA;16B":
            return Bands(np.stack([low[..., 0] << 8 | low[..., 1], low[..., 2] << 8 | low[..., 3]], -1), 65535, 1, 1)
        return Bands(high << 8 | low, 65535, 3, 3 if high.shape[2] == 4 else None)


def stored_values(path: Path, data: bytes | None = None, reading: Reading = PLAIN) -> np.ndarray | None:
    """Return the values of a mask that Pillow doesn't read, or reads wrong; None for all others.

    Args:
        path: the file, of any format.
        data: its bytes, if they were read already.
        reading: how files are read; the bands of images are no concern of masks.

    Returns:
        (H, W, C): unsigned or signed integers, or floating point, turned; of a palette the indices. None if the file
        is for Pillow.

    Raises:
        BadImageError: the file can't be read or decoded.
    """
    with Picture(path, data, replace(reading, bands=())) as picture:
        page = picture.page
        if page is None:
            return None
        values = page.indices()
        return turned(values, picture.orientation) if picture.turned else values


def _with_clear_color(bands: Bands, clear: int | tuple[int, ...]) -> Bands:
    """Make the one colour of a 16-bit PNG transparent that its header names."""
    opaque = (bands.values != np.array(clear, np.uint16)).any(-1, keepdims=True)
    values = np.concatenate([bands.values, np.where(opaque, 65535, 0).astype(np.uint16)], -1)
    return replace(bands, values=values, alpha=bands.colors)


def _of_pnm(content: bytes, image: Image.Image, tile: Any, maximum: int) -> Bands:
    """Return the values of a PGM or PPM file, which Pillow scales to 8 or 16 bits."""
    if tile.codec_name == "ppm_plain":
        image.load()
        values = np.asarray(image).astype(np.float64)
        scaled = np.rint(values * maximum / (65535 if values.ndim == 2 else 255)).astype(np.uint16)
        return Bands(scaled.reshape(*scaled.shape[:2], -1), maximum, 1 if values.ndim == 2 else 3)
    colors = 3 if content.startswith(b"P6") else 1
    width, height = image.size
    count = width * height * colors
    if len(content) < tile.offset + 2 * count:
        raise EOFError("image file is truncated")
    values = np.frombuffer(content, ">u2", count, tile.offset).reshape(height, width, colors)
    return Bands(np.minimum(values, maximum).astype(np.uint16), maximum, colors)


def _jpeg2000_bits(content: bytes) -> int:
    """Return the number of bits per sample of a JPEG 2000 image (ISO/IEC 15444-1, A.5.1: Ssiz)."""
    place = content.find(b"\xff\x4f\xff\x51") + 42
    bits = content[place] + 1 if 42 <= place < len(content) else 16
    return bits if 8 < bits <= 16 else 16


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, layer)
    return image if image.mode == "RGB" else image.convert("RGB")
