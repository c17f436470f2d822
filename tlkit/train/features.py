"""The feature cache: what the frozen part puts out is computed once, kept on disk, and read in every epoch.

Without augmentation the features of a run serve later runs too, under a key of everything that determines them.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tlkit.data.pipeline import Feed, ahead_of_time, batch_seeds
from tlkit.data.prepare import Data
from tlkit.featurestore import ABOUT
from tlkit.models.freeze import digests
from tlkit.rundir import write_atomically

Progress = Callable[[int, int], None]

_SHARD_BYTES = 256e6
_SHARD_BATCHES = 64
"""A shard has whole batches, as many as are within both: it is made in memory, and lost by a kill."""
_TRIED = 3
_OPERATIONS_A_BYTE = 100
"""A core computes some ten thousand million operations a second, and a disk gives some hundred million bytes."""
_FORMAT = 1


class FrozenPart:
    """A phase's frozen part, compiled, with the shapes of what it puts out.

    Args:
        model: images → the tensors at the cut.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.shapes = [tuple(int(size) for size in tensor.shape[1:]) for tensor in model.outputs]
        self._compiled = tf.function(
            lambda images: tf.nest.flatten(model(images, training=False)), reduce_retracing=True
        )

    def _flat(self, images: Any) -> list[Any]:
        return [tf.cast(each, tf.float32) for each in tf.nest.flatten(self.model(images, training=False))]

    @property
    def bytes_an_image(self) -> int:
        """Of the features as they are kept, float32."""
        return 4 * sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def operations_an_image(self) -> int:
        """Multiplications and additions of the convolutions and dense layers, two for each weight and place."""
        total = 0
        for layer in self.model.layers:
            kernels = [each for each in layer.weights if "kernel" in each.name]
            shape = layer.output.shape[1:-1] if kernels else ()
            total += sum(2 * math.prod(kernel.shape) * math.prod(shape) for kernel in kernels)
        return int(total)

    def __call__(self, images: Any) -> list[np.ndarray]:
        """float32 (N, …) of each tensor at the cut."""
        return [each.numpy() for each in self._compiled(images)]

    def key(self) -> str:
        """SHA-256 of the graph, the layers' settings and every weight."""
        text = self.model.to_json() + json.dumps(digests(self.model), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class CachePlan:
    """Whether features are kept, and what is told about it.

    Args:
        use: whether.
        reason: in words.
        seconds_an_image: that the frozen part takes.
    """

    use: bool
    reason: str
    seconds_an_image: float = 0.0


def make_plan(
    part: FrozenPart,
    feed: Feed,
    rows: np.ndarray,
    *,
    others: int,
    epochs: int,
    views: int,
    setting: str,
    budget: float,
    folder: Path,
    augmented: bool,
) -> CachePlan:
    """Time a few batches and the disk, and decide.

    Args:
        part: the frozen part.
        feed: of the training images.
        rows: of the training images.
        others: how many validation images there are.
        epochs: of the phase, at the most.
        views: augmented passes that are kept, 1 without augmentation.
        setting: ``auto``, ``on`` or ``off``.
        budget: bytes that features may take.
        folder: on the disk that they are to stand on; it is made.
        augmented: whether images are augmented. Views are other draws than fresh ones, so that auto must not depend
            on how fast the machine was just then: operations are compared with bytes instead of times.
    """
    if setting == "off":
        return CachePlan(False, "features are not kept: train.cache is off")
    if epochs <= views and setting == "auto":
        return CachePlan(False, f"features are not kept: {epochs} epochs would each see other images")
    size = part.bytes_an_image * (len(rows) * views + others)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    for limit, what in ((budget, "train.cache_budget allows"), (0.9 * free, f"are free below {folder}")):
        if size > limit:
            reason = f"features are not kept: they take {_bytes(size)}, but {_bytes(limit)} {what}"
            return CachePlan(False, reason)
    computing, reading = _times(part, feed, rows, folder)
    without = computing * (len(rows) + others) * epochs
    within = computing * (len(rows) * views + others) + reading * (len(rows) + others) * epochs
    passes = "1 pass" if views == 1 else f"{views} passes"
    told = f"{passes} through the frozen part instead of {epochs}, {_bytes(size)}; about {_time(within)} instead of "
    told += f"{_time(without)} for that part"
    pays = within <= 0.9 * without
    if augmented:
        pays = part.operations_an_image >= _OPERATIONS_A_BYTE * part.bytes_an_image
    if setting == "auto" and not pays:
        return CachePlan(False, f"features are not kept: reading them is hardly faster than computing them ({told})")
    return CachePlan(True, f"features are kept: {told}", computing)


def _times(part: FrozenPart, feed: Feed, rows: np.ndarray, folder: Path) -> tuple[float, float]:
    """Seconds an image to compute and to read back."""
    count = min(len(rows), _TRIED * feed.batch_size)
    computing, images = 0.0, 0
    features: list[np.ndarray] = []
    for number, batch in enumerate(feed.epoch(rows[:count], batch_seeds(0, 0, 0, _TRIED))):
        began = time.perf_counter()
        features = part(batch["images"])
        # The first batch is compiled for.
        if number or count <= feed.batch_size:
            computing += time.perf_counter() - began
            images += len(features[0])
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tried-") as temporary:
        reading = 0.0
        for number, each in enumerate(features):
            file = Path(temporary) / f"{number}.npy"
            np.save(file, each)
            began = time.perf_counter()
            np.array(np.load(file, mmap_mode="r"))
            reading += time.perf_counter() - began
    return computing / max(images, 1), reading / len(features[0])


def _bytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count, 1e5) / 1e6:.1f} MB"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(seconds, 1):.0f} s"


