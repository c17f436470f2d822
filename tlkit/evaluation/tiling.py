"""How a picture is cut into overlapping tiles, and how their predictions are blended.

Beside the border of a tile a network sees nothing of what lies beyond, so that half of an overlap that is nearer to a
tile's border comes from its neighbour (the overlap-tile strategy of Ronneberger et al., U-Net, 2015). Around the middle
of the overlap one prediction is faded into the other, which hides the seams of networks that see farther than that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tlkit.errors import DataError

LARGEST_TILE = 16_384
"""Pixels of a tile's longer side, as of a model's image."""
_FADED = 4
"""The part of the overlap over which one tile is faded into the next."""


@dataclass(frozen=True)
class Span:
    """A tile along one axis of the picture; all positions are in pixels of the picture.

    Args:
        start: where the tile begins; a picture that is smaller than a tile is mirrored beyond its end.
        first: where the tile begins to count.
        last: from where on only the next tile counts.
        fade_in: the number of pixels from ``first`` on over which the tile before it fades out.
        fade_out: the number of pixels before ``last`` over which this tile fades out.
    """

    start: int
    first: int
    last: int
    fade_in: int
    fade_out: int

    def weights(self) -> np.ndarray:
        """Return the weights of the tile's values from ``first`` to ``last``: float32, those of all tiles add up to 1.

        They rise and fall as a raised cosine.
        """
        weights = np.ones(self.last - self.first, np.float32)
        weights[: self.fade_in] = _rise(self.fade_in)
        if self.fade_out:
            weights[-self.fade_out :] = 1 - _rise(self.fade_out)
        return weights


@dataclass(frozen=True)
class Tiles:
    """The size of tiles, and how far they overlap.

    Args:
        size: (height, width) of a tile in pixels of the picture.
        overlap: the pixels that neighbours share at least.

    Raises:
        DataError: a tile has no pixels or too many, or the overlap is not smaller than it.
    """

    size: tuple[int, int]
    overlap: int

    def __post_init__(self) -> None:
        if not 1 <= min(self.size) <= max(self.size) <= LARGEST_TILE:
            raise DataError(f"tiles: expected 1 to {LARGEST_TILE} pixels, received {max(self.size)}")
        if not 0 <= self.overlap < min(self.size):
            raise DataError(
                f"overlap: expected 0 to {min(self.size) - 1} pixels, less than a tile of {self.size[1]} x "
                f"{self.size[0]}; received {self.overlap}"
            )

    @classmethod
    def of_model(cls, image_size: tuple[int, int], longer: int | None, overlap: int) -> Tiles:
        """Return tiles of the shape of a model's images.

        Args:
            image_size: (height, width) of the model's images.
            longer: the longer side of a tile; None: that of the model's images, so that nothing is scaled.
            overlap: the pixels that neighbours share at least.

        Raises:
            DataError: a tile has no pixels or too many, or the overlap is not smaller than it.
        """
        if longer is None:
            return cls(image_size, overlap)
        height, width = image_size
        most = max(height, width)
        return cls((max(1, round(longer * height / most)), max(1, round(longer * width / most))), overlap)

    def spans(self, length: int, axis: int) -> list[Span]:
        """Return the tiles along an axis of a picture of so many pixels.

        All steps are the same, so that the strides of a network fall on the same pixels; the last tile alone is moved
        back, so that it ends where the picture does.

        Args:
            length: the pixels of the picture.
            axis: 0: down; 1: across.
        """
        size = self.size[axis]
        count = 1 + max(0, math.ceil((length - size) / (size - self.overlap)))
        starts = [number * (size - self.overlap) for number in range(count)]
        if count > 1:
            starts[-1] = length - size
        fade = self._fade(size)
        ends = [(before + size + after) // 2 - fade // 2 for before, after in pairwise(starts)]
        return [
            Span(
                start,
                ends[number - 1] if number else 0,
                ends[number] + fade if number < count - 1 else length,
                fade if number else 0,
                fade if number < count - 1 else 0,
            )
            for number, start in enumerate(starts)
        ]

    def _fade(self, size: int) -> int:
        return min(self.overlap // _FADED, (size - self.overlap) // 2)


def _rise(length: int) -> np.ndarray:
    """Return a raised cosine from 0 to 1, float32 (length,)."""
    return ((1 - np.cos(np.pi * (np.arange(length) + 0.5) / max(1, length))) / 2).astype(np.float32)
