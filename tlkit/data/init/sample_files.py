"""Open an even sample of a folder's files: the sizes and formats of images."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from PIL import Image, UnidentifiedImageError

from tlkit.data.images.image_file import BadImageError
from tlkit.data.images.picture import Picture
from tlkit.data.images.reading import Reading

T = TypeVar("T")

_MAX_OPENED = 400
"""Maximum number of images to open; all are counted."""
_MAX_DECODED = 40
"""Maximum number of images with more than 8 bits per channel to decode."""
_UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Headers:
    """The headers of the images that were opened.

    Args:
        sizes: (width, height) of each image.
        formats: Pillow's name of the format → number of images, the most frequent first.
        unreadable: the number of other files that were opened but are not images.
        values: ``Bands.used_range`` of some of the images with more than 8 bits per channel.
        bands: the number of bands of images of which nothing says which are colours; 0 if there are none.
        stored: the number of photos that EXIF turns and whose masks fit them only unturned.
        undecided: the number of photos that EXIF turns and whose masks, which it does not turn, fit them in both ways.
        problems: what keeps images from being read, such as a package that is missing → number of images.
        total: the number of files, of which a sample was opened.
    """

    sizes: tuple[tuple[int, int], ...] = ()
    formats: Mapping[str, int] = field(default_factory=dict)
    unreadable: int = 0
    values: tuple[tuple[float, ...], ...] = ()
    bands: int = 0
    problems: Mapping[str, int] = field(default_factory=dict)
    stored: int = 0
    undecided: int = 0
    total: int = 0

    @property
    def opened(self) -> int:
        """The number of files that were opened."""
        return len(self.sizes) + self.unreadable + sum(self.problems.values())


def read_headers(files: Sequence[Path]) -> Headers:
    """Read the headers of an even sample of images, and the values of some with more than 8 bits per channel."""
    sizes: list[tuple[int, int]] = []
    formats: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    unreadable = 0
    deep: list[Path] = []
    for file in evenly(files, _MAX_OPENED):
        try:
            header = _header(file)
        except BadImageError as error:
            problems[str(error).removeprefix(f"{file}: ")] += error.kind == "unsupported"
            unreadable += error.kind != "unsupported"
            continue
        sizes.append(header.size)
        formats[header.format] += 1
        deep += [file] if header.deep else []
    headers = Headers(tuple(sizes), dict(formats.most_common()), unreadable, problems=dict(+problems), total=len(files))
    return _with_values(headers, evenly(deep, _MAX_DECODED))


class _Header(NamedTuple):
    size: tuple[int, int]
    format: str
    deep: bool


def _header(file: Path) -> _Header:
    """Read the header of an image.

    Raises:
        BadImageError: it can't be read.
    """
    try:
        with _opened(file) as image:
            deep = image.mode[0] in "IF" or image.format == "TIFF" or ";16" in str(getattr(image, "tile", ""))
            return _Header(image.size, image.format or "unknown", deep)
    except _UNREADABLE:
        with Picture(file) as picture:
            return _Header((picture.size[1], picture.size[0]), picture.format, picture.deep)


def _with_values(headers: Headers, files: Sequence[Path]) -> Headers:
    """Add the values of images that may have more than 8 bits per channel, or unexplained bands."""
    values: list[tuple[float, ...]] = []
    bands = 0
    for file in files:
        with suppress(BadImageError), Picture(file) as picture:
            unexplained = picture.unexplained_bands
            if not unexplained:
                values += [picture.bands().used_range()] if picture.deep and picture.bands().deep else []
                continue
            bands = max(bands, unexplained)
            with Picture(file, reading=Reading(bands=(0, 1, 2) if unexplained > 2 else (0,))) as chosen:
                values += [chosen.bands().used_range()] if chosen.bands().deep else []
    return replace(headers, values=tuple(each for each in values if each), bands=bands)


def _opened(file: Path) -> Image.Image:
    # Not open_image, which reads whole files and refuses other formats: here headers suffice, and any format counts.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large images, but only the header is read here
        return Image.open(file)


def evenly(items: Sequence[T], limit: int) -> list[T]:
    """Return at most ``limit`` of the items, evenly spaced."""
    if len(items) <= limit:
        return list(items)
    return [items[index * len(items) // limit] for index in range(limit)]
