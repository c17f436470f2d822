"""Pooled features: the last map of a frozen backbone, averaged over its positions; a vector for each image."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tlkit.contracts import Phase
from tlkit.data.feed.pipeline import Feed
from tlkit.data.store.rows import in_batches
from tlkit.models.freeze import apply_flags, prepare
from tlkit.models.graph import inputs_of
from tlkit.system.parallel import in_threads
from tlkit.system.progress import Reporter
from tlkit.train.feature_batches import batches_at_once
from tlkit.train.feature_cache import FeatureCache
from tlkit.train.feature_set import FeatureSet
from tlkit.train.frozen_engine import choose_engine
from tlkit.train.frozen_part import FrozenPart
from tlkit.train.setting import Setting

_FROZEN = Phase(name="features", epochs=1, learning_rate=1e-3)
"""A phase that freezes the whole backbone."""
_AT_ONCE = 256
"""Images whose kept features are read at a time."""
_TIMED = 16
"""Images that are enough to say how long one takes."""


class TimedPart(FrozenPart):
    """A frozen part that measures how long it computes.

    Attributes:
        images: the number of images that it has computed.
        seconds: the time from the first call to the end of the last one, calls in several threads counted once.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._lock = threading.Lock()
        self.start_again()

    def start_again(self) -> None:
        """Forget what was measured."""
        self.images, self.seconds = 0, 0.0
        self._began: float | None = None

    def __call__(self, images: Any) -> list[np.ndarray]:
        """Return each tensor at the cut, as ``FrozenPart`` does."""
        with self._lock:
            began = self._began = time.monotonic() if self._began is None else self._began
        found = super().__call__(images)
        with self._lock:
            self.images += len(images)
            self.seconds = time.monotonic() - began
        return found


class PooledFeatures:
    """The pooled features of images, of a network's backbone as it is now; sets the network's flags to frozen.

    Features that a run has kept are read where they are the backbone's last map or its average. Otherwise the backbone
    computes the images in one pass, by the cheapest engine, and the averages are kept as those of a run are.

    Args:
        setting: the network, data and settings of a training.
        images: the number of images by which the engine is chosen; to read what a run has kept, those of its training
            (each view counted) and validation.
        scratch: an empty folder.
        reporter: shows the progress, and notes.
    """

    def __init__(self, setting: Setting, images: int, scratch: Path, reporter: Reporter) -> None:
        self._setting = setting
        self._images = images
        self._scratch = scratch
        self._reporter = reporter
        network = setting.network
        apply_flags(network, _FROZEN)
        cut = prepare(network, _FROZEN).frozen_part
        self._place = None if cut is None else _place(cut.outputs, network.last_map)
        self._cut = None if cut is None or self._place is None else self._part(cut)
        if self._cut is not None and [len(shape) for shape in self._cut.shapes] == [1]:
            self._pooled = self._cut
        else:
            averaged = keras.layers.GlobalAveragePooling2D(name="average")(network.last_map)
            self._pooled = self._part(keras.Model(network.model.input, averaged, name="pooled_backbone"))

    @property
    def engine(self) -> str:
        """What computes the backbone: LiteRT, OpenVINO or TensorFlow."""
        return str(self._pooled.engine)

    @property
    def weight_count(self) -> int:
        """The number of the backbone's weights."""
        return self._pooled.weight_count

    def seconds_per_image(self, rows: np.ndarray) -> float:
        """Return how long the backbone takes for an image, in seconds: as ``of`` has found, or by computing a few.

        Args:
            rows: int (N,), images to compute if ``of`` has computed too few.
        """
        if self._pooled.images < _TIMED:
            self._cache(self._pooled).make_ready()
            images = np.asarray(self._setting.data.store.images[rows[:_TIMED]], np.float32)
            self._pooled(images[:1])  # The first call also prepares.
            self._pooled.start_again()
            self._pooled(images)
        return self._pooled.seconds / self._pooled.images

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the pooled features of some images.

        Args:
            rows: int (N,), row numbers in the data, N at least 1.

        Returns:
            float32 (N, D), D channels of the backbone's last map.
        """
        rows = np.asarray(rows, np.int64)
        found = np.empty((len(rows), self._pooled.shapes[0][0]), np.float32)
        for keyed in self._portions(rows):
            places = np.flatnonzero(np.isin(rows, keyed))
            for asked, values in self._values(keyed, rows[places]):
                found[places[asked]] = values
        return found

    def _portions(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the images of each split that are asked for, in the order in which a run keeps those of a whole one."""
        splits = self._setting.data.splits
        for split in sorted(set(splits[rows])):
            yield np.unique(rows[splits[rows] == split])

    def _values(self, keyed: np.ndarray, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the features of some images, each portion with its place among them.

        Args:
            keyed: int64 (n,), the images whose features are kept together.
            rows: int64 (m,), the images asked for, of these.
        """
        kept, place = self._kept(keyed)
        if kept is not None:
            for first in range(0, len(rows), _AT_ONCE):
                values = kept.batch(rows[first : first + _AT_ONCE])[f"feature{place}"]
                yield slice(first, first + len(values)), _averaged(values)
            return
        part, done = self._pooled, 0
        self._cache(part).make_ready()
        images = in_batches(self._setting.data.store.images, rows, part.batch_size)
        with self._reporter.stage("computing features", len(rows)) as show:
            for values in in_threads(
                lambda batch: _averaged(part(np.asarray(batch, np.float32))[0]),
                images,
                name="tlkit-features",
                ahead=1,
                threads=batches_at_once(),
            ):
                yield slice(done, done + len(values)), values
                done += len(values)
                show(done, len(rows))

    def _kept(self, keyed: np.ndarray) -> tuple[FeatureSet | None, int]:
        """Return the kept features of some images, and which of its arrays are the last map's."""
        if self._cut is not None and self._place is not None and self._cut is not self._pooled:
            found = self._cache(self._cut).kept(keyed, "features", compute=False)
            if found is not None:
                return found, self._place
        return self._cache(self._pooled).kept(keyed, "features"), 0

    def _part(self, model: Any) -> TimedPart:
        part = TimedPart(model)
        part.use(choose_engine(self._setting.table, part, self._images))
        return part

    def _cache(self, part: FrozenPart) -> FeatureCache:
        setting = self._setting
        feed = Feed(setting.data, setting.batch_size)
        return FeatureCache(setting, part, feed, 0, 1, self._scratch, self._reporter)


def _place(tensors: list[Any], last_map: Any) -> int | None:
    """Return the number of the tensor that is the last map or its average, if one is."""
    for number, tensor in enumerate(tensors):
        operation = tensor._keras_history.operation
        average = isinstance(operation, keras.layers.GlobalAveragePooling2D) and inputs_of(operation)[0] is last_map
        if tensor is last_map or average:
            return number
    return None


def _averaged(values: np.ndarray) -> np.ndarray:
    """Return the average over the positions of maps, float32 (n, D); of averages, themselves."""
    return values if values.ndim == 2 else values.mean((1, 2), dtype=np.float32)
