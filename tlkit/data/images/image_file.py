"""Image files: read their bytes and headers, and say what is wrong with damaged ones."""

from __future__ import annotations

import io
import re
import stat
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Literal

from PIL import Image, ImageFile, UnidentifiedImageError, features

from tlkit.data.images.reading import PLAIN, Reading
from tlkit.errors import DataError
from tlkit.files.image_formats import HEIF_HELP, PILLOW_NAMES, format_names, format_of, other_format

MAX_PIXELS = 178_956_970
"""Refuse images whose header claims more pixels; Pillow's own limit for a decompression bomb."""

PIXEL_BYTES = 8
"""Maximum number of bytes of a pixel in a file: four channels of 16 bits, uncompressed."""

ANY_BYTES = 2**30
"""Read files up to this size whatever the pixel limit: they may have several pages, or previews."""

BadKind = Literal["unreadable", "empty", "not_image", "unsupported", "undecodable", "truncated", "huge", "mask_values"]
"""Why an image or a mask can't be decoded."""


class BadImageError(DataError):
    """A file that can't be decoded.

    Args:
        kind: the reason, as a word to count and sort by.
        message: the file and the reason.
    """

    def __init__(self, kind: BadKind, message: str) -> None:
        super().__init__(message)
        self.kind: BadKind = kind


BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    OverflowError,
    MemoryError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    zlib.error,
)
"""The exceptions that Pillow raises on damaged files."""

_ORIENTATION = 0x0112
SWAPPED = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""


def read_file(path: Path, max_pixels: int | None = None) -> bytes:
    """Return the bytes of an image file.

    Pipes and devices are refused, because reading them may never end. So are files larger than both ``ANY_BYTES`` and
    ``PIXEL_BYTES`` times the allowed number of pixels.

    Args:
        path: the file.
        max_pixels: the number of pixels that an image may have; None: ``MAX_PIXELS``.

    Raises:
        BadImageError: the path is not a file, or it can't be read, or is too large.
    """
    limit = byte_limit(max_pixels)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise BadImageError("unreadable", f"{path}: can't be read: it is neither a file nor a folder")
        if stat.S_ISREG(status.st_mode) and status.st_size > limit:
            size = f"{status.st_size} bytes, at most {limit} are read"
            raise BadImageError("huge", f"{path}: too large: {size}")
        return path.read_bytes()
    except OSError as error:
        raise BadImageError("unreadable", f"{path}: can't be read: {error.strerror}") from error
    except ValueError as error:  # the name has a NUL, or characters that the file system can't encode
        raise BadImageError("unreadable", f"{path}: can't be read: no file can have this name: {error}") from error
    except MemoryError as error:
        raise BadImageError("huge", f"{path}: too large: not enough memory to read it") from error


def byte_limit(max_pixels: int | None) -> int:
    """Return the size in bytes up to which a file is read, and its pixels are decoded."""
    return max(ANY_BYTES, PIXEL_BYTES * (MAX_PIXELS if max_pixels is None else max_pixels))


def check_pixels(path: Path, width: int, height: int, reading: Reading) -> None:
    """Check that an image has no more pixels than allowed.

    Raises:
        BadImageError: it has.
    """
    limit = MAX_PIXELS if reading.max_pixels is None else reading.max_pixels
    if width * height > limit:
        raise BadImageError("huge", f"{path}: too large: {width} x {height} pixels; at most {limit} are allowed")


def open_image(path: Path, data: bytes | None = None, reading: Reading = PLAIN) -> Image.Image:
    """Read the header of an image; its pixels are not decoded yet.

    Args:
        path: the file.
        data: the file's bytes, if they were read already.
        reading: how files are read; here the allowed number of pixels counts.

    Raises:
        BadImageError: the file can't be read, is not an image of a supported format, or has too many pixels.
    """
    content = read_file(path, reading.max_pixels) if data is None else data
    if not content:
        raise BadImageError("empty", f"{path}: the file is empty")
    load_plugins(content)
    try:
        image: Image.Image = Image.open(io.BytesIO(content))
    except UnidentifiedImageError as error:
        raise _unidentified(path, content) from error
    except Image.DecompressionBombError as error:
        claimed = re.search(r"\d+", str(error))
        pixels = f"{claimed[0]} pixels" if claimed else f"more than {2 * MAX_PIXELS} pixels"
        raise BadImageError("huge", f"{path}: too large: its header claims {pixels}") from error
    except BROKEN as error:
        raise undecodable(path, error) from error
    check_pixels(path, *image.size, reading)
    if image.format not in PILLOW_NAMES:
        message = f"{path}: {image.format} images are not supported; expected {format_names(' or ')}"
        raise BadImageError("unsupported", message)
    return image


def _unidentified(path: Path, content: bytes) -> BadImageError:
    """Return the error for a file that Pillow doesn't open."""
    other = other_format(content)
    if other is not None:
        return BadImageError("unsupported", f"{path}: {other.sentence}")
    promised = format_of(content)
    if promised is not None and "HEIF" in promised.pillow_names and not _reads_heif():
        return BadImageError("unsupported", f"{path}: {HEIF_HELP}")
    if promised is not None and promised.feature and not features.check(promised.feature):
        reason = (
            f"this installation of Pillow can't decode {promised.name}; pip install --upgrade --force-reinstall Pillow"
        )
        return BadImageError("unsupported", f"{path}: {reason}")
    if promised is not None:
        reason = f"it starts like a {promised.name} file, but is damaged"
        return BadImageError("undecodable", f"{path}: can't be decoded: {reason}")
    return BadImageError("not_image", f"{path}: not an image; expected {format_names(' or ')}")


def load_plugins(content: bytes) -> None:
    """Load the Pillow plugin that a file needs by its first bytes, if it is installed."""
    promised = format_of(content[:64]) if content[4:8] == b"ftyp" else None
    if promised is not None and "HEIF" in promised.pillow_names:
        _reads_heif()


@cache
def _reads_heif() -> bool:
    """Have Pillow read HEIC images, and return whether it can."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def orientation_of(path: Path, image: Image.Image) -> int:
    """Return the EXIF orientation of an opened image, 1 to 8; 1: it is stored upright.

    Raises:
        BadImageError: the EXIF data can't be read.
    """
    try:
        value = tagged_orientation(image) or image.getexif().get(_ORIENTATION, 1)
    except BROKEN as error:
        raise undecodable(path, error) from error
    return value if value in range(1, 9) else 1


def tagged_orientation(image: Image.Image) -> int:
    """Return the orientation in the tags of a TIFF, by which Pillow exchanges width and height when it opens it."""
    return image.tag_v2.get(_ORIENTATION, 0) if image.format == "TIFF" else 0  # type: ignore[attr-defined]


def is_animated(image: Image.Image) -> bool:
    """Return whether an opened image has several frames or pages; the previews of a photograph (MPO) don't count."""
    try:
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except BROKEN:
        return False


def undecodable(path: Path, error: Exception) -> BadImageError:
    """Return the error for what Pillow raised while it decoded a file."""
    truncated = isinstance(error, EOFError) or "truncated" in str(error).lower()
    return BadImageError("truncated" if truncated else "undecodable", f"{path}: can't be decoded: {error}")


ImageFile.LOAD_TRUNCATED_IMAGES = False
