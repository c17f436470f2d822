"""The image formats that tlkit reads: their names, first bytes and suffixes. To add a format, add a row here."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class ImageFormat:
    """A format that is decoded.

    Args:
        name: its name in messages.
        pillow_names: Pillow's names of the format and of its variants.
        suffixes: suffixes of its files, in lower case; the first is the one to suggest.
        first_bytes: a regular expression for the start of its files; None if that is too short to recognise it.
    """

    name: str
    pillow_names: tuple[str, ...]
    suffixes: tuple[str, ...]
    first_bytes: bytes | None


FORMATS = (
    ImageFormat("JPEG", ("JPEG", "MPO"), (".jpg", ".jpeg", ".jpe"), rb"\xff\xd8\xff"),
    ImageFormat("PNG", ("PNG",), (".png",), rb"\x89PNG\r\n\x1a\n"),
    ImageFormat("BMP", ("BMP", "DIB"), (".bmp",), None),
    ImageFormat("GIF", ("GIF",), (".gif",), rb"GIF8"),
    ImageFormat("WebP", ("WEBP",), (".webp",), rb"RIFF.{4}WEBP"),
    ImageFormat("TIFF", ("TIFF",), (".tif", ".tiff"), rb"II\*\0|MM\0\*"),
)

PILLOW_NAMES = frozenset(name for each in FORMATS for name in each.pillow_names)
"""Pillow's names of the formats that are decoded."""

FORMAT_OF_SUFFIX = {suffix: each for each in FORMATS for suffix in each.suffixes}
"""Suffix, in lower case → the format that it promises."""


def format_of(content: bytes) -> ImageFormat | None:
    """Return the format that a file's first bytes promise; None if they promise none that is decoded."""
    return next((each for each in FORMATS if each.first_bytes and re.match(each.first_bytes, content, re.DOTALL)), None)


def format_names(last: str = ", ") -> str:
    """Return the names of all formats, separated by commas; ``last`` stands before the last of them."""
    *names, final = (each.name for each in FORMATS)
    return ", ".join(names) + last + final
