"""Find files whose bytes are others than those that a check decided by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from tlkit.contracts import Sample, SampleSet
from tlkit.data.checks.check import Checked
from tlkit.data.images.reading import Reading
from tlkit.data.images.source import RowMask, image_of, mask_of
from tlkit.data.store.decoding import Digests
from tlkit.errors import DataError
from tlkit.system.parallel import in_threads

_AHEAD = 8
"""Samples per thread that are read ahead of their results."""


def changed_samples(
    sample_set: SampleSet, checked: Checked, decoded: Mapping[str, Digests], reading: Reading
) -> list[str]:
    """Return the keys of the samples whose image or mask is another one than the check knew.

    Facts that an earlier check cached may be those of other bytes, where a file was replaced by one of the same length
    and times; and a file may change between its check and its decoding. Samples that were not decoded are read here.

    Args:
        sample_set: the samples that were checked.
        checked: the result of the check.
        decoded: sample key → what the bytes were when they were decoded.
        reading: how files are read.
    """
    others = [each for each in sample_set.samples if each.key not in decoded]
    read = in_threads(lambda each: _read(each, sample_set, reading), others, name="tlkit-compare", ahead=_AHEAD)
    of_others = {sample.key: digests for sample, digests in zip(others, read, strict=True)}
    changed = []
    for sample in sample_set.samples:
        before = checked.digests[sample.key], checked.mask_digests.get(sample.key, "")
        now = of_others.get(sample.key)
        if now is None:
            now = decoded[sample.key].image, decoded[sample.key].mask
        if any(old and new and old != new for old, new in zip(before, now, strict=True)):
            changed.append(sample.key)
    return changed


def _read(sample: Sample, sample_set: SampleSet, reading: Reading) -> tuple[str, str]:
    """Return the digests of the image and of the mask of a sample; empty where they can't be read."""
    digests = []
    for each in (image_of(sample, sample_set, reading), mask_of(sample, sample_set, reading)):
        try:
            digests.append("" if isinstance(each, RowMask | None) else hashlib.sha256(each.read()).hexdigest())
        except DataError:
            digests.append("")
    return digests[0], digests[1]
