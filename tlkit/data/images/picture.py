"""Open an image file of any kind by the reader that decodes it right: Pillow where it does, otherwise tifffile."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageOps

from tlkit.contracts import ImageSize
from tlkit.data.images.bands import Bands, check_bands, turned, turned_back
from tlkit.data.images.deep_values import (
    OTHER_BYTES,
    jpeg2000_bits,
    of_16_bit_colors,
    of_pnm,
    pnm_maximum,
    with_clear_color,
)
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
from tlkit.data.images.tiff import TiffPage, bands_as_width, bits_of, pillow_is_right, unused_samples
from tlkit.files.image_formats import format_of

_TURNED_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


_GRAY_FACTORS = {"L;2": 85, "L;4": 17}
"""Pillow scales the grey values of a PNG of 2 or 4 bits to 8, but not the one that the file makes transparent."""


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
        self.image, self.page = self._opened()
        # Kept, because asking a PNG for its EXIF data decodes it, after which Pillow has forgotten how it was stored.
        self._tiles: list[Any] = list(getattr(self.image, "tile", ()))
        if self.image is not None:
            clear, factor = self.image.info.get("transparency"), _GRAY_FACTORS.get(self._rawmode())
            if isinstance(clear, int) and factor is not None:
                self.image.info["transparency"] = clear * factor
            self.format: str = self.image.format or ""
            self.orientation = orientation_of(path, self.image)
            stored = self.image.size
            if tagged_orientation(self.image) in SWAPPED:
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
            wrong = bands_as_width(image) if image.format == "TIFF" else ""
            if wrong:
                raise BadImageError("unsupported", f"{self._path}: {wrong}")
            if image.format != "TIFF" or _pillow_reads(image, self._path, self._reading):
                return image, None
        return None, TiffPage(self._path, self._content, self._reading)

    def __enter__(self) -> Picture:
        return self

    def __exit__(self, *error: object) -> None:
        if self.image is not None:
            self.image.close()
        if self.page is not None:
            self.page.close()

    @cached_property
    def mode(self) -> str:
        """What its pixels are, in Pillow's words or as ``5 x uint16``; with what of it is not used."""
        if self.image is None:
            assert self.page is not None
            text, unused = self.page.mode, self.page.left_out
        else:
            layout = self._rawmode().rpartition(";16")[0]
            text = self.image.mode + (" of 16 bits" if layout in ("RGB", "RGBA", "RGBX", "LA") else "")
            text += " transparency" if "transparency" in self.image.info else ""
            unused = unused_samples(self.image) if self.format == "TIFF" and not self._reading.bands else 0
        return text + (f", {unused} more band{'s' * (unused > 1)} left out" if unused else "")

    @property
    def unexplained_bands(self) -> int:
        """The number of bands if nothing says which of them are colours; otherwise 0."""
        return 0 if self.page is None else self.page.unexplained_bands

    @property
    def animated(self) -> bool:
        """Whether it has several frames or pages; pages that ``Reading.bands`` takes as bands don't count."""
        if self.image is None:
            assert self.page is not None
            return self.page.pages > 1 and not self._reading.bands
        return is_animated(self.image)

    @property
    def deep(self) -> bool:
        """Whether ``bands`` has more than the 8-bit RGB of ``decoded``."""
        if self.image is None:
            return True
        return (
            self.image.mode[0] in "IF" or self._rawmode() in OTHER_BYTES or pnm_maximum(self.format, self._tiles) > 255
        )

    def _rawmode(self) -> str:
        args = self._tiles[0].args if self._tiles else ""
        rawmode = args if isinstance(args, str) else args[0] if args else ""
        return rawmode if isinstance(rawmode, str) else ""

    def draft(self, mode: str | None, size: tuple[int, int]) -> bool:
        """Have a JPEG decoded at a part of its size, but at least (width, height), and to a mode of Pillow.

        Returns:
            whether this changes its mode.
        """
        if self.image is None or self.deep:
            return False
        before = self.image.mode
        swapped = self.turned and self.orientation in SWAPPED
        self.image.draft(mode, size[::-1] if swapped else size)
        return self.image.mode != before

    def rgb(self, *, gray: bool = False) -> Image.Image:
        """Decode the image to 8-bit RGB, turned; with ``gray``, leave an 8-bit grey image as it is.

        Raises:
            BadImageError: the image can't be decoded.
        """
        if self.deep:
            return self.bands().rgb(self._reading)
        assert self.image is not None
        try:
            image = self.upright()
            if self._reading.bands:
                return _selected(image, self._path, self._reading)
            return image if gray and image.mode == "L" and "transparency" not in image.info else _to_rgb(image)
        except BROKEN as error:
            raise undecodable(self._path, error) from error

    def stored_values(self) -> tuple[np.ndarray, bool]:
        """Decode the values of a TIFF that Pillow doesn't read, as they are stored, for masks.

        Returns:
            (H, W, C), of a palette the indices, turned as asked for; and whether 0 is white, so that unsigned values
            were turned round.

        Raises:
            BadImageError: the file can't be decoded.
        """
        assert self.page is not None
        values, inverted = self.page.indices()
        return turned(values, self.orientation) if self.turned else values, inverted

    def upright(self) -> Image.Image:
        """Decode what Pillow reads, and turn it as asked for.

        Raises:
            the exceptions of ``BROKEN``: the image can't be decoded.
        """
        image = self.image
        assert image is not None
        image.load()
        if image.format == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info:
            # Pillow inverts every CMYK JPEG, but only programs that write Adobe's marker store the inks inverted.
            image = ImageChops.invert(image)
        if self._reading.orientation == "exif":
            if self.orientation == 1:
                return image
            ImageOps.exif_transpose(image, in_place=True)
            return image
        if self.format == "TIFF" and self.orientation in _TURNED_BACK:
            return image.transpose(_TURNED_BACK[self.orientation])
        return image

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
        image, maximum, rawmode = self.image, pnm_maximum(self.format, self._tiles), self._rawmode()
        assert image is not None
        if maximum > 255:
            return of_pnm(self._content, image, self._tiles[0], maximum)
        clear = image.info.get("transparency")
        if rawmode in OTHER_BYTES:
            with open_image(self._path, self._content, self._reading) as again:
                bands = of_16_bit_colors(image, again, rawmode)
        else:
            image.load()
            highest = 2 ** (bits_of(image) if self.format == "TIFF" else 16) - 1 if image.mode.startswith("I;16") else 0
            bands = Bands(np.asarray(image)[..., None], highest, 1)
        if self.format == "TIFF":
            return replace(bands, values=turned_back(bands.values, self.orientation))
        if self.format == "JPEG2000" and bands.highest:
            bits = jpeg2000_bits(self._content)
            return Bands(bands.values >> (16 - bits), 2**bits - 1, 1)  # Pillow shifted them to 16 bits
        return bands if clear is None else with_clear_color(bands, clear)


def scales(picture: Picture, size: tuple[int, int]) -> bool:
    """Return whether ``draft`` to (width, height) has an image decoded at a part of its size."""
    width, height = picture.size[::-1]
    return picture.format in ("JPEG", "MPO") and width // size[0] >= 2 and height // size[1] >= 2


def _pillow_reads(image: Image.Image, path: Path, reading: Reading) -> bool:
    """Return whether Pillow reads a TIFF that it opened as asked for."""
    try:
        plain = not reading.bands or (image.mode in ("L", "RGB") and not is_animated(image))
        return pillow_is_right(image) and plain and not (reading.bands and unused_samples(image))
    except BROKEN as error:
        raise undecodable(path, error) from error


def _selected(image: Image.Image, path: Path, reading: Reading) -> Image.Image:
    """Return the bands that ``Reading.bands`` names as RGB."""
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB")
    bands = image.split()
    chosen = [bands[band] for band in check_bands(path, len(bands), reading)]
    return Image.merge("RGB", chosen if len(chosen) == 3 else chosen * 3)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, layer)
    return image if image.mode == "RGB" else image.convert("RGB")
