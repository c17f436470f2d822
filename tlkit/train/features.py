"""The feature cache: what the frozen part puts out is computed once, kept on disk, and read in every epoch.

The features of a run serve later runs too, under a key of everything that determines them.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tlkit.data.feed.pipeline import AHEAD, Feed
from tlkit.data.images.decode import DECODING
from tlkit.data.run_data import Data
from tlkit.data.store.shards import AROUND_BYTES, MAPPED_BYTES, read_shard, release, write_shard
from tlkit.models.fold import fold_batch_norm
from tlkit.models.freeze import digests
from tlkit.models.inference import images_at_once
from tlkit.system.cache import ABOUT, mark_used
from tlkit.system.disk import write_atomically
from tlkit.system.parallel import in_threads

Progress = Callable[[int, int], None]

_SHARD_BYTES = 256e6
_SHARD_BATCHES = 64
"""A shard has whole batches, as many as are within both: it is made in memory, and lost by a kill."""
_TRIED = 3
_OPERATIONS_A_BYTE = 100
"""A core computes some ten thousand million operations a second, and a disk gives some hundred million bytes."""
_FORMAT = 2


class FrozenPart:
    """A phase's frozen part, its BatchNormalization folded, compiled, with the shapes of what it puts out.

    Args:
        model: images → the tensors at the cut, with the weights that the phase begins with.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.folded = fold_batch_norm(model)
        self.shapes = [tuple(int(size) for size in tensor.shape[1:]) for tensor in model.outputs]
        self._at_once = images_at_once(model)
        # Traced once: an epoch's last batch is smaller.
        images = tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.float32)
        self._compiled = tf.function(self.forward, input_signature=[images], autograph=False)

    def forward(self, images: Any) -> list[Any]:
        """The tensors at the cut, to be used in a graph."""
        return list(tf.nest.flatten(self.folded(images, training=False)))

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
        size = self._at_once
        parts = [self._compiled(images[first : first + size]) for first in range(0, len(images), size)]
        return [np.concatenate([tf.cast(each, tf.float32) for each in outputs]) for outputs in zip(*parts, strict=True)]

    @cached_property
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
    """

    use: bool
    reason: str


def make_plan(
    part: FrozenPart,
    sets: Sequence[FeatureSet],
    *,
    images: int,
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
        sets: the features that would be kept; what earlier runs left of them is not computed again.
        images: that an epoch reads, those for validation included.
        epochs: of the phase, at the most.
        views: augmented passes that are kept, 1 without augmentation.
        setting: ``auto`` or ``on``.
        budget: bytes that features may take.
        folder: on the disk that they are to stand on; it is made.
        augmented: whether images are augmented. Views are other draws than fresh ones, so that auto must not depend
            on how fast the machine was just then, nor on what is there: operations are compared with bytes instead of
            times.

    Raises:
        OSError: the folder can't be used.
    """
    if epochs <= views and setting == "auto":
        return CachePlan(False, f"features are not kept: {epochs} epochs would each see other images")
    size = part.bytes_an_image * sum(len(each.rows) for each in sets)
    missing = sum(each.missing for each in sets)
    folder.mkdir(parents=True, exist_ok=True)
    for bytes_, most, what in (
        (size, budget, "train.cache_budget allows {}"),
        (part.bytes_an_image * missing, 0.9 * shutil.disk_usage(folder).free, f"{{}} are free below {folder}"),
    ):
        if bytes_ > most:
            return CachePlan(
                False,
                f"features are not kept: they take {amount(bytes_)}, but {what.format(amount(most))}",
            )
    if augmented and setting == "auto" and part.operations_an_image < _OPERATIONS_A_BYTE * part.bytes_an_image:
        return CachePlan(False, "features are not kept: reading them is hardly faster than computing them")
    if not missing:
        return CachePlan(True, f"features are kept: an earlier run left them all, {amount(size)}")
    computing, reading = _times(next(each for each in sets if each.missing), folder)
    without = computing * images * epochs
    within = computing * missing + reading * images * epochs
    passes = "1 pass" if views == 1 else f"{views} passes"
    done = sum(len(each.rows) for each in sets) - missing
    told = f"{passes} through the frozen part instead of {epochs}, {amount(size)}; about {_time(within)} instead of "
    told += f"{_time(without)} for that part" + (f"; an earlier run left {done:,} images" if done else "")
    if not augmented and setting == "auto" and within > 0.9 * without:
        return CachePlan(False, f"features are not kept: reading them is hardly faster than computing them ({told})")
    return CachePlan(True, f"features are kept: {told}")


