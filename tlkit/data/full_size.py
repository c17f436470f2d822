"""The samples of a data set at their own sizes, each with its split: what was read, before it is resized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tlkit.contracts import Sample, SampleSet, SetAside
from tlkit.data.images.reading import PLAIN, Reading
from tlkit.data.images.source import AnnotatedMask, RowImage, image_of, mask_of
from tlkit.data.store.decoding import digests_of
from tlkit.errors import DataError


@dataclass(frozen=True)
class FullSize:
    """Samples at their own sizes.

    Args:
        sample_set: the data set, with the samples that a run uses.
        splits: key → split of each sample.
        set_aside: files that a run does not use either, with the reason.
        reading: how files are read.
        digests: key → ``sha256:`` and the SHA-256 of the bytes of image and mask that an earlier run recorded.
    """

    sample_set: SampleSet
    splits: Mapping[str, str]
    set_aside: tuple[SetAside, ...] = ()
    reading: Reading = PLAIN
    digests: Mapping[str, str] = field(default_factory=dict)

    def mask(self, sample: Sample) -> np.ndarray:
        """Return the mask of a sample, uint8 (H, W): class numbers and ``IGNORE``.

        Raises:
            DataError: it can't be read, the sample has none, or image or mask are others than those of the earlier run.
        """
        mask = mask_of(sample, self.sample_set, self.reading)
        if mask is None:
            raise DataError(f"{sample.key}: has no mask")
        content, recorded = mask.read(), self.digests.get(sample.key, "")
        # Annotations may be drawn into another mask by another version.
        if recorded and not isinstance(mask, AnnotatedMask):
            image = image_of(sample, self.sample_set, self.reading).read()
            if recorded != f"sha256:{digests_of(image, content).whole}":
                raise DataError(f"{sample.key}: its image or its mask has changed since the run")
        return mask.decode(content)

    def pixels(self, sample: Sample) -> np.ndarray | None:
        """Return the image of a sample whose data set made it, uint8 (H, W, 3) or (H, W); None if it is a file."""
        image = image_of(sample, self.sample_set)
        return image.pixels if isinstance(image, RowImage) else None
