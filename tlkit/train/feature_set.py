"""Features on disk: computed once, written in checked shards, and read in every epoch and by later runs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tlkit.data.feed.pipeline import Feed
from tlkit.data.images.decode import DECODING
from tlkit.data.run_data import Data
from tlkit.data.store.shards import AROUND_BYTES, MAPPED_BYTES, read_shard, release, write_shard
from tlkit.system.cache import ABOUT, mark_used
from tlkit.system.disk import write_atomically
from tlkit.system.parallel import in_threads
from tlkit.train.frozen_part import FrozenPart

Progress = Callable[[int, int], None]

_SHARD_BYTES = 256e6
_SHARD_BATCHES = 64
"""A shard has whole batches, as many as fit within both limits: it is made in memory, and lost if the run is killed."""
_TRIAL_BATCHES = 3
_FORMAT = 2


class FeatureSet:
    """The features of some images, in shards of whole batches, each written whole or not at all.

    Args:
        folder: the folder of these features alone; its undamaged shards are used.
        part: the frozen part that computes them.
        feed: the feed of the images.
        rows: int64 (N,), the images.
        seeds: int32 (batches, 2), the seeds of the augmentation; None without augmentation.
        with_targets: whether the augmentation changes the targets, so that they are cached too.
        about: a description for ``tlkit cache ls``.
    """

    def __init__(
        self,
        folder: Path,
        part: FrozenPart,
        feed: Feed,
        rows: np.ndarray,
        seeds: np.ndarray | None,
        *,
        with_targets: bool,
        about: str = "",
    ) -> None:
        self.folder = folder
        self._about = about
        self._part = part
        self._feed = feed
        self.rows = rows
        self._seeds = seeds
        self._with_targets = with_targets
        batches = int(_SHARD_BYTES / (part.bytes_per_image * feed.batch_size))
        self._shard = feed.batch_size * max(1, min(batches, _SHARD_BATCHES))
        self._place = {int(row): place for place, row in enumerate(rows)}
        self._arrays: dict[int, dict[str, np.ndarray]] = {}
        self._tried: dict[int, dict[str, np.ndarray]] = {}
        self._read = 0

    @property
    def _shards(self) -> range:
        return range(-(-len(self.rows) // self._shard))

    @property
    def missing(self) -> int:
        """The number of images without features; their files are opened but not read through."""
        sizes = (min(self._shard, len(self.rows) - number * self._shard) for number in self._shards)
        return sum(
            size
            for number, size in enumerate(sizes)
            if number not in self._arrays and self._opened(number, check=False) is None
        )

    def try_some(self) -> tuple[float, list[np.ndarray]]:
        """Compute a few missing batches; ``fill`` does not compute them again.

        Returns:
            The seconds per image, compiling left out, and the features of the last batch.
        """
        number = next(number for number in self._shards if self._opened(number, check=False) is None)
        size = self._feed.batch_size
        first = number * self._shard // size
        rows = self.rows[: min((number + 1) * self._shard, (first + _TRIAL_BATCHES) * size)]
        seconds, images = [], []
        for at, batch in enumerate(self._feed.epoch(rows, self._seeds, start=first), first):
            began = time.perf_counter()
            self._tried[at] = self._values(batch)
            seconds.append(time.perf_counter() - began)
            images.append(len(batch["index"]))
        # The first batch includes compiling.
        start = min(1, len(seconds) - 1)
        last = [values for name, values in self._tried[at].items() if name.startswith("feature")]
        return sum(seconds[start:]) / sum(images[start:]), last

    def fill(self, progress: Progress | None = None) -> None:
        """Compute the shards that are missing or damaged.

        Args:
            progress: called with (done, total) images.

        Raises:
            OSError: a shard can't be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._about:
            write_atomically(self.folder / ABOUT, self._about + "\n")
        for number in self._shards:
            arrays = self._opened(number, check=True)
            if arrays is None:
                self._write(number, progress)
                arrays = self._opened(number, check=False)
            if arrays is None:
                raise OSError(0, "differs from what was written", str(self.folder / f"{number:04d}"))
            self._arrays[number] = arrays
            if progress is not None:
                progress(min((number + 1) * self._shard, len(self.rows)), len(self.rows))
        mark_used(self.folder)

    def _write(self, number: int, progress: Progress | None) -> None:
        begin, end = number * self._shard, min((number + 1) * self._shard, len(self.rows))
        size = self._feed.batch_size
        arrays: dict[str, np.ndarray] = {}
        done = 0
        for values in self._computed(begin // size, end):
            for name, part in values.items():
                whole = arrays.setdefault(name, np.empty((end - begin, *part.shape[1:]), part.dtype))
                whole[done : done + len(part)] = part
            done += len(part)
            if progress is not None:
                progress(begin + done, len(self.rows))
        write_shard(self.folder, f"{number:04d}", arrays, {"images": end - begin})

    def _computed(self, batch: int, end: int) -> Iterator[dict[str, np.ndarray]]:
        """Yield the arrays of each batch from number ``batch`` up to row ``end``."""
        while batch in self._tried and batch * self._feed.batch_size < end:
            yield self._tried.pop(batch)
            batch += 1
        if batch * self._feed.batch_size < end:
            batches = self._feed.epoch(self.rows[:end], self._seeds, start=batch)
            yield from in_threads(self._values, batches, name="tlkit-features", ahead=1, threads=_batches_at_once())

    def _values(self, batch: dict[str, Any]) -> dict[str, np.ndarray]:
        values = {f"feature{place}": features for place, features in enumerate(self._part(batch["images"]))}
        if self._with_targets:
            values |= {key: np.asarray(batch[key]) for key in batch if key not in ("images", "index")}
        return values

    def _opened(self, number: int, *, check: bool) -> dict[str, np.ndarray] | None:
        """Return a shard's arrays, memory-mapped; None when it is missing, damaged or of another shape."""
        count = min(self._shard, len(self.rows) - number * self._shard)
        shard = read_shard(self.folder, f"{number:04d}", check=check)
        if shard is None:
            return None
        arrays, _ = shard
        expected = {f"feature{place}": (count, *shape) for place, shape in enumerate(self._part.shapes)}
        targets = set(self._feed.targets) if self._with_targets else set()
        shapes = {name: values.shape for name, values in arrays.items() if name not in targets}
        if shapes != expected or not targets <= set(arrays) or any(len(each) != count for each in arrays.values()):
            return None
        return arrays

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the cached arrays of some rows: ``feature0``, …, and the targets if they are cached."""
        self._read += len(rows) * (AROUND_BYTES + self._part.bytes_per_image)
        if self._read > MAPPED_BYTES:
            self._read = 0
            for array in (array for arrays in self._arrays.values() for array in arrays.values()):
                release(array)
        places = [divmod(self._place[int(row)], self._shard) for row in rows]
        first = self._arrays[places[0][0]]
        batch = {name: np.empty((len(rows), *array.shape[1:]), array.dtype) for name, array in first.items()}
        for at, (shard, place) in enumerate(places):
            for name, array in self._arrays[shard].items():
                batch[name][at] = array[place]
        return batch


def features_key(part: FrozenPart, data: Data, rows: np.ndarray, settings: Mapping[str, Any]) -> str:
    """Return a digest of everything that determines features.

    Args:
        part: the frozen part.
        data: the data whose files become the images.
        rows: the images.
        settings: how files become images, and how the images are augmented.
    """
    files = hashlib.sha256("\n".join(data.store.digests[int(row)] for row in rows).encode()).hexdigest()
    what = {
        "format": _FORMAT,
        "files": files,
        "decoding": DECODING,
        "settings": dict(settings),
        "frozen": part.key,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def _batches_at_once() -> int:
    """Return 2 on a CPU: one batch uses cores that another leaves idle between operations; a GPU has its own queue."""
    return 1 if tf.config.list_physical_devices("GPU") else 2
