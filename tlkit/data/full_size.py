"""The samples of a data set at their own sizes, each with its split: what was read, before it is resized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tlkit.contracts import Sample, SampleSet, SetAside
from tlkit.data.images.reading import PLAIN, Reading
from tlkit.data.images.source import RowImage, image_of, mask_of
from tlkit.errors import DataError


@dataclass(frozen=True)
class FullSize:
    """Samples at their own sizes.

    Args:
        sample_set: the data set, with the samples that a run uses.
        splits: key → split of each sample.
        set_aside: files that a run does not use either, with the reason.
        reading: how files are read.
    """

    sample_set: SampleSet
    splits: Mapping[str, str]
    set_aside: tuple[SetAside, ...] = ()
    reading: Reading = PLAIN

    def mask(self, sample: Sample) -> np.ndarray:
        """Return the mask of a sample, uint8 (H, W): class numbers and ``IGNORE``.

        Raises:
            DataError: it can't be read, or the sample has none.
        """
        mask = mask_of(sample, self.sample_set, self.reading)
        if mask is None:
            raise DataError(f"{sample.key}: has no mask")
        return mask.decode(mask.read())

    def pixels(self, sample: Sample) -> np.ndarray | None:
        """Return the image of a sample whose data set made it, uint8 (H, W, 3) or (H, W); None if it is a file."""
        image = image_of(sample, self.sample_set)
        return image.pixels if isinstance(image, RowImage) else None
