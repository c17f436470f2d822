"""The pool of decoded images: the shards of earlier runs, and those that this run adds."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np

from tlkit.contracts import ImageSize
from tlkit.data.store.decoding import Cached, Decoded
from tlkit.data.store.shards import read_shard, shard_names, write_shard
from tlkit.system.cache import ABOUT, mark_used
from tlkit.system.disk import write_atomically

_SHARD_BYTES = 32e6


class Pool:
    """Decoded images by the digest of their files, in shards that runs with the same settings share.

    Each run writes new images to a folder of its own, so that runs at the same time never write the same file.

    Args:
        root: the folder that holds the folders of all runs.
        size: (height, width) of the images.
        with_masks: whether each image has a mask.
        settings: digest of all that a decoded image depends on besides its file; empty: use no earlier run's images.
    """

    def __init__(self, root: Path, size: ImageSize, *, with_masks: bool, settings: str = "") -> None:
        self.size = size
        self.with_masks = with_masks
        self.images: list[np.ndarray] = []
        self.masks: list[np.ndarray] = []
        self._shards: list[tuple[Path, str]] = []
        self._cached: dict[str, Cached] = {}
        self._intact: dict[int, bool] = {}
        self._lock = Lock()
        self._root = root
        self._prefix = f"{settings}-"
        self._own_folder: Path | None = None
        self._count = 0
        self._shard_rows = max(1, int(_SHARD_BYTES / (size[0] * size[1] * 3)))
        self._waiting: list[Decoded] = []
        self._writer = ThreadPoolExecutor(1, "tlkit-store")
        self._writing: Future[None] | None = None
        if settings:
            for folder in sorted(root.glob(f"{self._prefix}*")):
                for name in shard_names(folder):
                    for row, (digest, original) in enumerate(self._open_shard(folder, name)):
                        self._cached[digest] = Cached((len(self.images) - 1, row), digest, original)
        self._next_shard = len(self.images)

    def find(self, digest: str) -> Cached | None:
        """Return an image that an earlier run decoded; None if there is none, or its shard is damaged.

        The first use of a shard reads it whole and compares its checksum. Safe to call from several threads. Images
        that this run adds are not found.
        """
        cached = self._cached.get(digest)
        if cached is None:
            return None
        number = cached.place[0]
        with self._lock:
            if number not in self._intact:
                self._intact[number] = read_shard(*self._shards[number], check=True) is not None
        return cached if self._intact[number] else None

    def _open_shard(self, folder: Path, name: str) -> list[tuple[str, ImageSize]]:
        """Add a shard to the pool and return the digest and original size of each image; nothing if it is unusable."""
        opened = read_shard(folder, name, check=False)
        if opened is None:
            return []
        arrays, note = opened
        digests, sizes = note.get("digests", ()), note.get("sizes", ())
        expected: dict[str, tuple[int, ...]] = {"images": (len(digests), *self.size, 3)}
        if self.with_masks:
            expected["masks"] = (len(digests), *self.size)
        shapes = {key: values.shape for key, values in arrays.items() if values.dtype == np.uint8}
        if shapes != expected or len(sizes) != len(digests):
            return []
        self.images.append(arrays["images"])
        self._shards.append((folder, name))
        if self.with_masks:
            self.masks.append(arrays["masks"])
        return [(str(digest), (int(size[0]), int(size[1]))) for digest, size in zip(digests, sizes, strict=True)]

    def add(self, decoded: Decoded) -> tuple[int, int]:
        """Add an image and return its shard and row, which are valid once the pool is closed.

        Raises:
            OSError: an earlier shard can't be written.
        """
        if len(self._waiting) == self._shard_rows:
            self._flush()
        self._waiting.append(decoded)
        return self._next_shard, len(self._waiting) - 1

    def _flush(self) -> None:
        """Start writing the waiting images while decoding continues; at most one shard in memory is being written."""
        self._finish_writing()
        if self._own_folder is None:
            self._own_folder = Path(tempfile.mkdtemp(prefix=self._prefix, dir=self._root))
        waiting, self._waiting = self._waiting, []
        self._writing = self._writer.submit(self._write, self._own_folder, waiting)
        self._next_shard += 1

    def _finish_writing(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, folder: Path, waiting: Sequence[Decoded]) -> None:
        arrays = {"images": np.stack([each.image for each in waiting])}
        if self.with_masks:
            arrays["masks"] = np.stack([each.mask for each in waiting if each.mask is not None])
        name = f"{self._count // self._shard_rows:04d}"
        self._count += len(waiting)
        note = {"digests": [each.digest for each in waiting], "sizes": [each.size for each in waiting]}
        write_shard(folder, name, arrays, note)
        if not self._open_shard(folder, name):
            raise OSError(0, "does not read back as it was written", str(folder / name))

    def close(self) -> None:
        """Write the waiting images and stop the writer.

        Raises:
            OSError: a shard can't be written.
        """
        if self._waiting:
            self._flush()
        self._finish_writing()
        self._writer.shutdown()
        if self._own_folder is not None:
            about = f"{self._count} images, {self.size[1]} x {self.size[0]}{', masks' if self.with_masks else ''}"
            write_atomically(self._own_folder / ABOUT, about + "\n")

    def abandon(self) -> None:
        """Remove what this run has written."""
        self._writer.shutdown()
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def mark_used(self, shards: Iterable[int]) -> None:
        """Note that the folders of these shards are in use, so that the cache removes them last."""
        for number in shards:
            mark_used(self._shards[number][0])
