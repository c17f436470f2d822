"""The data of a run: decoded, labelled and split samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from tlkit.contracts import LabelKind, Sample, SetAside, Split, image_text
from tlkit.data.checks.check import Checked
from tlkit.data.checks.findings import encodable
from tlkit.data.images.source import file_of, mask_origin
from tlkit.data.splits.labels import label_text
from tlkit.data.splits.split_column import SplitColumn
from tlkit.data.store.store import Store
from tlkit.runs.samples import SampleRow, SamplesFile
from tlkit.system.remote_names import named, named_path

_CHUNK = 10_000
"""How many samples are turned into Python's own numbers at a time."""


@dataclass(frozen=True)
class Data:
    """The data of a run, N samples.

    Args:
        samples: the usable samples, in the store's order.
        splits: N of ``train``, ``validation``, ``test``, or ``left out``.
        labels: int32 (N,), or float32 (N, classes) multi-hot; None for segmentation.
        store: the images and masks.
        classes: class names.
        label_kind: ``binary`` for two classes of which each image has one.
        colors: class number → (red, green, blue), where the data set has any.
        set_aside: files that can't be used, with the reason.
        groups: the group of each sample; None: in no group.
        root: the folder that the keys are relative to; None when the data set has no files.
        notes: messages for the user.
        checked: the result of the check of the files; None if they were not checked.
        value_range: the range of values that became 0-255 in images of more than 8 bits per channel; None: the range of
            their number format.
    """

    samples: tuple[Sample, ...]
    splits: SplitColumn
    labels: np.ndarray | None
    store: Store
    classes: tuple[str, ...]
    label_kind: LabelKind
    colors: Mapping[int, tuple[int, int, int]]
    set_aside: tuple[SetAside, ...]
    groups: tuple[str | None, ...]
    root: Path | None
    notes: tuple[str, ...]
    checked: Checked | None = None
    value_range: tuple[float, float] | None = None

    def indices(self, split: Split) -> np.ndarray:
        """Return the rows of a split, int64, ascending."""
        return np.flatnonzero(self.splits == split).astype(np.int64)

    def class_counts(self, split: Split) -> np.ndarray:
        """Return the number of images, or pixels, per class in a split; float64 (classes,)."""
        rows = self.indices(split)
        count = len(self.classes)
        if self.labels is None:
            assert self.store.masks is not None
            totals = np.zeros(256, np.int64)
            for row in rows:
                totals += np.bincount(self.store.masks[row].reshape(-1), minlength=256)
            return totals[:count].astype(np.float64)
        if self.labels.ndim == 2:
            return np.asarray(self.labels[rows].sum(0), np.float64)
        return np.bincount(self.labels[rows], minlength=count).astype(np.float64)

    def channel_statistics(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and standard deviation per channel of all pixels of a split, both float64 (3,), in 0-255."""
        counts = np.zeros((3, 256), np.int64)
        for row in self.indices(split):
            pixels = self.store.images[row].reshape(-1, 3)
            for channel in range(3):
                counts[channel] += np.bincount(pixels[:, channel], minlength=256)
        values, shares = np.arange(256.0), counts / counts.sum(1, keepdims=True)
        mean = shares @ values
        return mean, np.sqrt(shares @ values**2 - mean**2)

    def sample_rows(self) -> Iterator[SampleRow]:
        """Yield the lines of ``samples.csv``: the samples in their order, then the files that were set aside."""
        label_of: dict[object, str] = {}
        sizes, groups = chain.from_iterable(_chunks(self.store.sizes)), self.groups
        rows = zip(self.samples, self.splits, sizes, self.store.digests, groups, strict=True)
        for sample, split, (height, width), digest, group in rows:
            used = split != "left out"
            of_image = digest if sample.mask is None else image_digest(sample, self.store, self.checked)
            if sample.label not in label_of:
                label_of[sample.label] = label_text(sample, self.classes)
            yield SampleRow(
                key=sample.key,
                path=encodable(named(image_text(sample) or "")),
                mask="" if sample.mask is None else _path_text(mask_origin(sample)),
                split=split if used else "",
                label=label_of[sample.label],
                group=group or "",
                width=str(width),
                height=str(height),
                digest=f"sha256:{digest}",
                image_digest=f"sha256:{of_image}" if of_image else "",
                status="used" if used else "left out",
            )
        for each in self.set_aside:
            yield SampleRow(each.key, status="set aside", reason=named(each.reason))

    def write_samples_csv(self, path: Path) -> None:
        """Write ``samples.csv``; ``input.samples`` repeats its splits.

        Raises:
            OSError: the file can't be written.
        """
        SamplesFile(path).write(self.sample_rows())


def image_digest(sample: Sample, store: Store, checked: Checked | None) -> str:
    """Return the SHA-256 of a sample's image alone, as ``samples.csv`` has it.

    Args:
        sample: the sample.
        store: the decoded samples.
        checked: the result of the check of the files, if they were checked.
    """
    # Earlier versions did not know it here, and the samples.csv of their runs are compared with it.
    unknown = sample.mask is not None and checked is None and file_of(sample.image) is None
    return "" if unknown else store.read[sample.key].image


def _chunks(sizes: np.ndarray) -> Iterator[list[list[int]]]:
    return (sizes[first : first + _CHUNK].tolist() for first in range(0, len(sizes), _CHUNK))


def _path_text(file: Path | None) -> str:
    return "" if file is None else encodable(named_path(file))
