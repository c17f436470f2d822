"""TIFF files: which of them Pillow reads right, and all others by tifffile."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tlkit.data.images.bands import Bands, check_bands, unexplained
from tlkit.data.images.image_file import (
    BadImageError,
    byte_limit,
    check_pixels,
    undecodable,
)
from tlkit.data.images.reading import Reading

_PHOTOMETRIC, _BITS, _SAMPLES, _PLANAR, _EXTRA, _FORMAT = 262, 258, 277, 284, 338, 339
_COMPRESSION = 259
_PILLOWS_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34925, 50000)
"""The compressions that the libtiff in Pillow's wheels decodes."""
_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLORS = {_WHITE_IS_0: 1, _BLACK_IS_0: 1, _RGB: 3, _PALETTE: 3, _YCBCR: 3}
_OTHER_COLORS = {
    4: "a transparency mask",
    8: "CIELAB colours",
    9: "CIELAB colours",
    10: "ITU LAB colours",
    32803: "the raw values of a camera's sensor",
    34892: "the raw values of a camera's sensor",
}
_ALPHA = (1, 2)
_MAX_BANDS = 10_000
_FEW_BANDS = 16
_PIP = 'pip install "tlkit[tiff]"'


def pillow_is_right(image: Image.Image) -> bool:
    """Return whether Pillow decodes a TIFF file that it opened to the right values.

    Pillow 13 opens some whose values it then gets wrong: separate planes of 16 bits, 16-bit files in which 0 is white,
    signed 8-bit integers, unsigned 32-bit integers; and it takes a fourth sample of unknown meaning for opacity.
    """
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    photometric = tags.get(_PHOTOMETRIC, 0)
    bits, formats = _tuple(tags.get(_BITS, 1)), _tuple(tags.get(_FORMAT, 1))
    extra, samples = _tuple(tags.get(_EXTRA, ())), tags.get(_SAMPLES, 1)
    planar = tags.get(_PLANAR, 1) == 2 and samples > 1
    if tags.get(_COMPRESSION, 1) not in _PILLOWS_COMPRESSIONS:
        return False
    gray = photometric in (_WHITE_IS_0, _BLACK_IS_0)
    if max(bits) <= 8:
        if gray:
            known = samples == 1 or (samples == 2 and extra[:1] in ((1,), (2,)) and not planar)
        else:
            known = photometric in (_PALETTE, _CMYK, _YCBCR) or (photometric == _RGB and (samples == 3 or bool(extra)))
        return known and set(formats) == {1}
    if planar or photometric == _WHITE_IS_0 or "a" in image.mode:
        return False
    if photometric == _CMYK:
        return True
    if photometric == _RGB:
        return set(bits) == {16} and set(formats) == {1} and (samples == 3 or bool(extra))
    kind = (max(bits), formats[0])
    return photometric == _BLACK_IS_0 and samples == 1 and kind in ((12, 1), (16, 1), (16, 2), (32, 2), (32, 3))


def bands_as_width(image: Image.Image) -> str:
    """Return what went wrong if tifffile wrote an array (H, W, C) as H pages of the size (W, C); otherwise nothing."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    shape = re.match(r'\{"shape": \[(\d+), (\d+), (\d+)\]', str(tags.get(270, "")))
    if shape is None or not 1 < tags.get(256, 0) == int(shape[3]) <= _FEW_BANDS < int(shape[1]):
        return ""
    pages = f"{shape[1]} pages of {shape[3]} x {shape[2]} pixels"
    return (
        f"an array of the shape ({shape[1]}, {shape[2]}, {shape[3]}) written as {pages}; write its bands as such: "
        'tifffile.imwrite(file, array, photometric="minisblack", planarconfig="contig")'
    )


def bits_of(image: Image.Image) -> int:
    """Return the number of bits per sample of a TIFF that Pillow opened."""
    return max(_tuple(image.tag_v2.get(_BITS, 1)))  # type: ignore[attr-defined]


def unused_samples(image: Image.Image) -> int:
    """Return the number of samples of a TIFF that Pillow opened and doesn't use, as nothing explains them."""
    return sum(each == 0 for each in _tuple(image.tag_v2.get(_EXTRA, ())))  # type: ignore[attr-defined]


