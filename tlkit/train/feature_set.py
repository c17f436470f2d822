"""Features on disk: computed once, written in checked shards, and read in every epoch and by later runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from tlkit.data.feed.pipeline import Feed
from tlkit.data.store.rows import AROUND_BYTES, MAPPED_BYTES
from tlkit.data.store.shards import SUFFIX, Shard, UnusableShardError, open_shard, release, write_shard
from tlkit.system.cache import ABOUT, mark_used
from tlkit.system.disk import write_atomically
from tlkit.train.feature_batches import Compute, FeatureBatches
from tlkit.train.frozen_part import FrozenPart
from tlkit.train.team import Team

Progress = Callable[[int, int], None]

_SHARD_BYTES = 256e6
_SHARD_BATCHES = 16
"""A shard has whole batches, as many as fit within both limits: it is made in memory, by one worker."""


class FeatureSet:
    """The features of some images, in shards of whole batches, each written whole or not at all.

    Args:
        folder: the folder of these features alone; its undamaged shards are used.
        part: the frozen part that computes them.
        feed: the feed of the images; its batches are those that the frozen part computes.
        rows: int64 (N,), the images.
        seeds: int32 (batches, 2), the seeds of the augmentation, which may change targets, so that they are cached too;
            None without augmentation.
        key: what the features depend on, from ``features_key``; shards with another key are not used.
        about: a description for ``tlkit cache ls``.

    Attributes:
        unusable: the shards of earlier runs that could not be used, and were computed again.
    """

    def __init__(
        self,
        folder: Path,
        part: FrozenPart,
        feed: Feed,
        rows: np.ndarray,
        seeds: np.ndarray | None,
        *,
        key: str,
        about: str = "",
    ) -> None:
        self.folder = folder
        self.unusable: list[UnusableShardError] = []
        self._key = key
        self._about = about
        self._part = part
        self._feed = feed
        self.rows = rows
        self._with_targets = seeds is not None
        batches = int(_SHARD_BYTES / (part.bytes_per_image * feed.batch_size))
        self._shard = feed.batch_size * max(1, min(batches, _SHARD_BATCHES))
        self._place = {int(row): place for place, row in enumerate(rows)}
        self._arrays: dict[int, dict[str, np.ndarray]] = {}
        self._read = 0
        self._was_read = False
        self._batches = FeatureBatches(part, feed, rows, seeds)

    @property
    def _shards(self) -> range:
        return range(-(-len(self.rows) // self._shard))

    @property
    def missing(self) -> int:
        """The number of images without features; until ``read``, their files are opened but not read through."""
        sizes = (min(self._shard, len(self.rows) - number * self._shard) for number in self._shards)
        exists = self._arrays.__contains__ if self._was_read else self._exists
        return sum(size for number, size in enumerate(sizes) if not exists(number))

    def copy_from(self, earlier: Sequence[FeatureSet]) -> None:
        """Copy the features of images that have the same pixels in a view before, instead of computing them.

        Args:
            earlier: the views before this one, of the same images, filled before it; empty for the first view.
        """
        self._batches.copy_from([(each._batches.pixels, each.batch) for each in earlier])

    @property
    def copied(self) -> int:
        """The number of images whose features were copied."""
        return self._batches.copied

    def read(self) -> None:
        """Read all shards through, and keep those that are usable."""
        if self._was_read:
            return
        self._was_read = True
        for number in self._shards:
            shard = self._usable(number)
            if shard is not None:
                self._arrays[number] = shard.arrays

    def fill(self, progress: Progress | None = None, team: Team | None = None, compute: Compute | None = None) -> int:
        """Compute the shards that are missing or unusable.

        Args:
            progress: called with (done, total) images.
            team: workers that all do this in the same folder; each computes its shards, and waits for those of others.
            compute: computes in other processes; None: this one does.

        Returns:
            The number of images whose features were computed here.

        Raises:
            OSError: a shard can't be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.read()
        rank, size = (0, 1) if team is None else (team.rank, team.size)
        own = {number for number in self._shards if number not in self._arrays and number % size == rank}
        computed = 0
        with closing(self._batches.computed([self._span(number) for number in sorted(own)], compute)) as batches:
            for number in self._shards:
                if number in own:
                    shard = self._write(number, batches, progress)
                    computed += len(shard.arrays["feature0"])
                    self._arrays[number] = shard.arrays
                if progress is not None:
                    progress(min((number + 1) * self._shard, len(self.rows)), len(self.rows))
        for number in set(self._shards) - set(self._arrays):
            self._arrays[number] = _awaited(partial(self._opened, number)).arrays
        self._describe()
        return computed

    def _describe(self) -> None:
        with suppress(OSError):  # Without it, tlkit cache ls calls the folder unfinished; this run has its features.
            if self._about:
                write_atomically(self.folder / ABOUT, self._about + "\n")
        mark_used(self.folder)

    def _span(self, number: int) -> tuple[int, int]:
        return number * self._shard, min((number + 1) * self._shard, len(self.rows))

    def _write(self, number: int, batches: Iterator[dict[str, np.ndarray]], progress: Progress | None) -> Shard:
        """Write a shard of the next of the batches."""
        begin, end = self._span(number)
        arrays: dict[str, np.ndarray] = {}
        done = 0
        for values in islice(batches, -(-(end - begin) // self._feed.batch_size)):
            for name, part in values.items():
                whole = arrays.setdefault(name, np.empty((end - begin, *part.shape[1:]), part.dtype))
                whole[done : done + len(part)] = part
            done += len(part)
            if progress is not None:
                progress(begin + done, len(self.rows))
        return write_shard(self.folder, f"{number:04d}", self._of(number), arrays, {})

    def _of(self, number: int) -> str:
        return f"{self._key} {number:04d}"

    def _exists(self, number: int) -> bool:
        try:
            return self._opened(number) is not None
        except UnusableShardError:
            return False

    def _usable(self, number: int) -> Shard | None:
        """Return a shard that was read through; None when it is missing or unusable."""
        try:
            shard = self._opened(number)
            if shard is not None:
                shard.check()
        except UnusableShardError as error:
            self.unusable.append(error)
            return None
        return shard

    def _opened(self, number: int) -> Shard | None:
        """Return a shard whose arrays were not read through; None when it is missing.

        Raises:
            UnusableShardError: it is damaged, of other features, or can't be read.
        """
        count = min(self._shard, len(self.rows) - number * self._shard)
        shard = open_shard(self.folder / f"{number:04d}{SUFFIX}", self._of(number))
        if shard is None:
            return None
        arrays = shard.arrays
        expected = {f"feature{place}": (count, *shape) for place, shape in enumerate(self._part.shapes)}
        targets = set(self._feed.targets) if self._with_targets else set()
        shapes = {name: values.shape for name, values in arrays.items() if name not in targets}
        types = {values.dtype for name, values in arrays.items() if name not in targets}
        whole = targets <= set(arrays) and all(len(each) == count for each in arrays.values())
        if shapes != expected or types != {np.dtype(np.float32)} or not whole:
            raise UnusableShardError(shard.file, "has arrays of other shapes than expected")
        return shard

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


def _awaited(opened: Callable[[], Shard | None]) -> Shard:
    """Return a shard that another worker computes, once it is there; who starts workers notices one that ended."""
    while True:
        with suppress(UnusableShardError):  # of an earlier run; the other worker writes it anew
            if (shard := opened()) is not None:
                shard.check()
                return shard
        time.sleep(0.2)
