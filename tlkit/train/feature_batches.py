"""The features of batches of images: computed, or copied from an earlier view that has the same pixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tlkit.data.feed.pipeline import Feed
from tlkit.system.parallel import in_threads
from tlkit.train.frozen_part import FrozenPart
from tlkit.train.repeats import VIEWS, Pixels

Compute = Callable[[Iterator[np.ndarray], int], Iterator[list[np.ndarray]]]
"""Yields the outputs of the frozen part for each of some batches of images, (n, H, W, 3), given how many batches."""
View = tuple[Pixels, Callable[[np.ndarray], dict[str, np.ndarray]]]
"""The pixels of a view, and what returns its arrays of some rows."""


@dataclass(frozen=True)
class _Begun:
    """A batch whose features are not all known.

    Args:
        batch: the batch.
        images: those whose features are to be computed.
        left: bool (n,), which of the batch they are; None: all of them.
        features: the features, as far as they are known.
    """

    batch: dict[str, Any]
    images: Any
    left: np.ndarray | None = None
    features: list[np.ndarray] = field(default_factory=list)


class FeatureBatches:
    """Computes features batch by batch.

    Args:
        part: the frozen part that computes them.
        feed: the feed of the images.
        rows: int64 (N,), the images.
        seeds: int32 (batches, 2), the seeds of the augmentation; None without.

    Attributes:
        pixels: the pixels of the images, as far as they were computed, after ``copy_from``.
        copied: the number of images whose features were copied.
    """

    def __init__(self, part: FrozenPart, feed: Feed, rows: np.ndarray, seeds: np.ndarray | None) -> None:
        self._part, self._feed, self._rows, self._seeds = part, feed, rows, seeds
        self._place: dict[int, int] = {}
        self._earlier: Sequence[View] | None = None
        self.pixels = Pixels(0)
        self.copied = 0

    def copy_from(self, earlier: Sequence[View]) -> None:
        """Copy the features of images that have the same pixels in a view before, instead of computing them."""
        self._earlier = earlier[:VIEWS]
        self.pixels = Pixels(len(self._rows))
        self._place = {int(row): place for place, row in enumerate(self._rows)}

    def computed(
        self, spans: Sequence[tuple[int, int]], compute: Compute | None
    ) -> Generator[dict[str, np.ndarray], None, None]:
        """Yield the arrays of each batch: ``feature0``, …, and its targets if the images are augmented.

        Args:
            spans: the first and the end of some images; they begin with a batch.
            compute: computes the features in other processes; None: this one does.
        """
        if compute is None:
            given, threads = self._given(spans), batches_at_once()
            yield from in_threads(self._values, given, name="tlkit-features", ahead=1, threads=threads)
            return
        begun: deque[_Begun] = deque()

        def images() -> Iterator[np.ndarray]:
            for batch in self._given(spans):
                begun.append(self._begun(batch, least=1))
                # Without augmentation they are whole numbers.
                yield np.asarray(begun[-1].images).astype(np.uint8 if self._seeds is None else np.float32, copy=False)

        count = sum(-(-(end - begin) // self._feed.batch_size) for begin, end in spans)
        for computed in compute(images(), count):
            yield self._ended(begun.popleft(), computed)

    def _given(self, spans: Sequence[tuple[int, int]]) -> Iterator[dict[str, Any]]:
        """Yield the batches of some images."""
        size = self._feed.batch_size
        for begin, end in spans:
            yield from self._feed.epoch(self._rows[:end], self._seeds, start=begin // size)

    def _values(self, batch: dict[str, Any]) -> dict[str, np.ndarray]:
        begun = self._begun(batch)
        return self._ended(begun, self._part(begun.images))

    def _begun(self, batch: dict[str, Any], least: int = 0) -> _Begun:
        """Find which features of a batch are to be computed: not those of images that have the same pixels before.

        Args:
            batch: the batch.
            least: how many images are computed in any case.
        """
        images = batch["images"]
        if self._earlier is None:
            return _Begun(batch, images)
        rows = np.asarray(batch["index"])
        places = np.array([self._place[int(row)] for row in rows])
        self.pixels.note(places, images)
        left = np.ones(len(rows), bool)
        features = [np.empty((len(rows), *shape), np.float32) for shape in self._part.shapes]
        for pixels, arrays in self._earlier:
            same = left & self.pixels.equal(places, pixels)
            if same.any():
                copied = arrays(rows[same])
                for number, each in enumerate(features):
                    each[same] = copied[f"feature{number}"]
                left &= ~same
        if not left.any():
            left[:least] = True
        return _Begun(batch, np.asarray(images)[left], left, features)

    def _ended(self, begun: _Begun, computed: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the arrays of a batch, given the features that were computed."""
        features = computed
        if begun.left is not None:
            features = begun.features
            for whole, part in zip(features, computed, strict=True):
                whole[begun.left] = part
            self.copied += len(begun.left) - int(begun.left.sum())
        values = {f"feature{number}": each for number, each in enumerate(features)}
        if self._seeds is not None:
            batch = begun.batch
            values |= {key: np.asarray(batch[key]) for key in batch if key not in ("images", "index")}
        return values


def batches_at_once() -> int:
    """Return 2 on a CPU: one batch uses cores that another leaves idle between operations; a GPU has its own queue."""
    return 1 if tf.config.list_physical_devices("GPU") else 2