def _tuple(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, Sequence) else (int(value),)


class TiffPage:
    """The first page of a TIFF, read by tifffile; its pixels are not decoded yet.

    Args:
        path: the file.
        content: its bytes; None: they are read from the file as they are needed.
        reading: how it is read.

    Raises:
        BadImageError: the file is damaged, or of a kind that is not read.
    """

    def __init__(self, path: Path, content: bytes | None, reading: Reading) -> None:
        self._path = path
        self._reading = reading
        try:
            self._file = _tifffile().TiffFile(path if content is None else io.BytesIO(content))
            self._page = page = self._file.pages.first
            self.height, self.width = int(page.imagelength), int(page.imagewidth)
            self.pages = len(self._file.pages)
            self._photometric = int(page.photometric)
            self._samples = int(page.samplesperpixel)
            self.orientation = int(page.tags.valueof(274, 1))
        except Exception as error:  # tifffile raises what it likes
            raise undecodable(path, error) from error
        check_pixels(path, self.width, self.height, reading)
        if not self.width * self.height * self._samples:
            raise undecodable(path, ValueError("its header claims no pixels"))
        self._check_kind()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _check_kind(self) -> None:
        page = self._page
        dtype = page.dtype
        kind = ""
        if self._photometric not in (*_COLORS, _CMYK):
            kind = _OTHER_COLORS.get(self._photometric, f"photometric interpretation {self._photometric}")
        elif dtype is None or dtype.kind not in "uifb":
            kind = "complex numbers" if dtype is not None and dtype.kind == "c" else "samples of an unknown type"
        elif page.imagedepth > 1:
            kind = f"a volume of {page.imagedepth} layers"
        elif self._photometric == _YCBCR and page.subsampling not in (None, (1, 1)) and int(page.compression) == 1:
            kind = "uncompressed YCbCr with subsampled colours"
        if kind:
            raise _unsupported(self._path, f"has {kind}, which tlkit does not read; convert it to PNG or to RGB")
        if self._samples > _MAX_BANDS:
            raise _unsupported(self._path, f"has {self._samples} bands; at most {_MAX_BANDS} are read")

    @property
    def mode(self) -> str:
        """What the pixels are, such as ``5 x uint16``."""
        dtype = str(self._page.dtype)
        bits = self._page.bitspersample
        depth = dtype if self._page.dtype.kind != "u" or bits % 8 == 0 else f"{bits} bits"
        return depth if self._samples == 1 else f"{self._samples} x {depth}"

    @property
    def left_out(self) -> int:
        """The number of samples beside RGB that nothing explains, and that are not used."""
        if self._reading.bands or self._photometric not in (_RGB, _PALETTE, _YCBCR, _CMYK):
            return 0
        return max(0, self._samples - self._color_samples() - (self._alpha() is not None))

    @property
    def unexplained_bands(self) -> int:
        """The number of bands if nothing says which of them are colours; otherwise 0."""
        return 0 if self._colors() else self._samples

    def _color_samples(self) -> int:
        return 1 if self._photometric == _PALETTE else _COLORS.get(self._photometric, 4)

    def _alpha(self) -> int | None:
        """Return the number of the band that is the opacity; None where there is none."""
        extra = [int(each) for each in self._page.extrasamples]
        first = self._samples - len(extra)
        return next((first + number for number, each in enumerate(extra) if each in _ALPHA), None)

    def check_bands(self) -> None:
        """Check that the bands that are used are there, without decoding them.

        Raises:
            BadImageError: they are not, or nothing says which of them are colours.
        """
        count = self.pages if self._samples == 1 and self.pages > 1 else self._samples
        if self._reading.bands:
            check_bands(self._path, count, self._reading)
        elif not self._colors():
            raise unexplained(self._path, count)

    def _colors(self) -> int:
        """Return how many bands, from the first, are colours; 0 if nothing says so."""
        if self._photometric not in (_WHITE_IS_0, _BLACK_IS_0):
            return 3
        bands = self._samples - (self._alpha() is not None)
        return bands if bands in (1, 3) else 0

    def bands(self) -> Bands:
        """Decode the page; with ``Reading.bands``, pages of one band each are bands, too.

        Raises:
            BadImageError: the page can't be decoded.
        """
        self.check_bands()
        if self._reading.bands and self._samples == 1 and self.pages > 1:
            planes = [self._decode(self._file.pages[number]) for number in self._reading.bands]
            if len({each.shape for each in planes}) > 1 or planes[0].shape[2] > 1:
                raise _unsupported(self._path, "has pages of different sizes, which can't be the bands of one image")
            return replace(self._explained(np.concatenate(planes, axis=2)), colors=len(planes), alpha=None)
        return self._explained(self._decode(self._page)).chosen(self._path, self._reading)

    def _decode(self, page: Any) -> np.ndarray:
        """Return the values of a page, (H, W, C)."""
        if page.nbytes > byte_limit(self._reading.max_pixels):
            raise BadImageError("huge", f"{self._path}: too large: its header claims {page.nbytes} bytes of pixels")
        try:
            values = page.asarray(maxworkers=1)
        except Exception as error:  # and so do its codecs
            raise self._undecodable(error) from error
        if values.ndim == 2:
            values = values[..., None]
        elif page.axes.startswith("S"):
            values = np.moveaxis(values, 0, -1)
        expected = (page.imagelength, page.imagewidth, page.samplesperpixel)
        if values.shape != expected:
            raise undecodable(self._path, ValueError(f"expected an array of {expected}, received {values.shape}"))
        return np.asarray(values)

    def _undecodable(self, error: Exception) -> BadImageError:
        if "imagecodecs" in str(error) or isinstance(error, ImportError):
            return _unsupported(
                self._path,
                f"its compression ({self._page.compression.name}, {self._page.bitspersample} bits) needs the package "
                f"imagecodecs: {_PIP}",
            )
        return undecodable(self._path, error)

    def _explained(self, values: np.ndarray) -> Bands:
        """Return values with what the tags say about them."""
        page = self._page
        if values.dtype.kind == "b":
            values = values.astype(np.uint8)
        bits = int(page.bitspersample)
        highest = 2**bits - 1 if values.dtype.kind == "u" and bits <= 16 else 0
        alpha = self._alpha()
        extra = [int(each) for each in page.extrasamples]
        if self._photometric == _PALETTE:
            values, highest, alpha = _through_palette(values, page.colormap), 65535, None
        elif self._photometric == _CMYK:
            values, highest, alpha = _from_cmyk(values, bits), 255, None
        return Bands(
            values,
            highest,
            self._colors(),
            alpha,
            premultiplied=1 in extra,
            inverted=self._photometric == _WHITE_IS_0,
        )

    def indices(self) -> tuple[np.ndarray, bool]:
        """Return the stored values, (H, W, C), of a palette the indices; and whether they were turned round.

        Raises:
            BadImageError: the page can't be decoded.
        """
        values = self._decode(self._page)
        if values.dtype.kind == "b":
            values = values.astype(np.uint8)
        if self._photometric == _WHITE_IS_0 and values.dtype.kind == "u":
            return np.asarray(2 ** int(self._page.bitspersample) - 1 - values), True
        return values, False


def _through_palette(values: np.ndarray, palette: np.ndarray) -> np.ndarray:
    colors = np.moveaxis(np.asarray(palette, np.uint16), 0, -1)
    return np.asarray(colors[np.minimum(values[..., 0], len(colors) - 1)])


def _from_cmyk(values: np.ndarray, bits: int) -> np.ndarray:
    inks = values[..., :4] if bits == 8 else np.rint(values[..., :4] * (255 / (2**bits - 1)))
    return np.asarray(Image.fromarray(inks.astype(np.uint8), "CMYK").convert("RGB"))


def _unsupported(path: Path, reason: str) -> BadImageError:
    return BadImageError("unsupported", f"{path}: a TIFF that {reason}" if reason[:3] == "has" else f"{path}: {reason}")


@cache
def _tifffile() -> Any:
    """Return tifffile, imported when the first such file is read; it logs odd tags, which are no news to a user."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    return tifffile