class FeatureSet:
    """Features of some rows in shards of whole batches, each written whole or not at all.

    Args:
        folder: of these features alone; shards that are there and whole are used.
        part: the frozen part.
        feed: of the images.
        rows: int64 (N,), which images.
        seeds: int32 (batches, 2) of the augmentation, None without.
        with_targets: whether the augmentation changes targets, which are then kept too.
    """

    def __init__(
        self, folder: Path, part: FrozenPart, feed: Feed, rows: np.ndarray, seeds: np.ndarray | None, with_targets: bool
    ) -> None:
        self.folder = folder
        self._part = part
        self._feed = feed
        self.rows = rows
        self._seeds = seeds
        self._with_targets = with_targets
        batches = int(_SHARD_BYTES / (part.bytes_an_image * feed.batch_size))
        self._shard = feed.batch_size * max(1, min(batches, _SHARD_BATCHES))
        self._place = {int(row): place for place, row in enumerate(rows)}
        self._arrays: dict[int, dict[str, np.ndarray]] = {}

    def fill(self, progress: Progress | None = None) -> None:
        """Compute the shards that are missing or broken.

        Raises:
            OSError: they can't be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(-(-len(self.rows) // self._shard)):
            found = self._opened(number)
            if found is None:
                self._write(number, progress)
                found = self._opened(number)
            assert found is not None
            self._arrays[number] = found
            if progress is not None:
                progress(min((number + 1) * self._shard, len(self.rows)), len(self.rows))
        # The least recently used go first when the budget is spent.
        os.utime(self.folder)

    def _write(self, number: int, progress: Progress | None) -> None:
        first = number * self._shard
        count = min(self._shard, len(self.rows) - first)
        size = self._feed.batch_size
        arrays: dict[str, np.ndarray] = {}
        done = 0
        for batch in self._feed.epoch(self.rows[: first + count], self._seeds, start=first // size):
            for name, values in self._values(batch).items():
                whole = arrays.setdefault(name, np.empty((count, *values.shape[1:]), values.dtype))
                whole[done : done + len(values)] = values
            done += len(batch["index"])
            if progress is not None:
                progress(first + done, len(self.rows))
        for name, values in arrays.items():
            _save(self.folder / f"{number:04d}-{name}.npy", values)

    def _values(self, batch: dict[str, Any]) -> dict[str, np.ndarray]:
        found = {f"feature{place}": values for place, values in enumerate(self._part(batch["images"]))}
        if self._with_targets:
            found |= {key: np.asarray(batch[key]) for key in batch if key not in ("images", "index")}
        return found

    def _opened(self, number: int) -> dict[str, np.ndarray] | None:
        """The shard's arrays, memory-mapped; None when one is missing, cut off or of another shape."""
        count = min(self._shard, len(self.rows) - number * self._shard)
        names = {f"feature{place}": shape for place, shape in enumerate(self._part.shapes)}
        found: dict[str, np.ndarray] = {}
        try:
            for name, shape in names.items():
                found[name] = np.load(self.folder / f"{number:04d}-{name}.npy", mmap_mode="r", allow_pickle=False)
                if found[name].shape != (count, *shape) or found[name].dtype != np.float32:
                    return None
            if self._with_targets:
                for key in self._feed.targets:
                    found[key] = np.load(self.folder / f"{number:04d}-{key}.npy", mmap_mode="r", allow_pickle=False)
                    if len(found[key]) != count:
                        return None
        except (OSError, ValueError, EOFError):
            return None
        return found

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What is kept of some rows: ``feature0``, …, and the targets if they are kept."""
        places = [divmod(self._place[int(row)], self._shard) for row in rows]
        first = self._arrays[places[0][0]]
        found = {name: np.empty((len(rows), *array.shape[1:]), array.dtype) for name, array in first.items()}
        for at, (shard, place) in enumerate(places):
            for name, array in self._arrays[shard].items():
                found[name][at] = array[place]
        return found


class FeatureFeed:
    """Batches of features instead of images, in the orders of ``Feed``.

    A batch has ``features``, a list of float32 (n, …), the targets and ``index`` as ``Feed`` gives them.

    Args:
        data: whose targets are given.
        batch_size: the last batch of an epoch may be smaller.
        views: one set, or one for each augmented pass; epoch e takes view e mod their number.
    """

    def __init__(self, data: Data, batch_size: int, views: Sequence[FeatureSet]) -> None:
        self._data = data
        self.batch_size = batch_size
        self._views = views

    def epoch(
        self, order: np.ndarray, seeds: np.ndarray | None = None, start: int = 0, number: int = 0
    ) -> Iterator[dict[str, Any]]:
        """The batches of an epoch.

        Args:
            order: int64 (count,), the rows to take.
            seeds: not used; the draws were made when the features were.
            start: the first batch to give.
            number: of the epoch, which chooses the view.
        """
        del seeds
        view = self._views[number % len(self._views)]
        size = self.batch_size
        parts = [order[first : first + size] for first in range(start * size, len(order), size)]
        return ahead_of_time(lambda rows: self._batch(view, rows), parts)

    def _batch(self, view: FeatureSet, rows: np.ndarray) -> dict[str, Any]:
        kept = {name: tf.constant(values) for name, values in view.batch(rows).items()}
        features = [kept.pop(name) for name in sorted(kept, key=_number) if name.startswith("feature")]
        targets = kept or self._targets(rows)
        return {"features": features, **targets, "index": tf.constant(rows, tf.int64)}

    def _targets(self, rows: np.ndarray) -> dict[str, Any]:
        data = self._data
        if data.labels is not None:
            return {"labels": tf.constant(data.labels[rows])}
        assert data.store.masks is not None
        return {"segmentation_masks": tf.constant(data.store.masks[rows][..., None].astype(np.int32))}


def _number(name: str) -> int:
    return int(name.removeprefix("feature")) if name.startswith("feature") else -1


def _save(file: Path, values: np.ndarray) -> None:
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.save(stream, values, allow_pickle=False)
        Path(temporary).replace(file)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def features_key(part: FrozenPart, data: Data, rows: np.ndarray, settings: dict[str, Any]) -> str:
    """A digest of everything that determines the features of images that are not augmented.

    Args:
        part: the frozen part.
        data: whose files they are of.
        rows: which of them.
        settings: how files become images.
    """
    files = hashlib.sha256("\n".join(data.store.digests[int(row)] for row in rows).encode()).hexdigest()
    what = {
        "format": _FORMAT,
        "files": files,
        "settings": settings,
        "frozen": part.key(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def describe(folder: Path, text: str) -> None:
    """Note in a folder of features what they are of, for ``tlkit cache ls``."""
    write_atomically(folder / ABOUT, text + "\n")