def _times(feature_set: FeatureSet, folder: Path) -> tuple[float, float]:
    """Seconds an image to compute and to read back."""
    computing, features = feature_set.try_some()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tried-") as temporary:
        reading = 0.0
        for number, each in enumerate(features):
            file = Path(temporary) / f"{number}.npy"
            np.save(file, each)
            began = time.perf_counter()
            np.array(np.load(file, mmap_mode="r"))
            reading += time.perf_counter() - began
    return computing, reading / len(features[0])


def _batches_at_once() -> int:
    """Where one batch leaves cores idle, as between its operations, another uses them; a GPU has its own queue."""
    return 1 if tf.config.list_physical_devices("GPU") else 2


def amount(count: float) -> str:
    """In GB or MB, with one decimal."""
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
        about: what they are of, for ``tlkit cache ls``.
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
        batches = int(_SHARD_BYTES / (part.bytes_an_image * feed.batch_size))
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
        """How many images' features are not there, as far as can be seen without reading them through."""
        sizes = (min(self._shard, len(self.rows) - number * self._shard) for number in self._shards)
        return sum(
            size
            for number, size in enumerate(sizes)
            if number not in self._arrays and self._opened(number, check=False) is None
        )

    def try_some(self) -> tuple[float, list[np.ndarray]]:
        """Compute a few batches that are missing; they are not computed again when the set is filled.

        Returns:
            seconds an image, without those for compiling, and the features of the last batch.
        """
        number = next(number for number in self._shards if self._opened(number, check=False) is None)
        size = self._feed.batch_size
        first = number * self._shard // size
        rows = self.rows[: min((number + 1) * self._shard, (first + _TRIED) * size)]
        seconds, images = [], []
        for at, batch in enumerate(self._feed.epoch(rows, self._seeds, start=first), first):
            began = time.perf_counter()
            self._tried[at] = self._values(batch)
            seconds.append(time.perf_counter() - began)
            images.append(len(batch["index"]))
        # The first batch is compiled for.
        start = min(1, len(seconds) - 1)
        last = [values for name, values in self._tried[at].items() if name.startswith("feature")]
        return sum(seconds[start:]) / sum(images[start:]), last

    def fill(self, progress: Progress | None = None) -> None:
        """Compute the shards that are missing or broken.

        Raises:
            OSError: they can't be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._about:
            write_atomically(self.folder / ABOUT, self._about + "\n")
        for number in self._shards:
            found = self._opened(number, check=True)
            if found is None:
                self._write(number, progress)
                found = self._opened(number, check=False)
            if found is None:
                raise OSError(0, "is not as it was written", str(self.folder / f"{number:04d}"))
            self._arrays[number] = found
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
        """The values of the batches from number ``batch`` up to row ``end``."""
        while batch in self._tried and batch * self._feed.batch_size < end:
            yield self._tried.pop(batch)
            batch += 1
        if batch * self._feed.batch_size < end:
            batches = self._feed.epoch(self.rows[:end], self._seeds, start=batch)
            yield from in_threads(self._values, batches, name="tlkit-features", ahead=1, threads=_batches_at_once())

    def _values(self, batch: dict[str, Any]) -> dict[str, np.ndarray]:
        found = {f"feature{place}": values for place, values in enumerate(self._part(batch["images"]))}
        if self._with_targets:
            found |= {key: np.asarray(batch[key]) for key in batch if key not in ("images", "index")}
        return found

    def _opened(self, number: int, *, check: bool) -> dict[str, np.ndarray] | None:
        """The shard's arrays, memory-mapped; None when it is missing, damaged or of another shape."""
        count = min(self._shard, len(self.rows) - number * self._shard)
        shard = read_shard(self.folder, f"{number:04d}", check=check)
        if shard is None:
            return None
        found, _ = shard
        expected = {f"feature{place}": (count, *shape) for place, shape in enumerate(self._part.shapes)}
        targets = set(self._feed.targets) if self._with_targets else set()
        shapes = {name: values.shape for name, values in found.items() if name not in targets}
        if shapes != expected or not targets <= set(found) or any(len(values) != count for values in found.values()):
            return None
        return found

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What is kept of some rows: ``feature0``, …, and the targets if they are kept."""
        self._read += len(rows) * (AROUND_BYTES + self._part.bytes_an_image)
        if self._read > MAPPED_BYTES:
            self._read = 0
            for array in (array for arrays in self._arrays.values() for array in arrays.values()):
                release(array)
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
        return in_threads(lambda rows: self._batch(view, rows), parts, name="tlkit-feed", ahead=AHEAD, threads=1)

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


def features_key(part: FrozenPart, data: Data, rows: np.ndarray, settings: Mapping[str, Any]) -> str:
    """A digest of everything that determines features.

    Args:
        part: the frozen part.
        data: whose files they are of.
        rows: which of them.
        settings: how files become images, and how these are augmented.
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
