"""Where the pixels of a sample come from: a file, or a row of an array that its data set made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlkit.contracts import IGNORE, DrawnMask, ImageSize, MaskTable, Sample, SampleSet
from tlkit.data.images.decode import Resize, decode_to_size, fit_image
from tlkit.data.images.image_file import read_file
from tlkit.data.images.mask_decode import decode_mask
from tlkit.data.images.reading import PLAIN, Reading
from tlkit.errors import PluginError


@dataclass(frozen=True)
class _File:
    path: Path
    reading: Reading

    def read(self) -> bytes:
        """Return the bytes of the file.

        Raises:
            BadImageError: the file can't be read, or is too large.
        """
        return read_file(self.path, self.reading.max_pixels)


@dataclass(frozen=True)
class FileImage(_File):
    """An image in a file of its own.

    Args:
        path: the file.
        reading: how it is read.
    """

    def decode(self, content: bytes, size: ImageSize, resize: Resize) -> tuple[np.ndarray, ImageSize]:
        """Decode the bytes that ``read`` returned; see ``decode_to_size``.

        Raises:
            BadImageError: the bytes can't be decoded.
        """
        return decode_to_size(self.path, content, size, resize, self.reading)


@dataclass(frozen=True, eq=False)
class RowImage:
    """An image in an array.

    Args:
        pixels: uint8 (H, W, 3), or (H, W) for grey.
    """

    pixels: np.ndarray

    def read(self) -> bytes:
        """Return the bytes of the pixels, row by row."""
        return self.pixels.tobytes()

    def decode(self, content: bytes, size: ImageSize, resize: Resize) -> tuple[np.ndarray, ImageSize]:
        """Bring the pixels that ``read`` returned to the model's size.

        Returns:
            uint8 (H, W, 3); and the original's (height, width).
        """
        pixels = np.frombuffer(content, np.uint8).reshape(self.pixels.shape)
        rgb = np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels
        height, width = self.pixels.shape[:2]
        return fit_image(rgb, size, resize), (height, width)


@dataclass(frozen=True)
class FileMask(_File):
    """A mask in a file of its own.

    Args:
        path: the file.
        reading: how it is read.
        table: how its pixels name classes.
    """

    table: MaskTable

    def decode(self, content: bytes) -> np.ndarray:
        """Decode the bytes that ``read`` returned to class numbers, uint8 (H, W); see ``decode_mask``.

        Raises:
            BadImageError: the bytes can't be decoded, or have values that are not in the table.
        """
        return decode_mask(self.path, self.table, content, self.reading)


@dataclass(frozen=True, eq=False)
class RowMask:
    """A mask in an array.

    Args:
        classes: uint8 (H, W), class numbers and ``IGNORE``.
    """

    classes: np.ndarray

    def read(self) -> bytes:
        """Return the bytes of the class numbers, row by row."""
        return self.classes.tobytes()

    def decode(self, content: bytes) -> np.ndarray:
        """Return the class numbers that ``read`` returned, uint8 (H, W)."""
        return np.frombuffer(content, np.uint8).reshape(self.classes.shape)


@dataclass(frozen=True)
class AnnotatedMask:
    """A mask that its data set draws from annotations.

    Args:
        drawn: what the data set returned.
        classes: the number of classes.
    """

    drawn: DrawnMask
    classes: int

    def read(self) -> bytes:
        """Return the bytes that determine the mask.

        Raises:
            DataError: they can't be read.
        """
        return self.drawn.read()

    def decode(self, content: bytes) -> np.ndarray:
        """Draw what ``read`` returned, uint8 (H, W): class numbers and ``IGNORE``.

        Raises:
            DataError: there is no such mask.
            PluginError: the data set drew something else.
        """
        mask = self.drawn.draw(content)
        if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8 or mask.ndim != 2:
            raise PluginError(f"{self.drawn.source}: expected a drawn mask of uint8 (H, W), received {mask!r}")
        highest = int(mask.max(where=mask != IGNORE, initial=0))
        if highest >= self.classes:
            raise PluginError(f"{self.drawn.source}: a drawn mask has class {highest} of {self.classes} classes")
        return mask


def file_of(place: Path | int | DrawnMask | None) -> Path | None:
    """Return the file that ``Sample.image`` or ``Sample.mask`` names; None for anything else."""
    return place if isinstance(place, Path) else None


def row_of(place: Path | int | DrawnMask | None) -> int | None:
    """Return the row that ``Sample.image`` or ``Sample.mask`` names; None for anything else."""
    return place if isinstance(place, int) else None


def mask_origin(sample: Sample) -> Path | None:
    """Return the file of a sample's mask or of its annotations; None for a row of an array, or no mask."""
    return sample.mask.source if isinstance(sample.mask, DrawnMask) else file_of(sample.mask)


def image_of(sample: Sample, sample_set: SampleSet, reading: Reading = PLAIN) -> FileImage | RowImage:
    """Return the image of a sample of a checked sample set."""
    if isinstance(sample.image, Path):
        return FileImage(sample.image, reading)
    assert sample_set.images is not None
    return RowImage(sample_set.images[sample.image])


def mask_of(
    sample: Sample, sample_set: SampleSet, reading: Reading = PLAIN
) -> FileMask | RowMask | AnnotatedMask | None:
    """Return the mask of a sample of a checked sample set; None where it has none."""
    if sample.mask is None:
        return None
    if isinstance(sample.mask, Path):
        assert sample_set.mask_table is not None
        return FileMask(sample.mask, reading, sample_set.mask_table)
    if isinstance(sample.mask, DrawnMask):
        return AnnotatedMask(sample.mask, len(sample_set.classes))
    assert sample_set.masks is not None
    return RowMask(sample_set.masks[sample.mask])
