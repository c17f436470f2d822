"""The pool of decoded images: the shards of earlier runs, and those that this run adds."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tlkit.contracts import ImageSize
from tlkit.data.store.decoding import Cached, Decoded
from tlkit.data.store.shards import SUFFIX, Shard, UnusableShardError, open_shard, shard_names, write_shard
from tlkit.system.cache import ABOUT, mark_used
from tlkit.system.disk import write_atomically

_SHARD_BYTES = 32e6

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Pixels = Annotated[int, Field(strict=True, ge=1, lt=1 << 31)]


class _Note(BaseModel):
    """What is noted of the images of a shard: the digest of each one's bytes, and its original (height, width)."""

    model_config = ConfigDict(extra="forbid")

    digests: list[_Digest]
    sizes: list[tuple[_Pixels, _Pixels]]


class Pool:
    """Decoded images by the digest of their files, in shards that runs with the same settings share.

    Each run writes new images to a folder of its own, so that runs at the same time never write the same file.

    Args:
        root: the folder that holds the folders of all runs.
        size: (height, width) of the images.
        with_masks: whether each image has a mask.
        settings: digest of all that a decoded image depends on besides its file; empty: use no earlier run's images.

    Attributes:
        unusable: the shards of earlier runs that can't be used; those that are damaged are removed.
    """

    def __init__(self, root: Path, size: ImageSize, *, with_masks: bool, settings: str = "") -> None:
        self.size = size
        self.with_masks = with_masks
        self.images: list[np.ndarray] = []
        self.masks: list[np.ndarray] = []
        self.unusable: list[UnusableShardError] = []
        self._shards: list[Shard] = []
        self._cached: dict[str, Cached] = {}
        self._further: dict[str, list[Cached]] = {}
        self._intact: dict[int, bool] = {}
        self._lock = Lock()
        self._root = root
        self._settings = settings
        self._own_folder: Path | None = None
        self._count = 0
        self._shard_rows = max(1, int(_SHARD_BYTES / (size[0] * size[1] * 3)))
        self._waiting: list[tuple[str, ImageSize]] = []
        self._buffers: dict[str, np.ndarray] = {}
        self._writer = ThreadPoolExecutor(1, "tlkit-store")
        self._writing: Future[None] | None = None
        if settings:
            for folder in sorted(root.glob(f"{settings}-*")):
                for name in shard_names(folder):
                    self._open(folder / f"{name}{SUFFIX}")
        self._next_shard = len(self.images)

    def find(self, digest: str) -> Cached | None:
        """Return an image that an earlier run decoded; None if there is none in an undamaged shard.

        The first use of a shard reads it whole and compares its checksums. Safe to call from several threads. Images
        that this run adds are not found.
        """
        cached = self._cached.get(digest)
        if cached is None or self._is_intact(cached.place[0]):
            return cached
        further = self._further.get(digest, [])
        return next((each for each in further if self._is_intact(each.place[0])), None)

    def _is_intact(self, number: int) -> bool:
        with self._lock:
            if number not in self._intact:
                try:
                    self._shards[number].check()
                    self._intact[number] = True
                except UnusableShardError as error:
                    self._drop(error)
                    self._intact[number] = False
            return self._intact[number]

    def _open(self, file: Path) -> None:
        """Add a shard of an earlier run to the pool, unless it is unusable."""
        try:
            shard = open_shard(file, self._settings)
            note = None if shard is None else self._add_shard(shard)
        except UnusableShardError as error:
            self._drop(error)
            return
        for row, (digest, size) in enumerate(zip(note.digests, note.sizes, strict=True) if note else ()):
            cached = Cached((len(self.images) - 1, row), digest, size)
            if digest in self._cached:
                self._further.setdefault(digest, []).append(cached)
            else:
                self._cached[digest] = cached

    def _add_shard(self, shard: Shard) -> _Note:
        """Add the arrays of a shard to the pool, and return what is noted of them."""
        try:
            note = _Note.model_validate(shard.note)
        except ValidationError as error:
            raise UnusableShardError(
                shard.file, f"its header is not as expected: {error.errors()[0]['msg']}"
            ) from error
        count = len(note.digests)
        expected: dict[str, tuple[int, ...]] = {"images": (count, *self.size, 3)}
        if self.with_masks:
            expected["masks"] = (count, *self.size)
        shapes = {name: values.shape for name, values in shard.arrays.items() if values.dtype == np.uint8}
        if shapes != expected or len(shard.arrays) != len(expected) or len(note.sizes) != count:
            raise UnusableShardError(shard.file, "has arrays of other shapes than expected")
        self.images.append(shard.arrays["images"])
        if self.with_masks:
            self.masks.append(shard.arrays["masks"])
        self._shards.append(shard)
        return note

    def _drop(self, error: UnusableShardError) -> None:
        """Note that a shard of an earlier run is unusable, and remove it if it is damaged: no run writes it again."""
        self.unusable.append(error)
        if error.damaged:
            with suppress(OSError):
                error.file.unlink()

    def add(self, decoded: Decoded) -> tuple[int, int]:
        """Add an image and return its shard and row, which are valid once the pool is closed.

        Raises:
            OSError: an earlier shard can't be written.
        """
        if len(self._waiting) == self._shard_rows:
            self._flush()
        row = len(self._waiting)
        for name, values in (("images", decoded.image), ("masks", decoded.mask)):
            if values is None or (name == "masks" and not self.with_masks):
                continue
            if not row:  # One block of a shard's size, which goes back to the system when the shard is written.
                self._buffers[name] = np.empty((self._shard_rows, *values.shape), np.uint8)
            self._buffers[name][row] = values
        self._waiting.append((decoded.digest, decoded.size))
        return self._next_shard, row

    def _flush(self) -> None:
        """Start writing the waiting images while decoding continues; at most one shard in memory is being written."""
        self._finish_writing()
        if self._own_folder is None:
            self._root.mkdir(parents=True, exist_ok=True)
            self._own_folder = Path(tempfile.mkdtemp(prefix=f"{self._settings}-", dir=self._root))
        waiting, self._waiting = self._waiting, []
        arrays, self._buffers = {name: values[: len(waiting)] for name, values in self._buffers.items()}, {}
        self._writing = self._writer.submit(self._write, self._own_folder, arrays, waiting)
        self._next_shard += 1

    def _finish_writing(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, folder: Path, arrays: dict[str, np.ndarray], waiting: Sequence[tuple[str, ImageSize]]) -> None:
        name = f"{self._count // self._shard_rows:04d}"
        self._count += len(waiting)
        note = {"digests": [digest for digest, _ in waiting], "sizes": [size for _, size in waiting]}
        self._add_shard(write_shard(folder, name, self._settings, arrays, note))

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
            with suppress(FileNotFoundError):  # Somebody has cleared the cache: this run has its images.
                write_atomically(self._own_folder / ABOUT, about + "\n")

    def abandon(self) -> None:
        """Remove what this run has written."""
        self._writer.shutdown()
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def mark_used(self, shards: Iterable[int]) -> None:
        """Note that the folders of these shards are in use, so that the cache removes them last."""
        for number in shards:
            mark_used(self._shards[number].file.parent)
