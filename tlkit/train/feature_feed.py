"""Batches of cached features instead of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tlkit.data.feed.pipeline import AHEAD, Cut, Feed, place
from tlkit.data.run_data import Data
from tlkit.system.parallel import in_threads
from tlkit.train.feature_set import FeatureSet
from tlkit.train.frozen_part import FrozenPart


class FeatureFeed:
    """Batches of features, in the same orders as the batches of images of a ``Feed``.

    A batch has ``features``, a list of float32 (n, …), the targets and ``index`` as ``Feed`` gives them.

    Args:
        data: the data whose targets are given.
        batch_size: the size of a batch; the last one of an epoch may be smaller.
        views: one set, or one per augmented pass; epoch e takes view e mod their number.
        cut: as that of a ``Feed``.
    """

    def __init__(self, data: Data, batch_size: int, views: Sequence[FeatureSet], *, cut: Cut | None = None) -> None:
        self._data = data
        self.batch_size = batch_size
        self._views = views
        self._cut = cut

    def epoch(
        self, order: np.ndarray, seeds: np.ndarray | None = None, start: int = 0, number: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield the batches of an epoch.

        Args:
            order: int64 (count,), the rows to take.
            seeds: not used; the features were computed with their own draws.
            start: the first batch to give.
            number: the number of the epoch, which chooses the view.
        """
        del seeds
        view = self._views[number % len(self._views)]
        size = self.batch_size
        parts = [order[first : first + size] for first in range(start * size, len(order), size)]
        make = self._batch if self._cut is None else self._cut_batch
        return in_threads(lambda rows: make(view, rows), parts, name="tlkit-feed", ahead=AHEAD, threads=1)

    def _cut_batch(self, view: FeatureSet, rows: np.ndarray) -> dict[str, Any]:
        assert self._cut is not None
        part = self._cut(len(rows))
        return {**self._batch(view, rows[part]), "place": place(part, len(rows))}

    def _batch(self, view: FeatureSet, rows: np.ndarray) -> dict[str, Any]:
        cached = {name: tf.constant(values) for name, values in view.batch(rows).items()}
        features = [cached.pop(name) for name in sorted(cached, key=_number) if name.startswith("feature")]
        targets = cached or self._targets(rows)
        return {"features": features, **targets, "index": tf.constant(rows, tf.int64)}

    def _targets(self, rows: np.ndarray) -> dict[str, Any]:
        data = self._data
        if data.labels is not None:
            return {"labels": tf.constant(data.labels[rows])}
        assert data.store.masks is not None
        return {"segmentation_masks": tf.constant(data.store.masks[rows][..., None].astype(np.int32))}


class ComputedFeed:
    """The batches of a ``Feed`` with the features of their images in place of them, computed each time.

    Args:
        feed: the batches of images.
        part: the frozen part, ready to compute.
    """

    def __init__(self, feed: Feed, part: FrozenPart) -> None:
        self._feed = feed
        self._part = part

    def epoch(
        self, order: np.ndarray, seeds: np.ndarray | None = None, start: int = 0, number: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield the batches of an epoch; see ``Feed.epoch``."""
        batches = self._feed.epoch(order, seeds, start, number)
        return in_threads(self._with_features, batches, name="tlkit-features", ahead=1, threads=1)

    def _with_features(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch = dict(batch)
        images = batch.pop("images")
        return {"features": [tf.constant(each) for each in self._part(images)], **batch}


def _number(name: str) -> int:
    return int(name.removeprefix("feature")) if name.startswith("feature") else -1
