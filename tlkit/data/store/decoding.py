"""Decode the samples of a store in parallel, from the bytes of their files to the model's size."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from tlkit.contracts import ImageSize, MaskTable, Sample, SampleSet
from tlkit.data.images.decode import DECODING, Resize, decode_to_size, fit_mask
from tlkit.data.images.mask_file import reading_key
from tlkit.data.images.reading import PLAIN, Reading
from tlkit.data.images.source import image_of, mask_of, mask_origin
from tlkit.data.store.shards import FORMAT
from tlkit.errors import DataError
from tlkit.system.parallel import in_threads

T = TypeVar("T")

_GROUP = 32
_GROUP_BYTES = 1e6
"""The most images that a thread decodes as one task, and their bytes."""
_AHEAD = 2
"""Tasks per thread that are handed over ahead of their results."""


@dataclass(frozen=True)
class Decoding:
    """How images are decoded.

    Args:
        size: (height, width) of the decoded images.
        resize: how an image is brought to that size.
        reading: how files are read.
    """

    size: ImageSize
    resize: Resize
    reading: Reading = PLAIN

    def digest(self, table: MaskTable | None) -> str:
        """Return a digest of all that a decoded image depends on besides its file, 16 hexadecimal digits.

        Args:
            table: how masks name classes; None where there are no masks.
        """
        values = None if table is None else (sorted(table.values.items(), key=str), table.default)
        further = "" if table is None else reading_key(table)
        text = f"{FORMAT} {DECODING} {self.size} {self.resize} {values}{further} {self.reading.key}".rstrip()
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded sample.

    Args:
        image: uint8 (H, W, 3).
        mask: uint8 (H, W) class numbers and ``IGNORE``; None for classification.
        digest: SHA-256 of the sample's bytes, its mask's included.
        size: (height, width) of the original.
    """

    image: np.ndarray
    mask: np.ndarray | None
    digest: str
    size: ImageSize


@dataclass(frozen=True, slots=True)
class Cached:
    """A sample that an earlier run decoded.

    Args:
        place: its shard and row.
        digest: as in ``Decoded``.
        size: as in ``Decoded``.
    """

    place: tuple[int, int]
    digest: str
    size: ImageSize


@dataclass(frozen=True, slots=True)
class Digests:
    """What the bytes of a sample were when it was decoded, as SHA-256 in hexadecimal.

    Args:
        whole: of the image and its mask together.
        image: of the image alone.
        mask: of the mask alone; empty where there is none.
    """

    whole: str
    image: str
    mask: str


Find = Callable[[str], Cached | None]
"""Look up a digest among the cached samples; called from several threads."""


def decode_all(
    sample_set: SampleSet, decoding: Decoding, find: Find
) -> Iterator[tuple[Sample, Decoded | Cached | DataError, Digests | None]]:
    """Decode samples in parallel and yield them in their order; at most a few batches of results wait in memory.

    The digests are None where a file can't be read.
    """

    def decode_group(samples: Sequence[Sample]) -> list[tuple[Sample, Decoded | Cached | DataError, Digests | None]]:
        return [(sample, *_decode(sample, sample_set, decoding, find)) for sample in samples]

    # Pillow warns of large images and odd metadata; the filter is set here because it is not safe to set in threads.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        groups = batched(sample_set.samples, group_size(decoding.size))
        for group in in_threads(decode_group, groups, name="tlkit-decode", ahead=_AHEAD):
            yield from group


def group_size(size: ImageSize) -> int:
    """Return how many images a thread decodes as one task: handing over a task costs as much as a small image."""
    return max(1, min(_GROUP, int(_GROUP_BYTES / (size[0] * size[1] * 3))))


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of up to ``size`` items."""
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group


def _decode(
    sample: Sample, sample_set: SampleSet, decoding: Decoding, find: Find
) -> tuple[Decoded | Cached | DataError, Digests | None]:
    image = image_of(sample, sample_set, decoding.reading)
    mask = mask_of(sample, sample_set, decoding.reading)
    try:
        content = image.read(), b"" if mask is None else mask.read()
    except DataError as error:
        return error, None
    digests = digests_of(content[0], None if mask is None else content[1])
    cached = find(digests.whole)
    if cached is not None:
        return cached, digests
    try:
        pixels, original = image.decode(content[0], decoding.size, decoding.resize)
        classes = None if mask is None else mask.decode(content[1])
    except DataError as error:
        return error, digests
    return _fitted(sample, decoding, Decoded(pixels, classes, digests.whole, original)), digests


def decode_file(path: Path, content: bytes, digest: str, decoding: Decoding) -> Decoded | None:
    """Decode the bytes of an image file; None if that is not possible.

    Args:
        path: the file.
        content: its bytes.
        digest: SHA-256 of the bytes, in hexadecimal.
        decoding: how it is decoded.
    """
    try:
        pixels, original = decode_to_size(path, content, decoding.size, decoding.resize, decoding.reading)
    except DataError:
        return None
    return Decoded(pixels, None, digest, original)


def _fitted(sample: Sample, decoding: Decoding, decoded: Decoded) -> Decoded | DataError:
    """Return a decoded sample with its mask, which is still of its original size, at the model's size."""
    classes, original = decoded.mask, decoded.size
    if classes is None:
        return decoded
    if classes.shape != original:
        turned = classes.shape == original[::-1] and decoding.reading.orientation == "exif"
        return DataError(
            f"{mask_origin(sample)}: the mask is {classes.shape[1]} x {classes.shape[0]} pixels, "
            f"its image {original[1]} x {original[0]}"
            + ('; if EXIF turned the image, input.orientation = "stored" reads it unturned' if turned else "")
        )
    return replace(decoded, mask=fit_mask(classes, decoding.size, decoding.resize))


def digests_of(image: bytes, mask: bytes | None) -> Digests:
    """Return the digests of the bytes of a sample; ``mask`` is None where it has none."""
    of_image = hashlib.sha256(image)
    if mask is None:
        digest = of_image.hexdigest()
        return Digests(digest, digest, "")
    whole = of_image.copy()
    whole.update(mask)
    return Digests(whole.hexdigest(), of_image.hexdigest(), hashlib.sha256(mask).hexdigest())
