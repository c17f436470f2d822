"""Batches from the store, in an order and with random draws that have addresses: (seed, phase, epoch, batch)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from tlkit.data.prepare import Data
from tlkit.errors import PluginError

Augment = Callable[[dict[str, Any], Any], dict[str, Any]]

AHEAD = 2
"""Batches that are made before they are asked for."""

_ORDER, _SEEDS = 0, 1


def _generator(seed: int, phase: int, epoch: int, purpose: int) -> np.random.Generator:
    """A generator of its own for each address, by Philox (Salmon et al. 2011, doi:10.1145/2063384.2063405)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, phase, epoch, purpose])))


def epoch_order(seed: int, phase: int, epoch: int, count: int) -> np.ndarray:
    """The order in which an epoch takes its ``count`` samples: int64 (count,), a permutation."""
    return _generator(seed, phase, epoch, _ORDER).permutation(count).astype(np.int64)


def batch_seeds(seed: int, phase: int, epoch: int, batches: int) -> np.ndarray:
    """The seed of each batch's augmentation: int32 (batches, 2)."""
    draws = _generator(seed, phase, epoch, _SEEDS).integers(0, 2**31 - 1, (batches, 2))
    return draws.astype(np.int32)


class Feed:
    """Batch dicts of tensors from a data set's store, made in a thread while the batch before is used.

    A batch has ``images`` float32 (n, H, W, 3) in 0-255; ``labels`` int32 (n,), float32 (n, classes) multi-hot or, with
    ``soft_labels``, one-hot; or ``segmentation_masks`` int32 (n, H, W, 1); ``index`` int64 (n,), the rows.

    A thread, as ``tf.data`` costs more here: 5 % of a small model's step, and with its autotuning on about every other
    epoch ran on one core of two.

    Args:
        data: whose store is read, a batch at a time.
        batch_size: the last batch of an epoch may be smaller.
        augment: applied to each batch, one after the other, so that its draws depend on the batch's seed alone.
        soft_labels: give labels one-hot.

    Raises:
        PluginError: the augmentation returns other entries, shapes or types than it was given.
    """

    def __init__(
        self, data: Data, batch_size: int, *, augment: Augment | None = None, soft_labels: bool = False
    ) -> None:
        self._data = data
        self._batch_size = batch_size
        self._augment = augment
        self._soft_labels = soft_labels
        seed = tf.TensorSpec((2,), tf.int32)
        self._compiled = tf.function(self._finish).get_concrete_function(self._signature(), seed)

    def epoch(self, order: np.ndarray, seeds: np.ndarray | None = None, start: int = 0) -> Iterator[dict[str, Any]]:
        """The batches of an epoch.

        Args:
            order: int64 (count,), the rows to take.
            seeds: int32 (batches, 2), one for each batch; needed to augment.
            start: the first batch to give; the batches are the same as without it.
        """
        count = math.ceil(len(order) / self._batch_size)
        if seeds is None:
            seeds = np.zeros((count, 2), np.int32)
        ahead: deque[Future[dict[str, Any]]] = deque()
        with ThreadPoolExecutor(1, "tlkit-feed") as worker:
            for number in range(start, count):
                index = order[number * self._batch_size : (number + 1) * self._batch_size]
                ahead.append(worker.submit(self._batch, index, seeds[number]))
                if len(ahead) > AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _batch(self, index: np.ndarray, seed: np.ndarray) -> dict[str, Any]:
        data = self._data
        batch: dict[str, Any] = {"images": tf.constant(data.store.images[index]), "index": tf.constant(index, tf.int64)}
        if data.labels is not None:
            batch["labels"] = tf.constant(data.labels[index])
        else:
            assert data.store.masks is not None
            batch["segmentation_masks"] = tf.constant(data.store.masks[index][..., None])
        finished: dict[str, Any] = self._compiled(batch, tf.constant(seed, tf.int32))
        return finished

    def _signature(self) -> dict[str, Any]:
        data = self._data
        height, width = data.store.images.shape[1:3]
        signature: dict[str, Any] = {
            "images": tf.TensorSpec((None, height, width, 3), tf.uint8),
            "index": tf.TensorSpec((None,), tf.int64),
        }
        if data.labels is None:
            signature["segmentation_masks"] = tf.TensorSpec((None, height, width, 1), tf.uint8)
        elif data.labels.ndim == 2:
            signature["labels"] = tf.TensorSpec((None, len(data.classes)), tf.float32)
        else:
            signature["labels"] = tf.TensorSpec((None,), tf.int32)
        return signature

    def _finish(self, batch: dict[str, Any], seed: Any) -> dict[str, Any]:
        batch = dict(batch)
        index = batch.pop("index")
        batch["images"] = tf.cast(batch["images"], tf.float32)
        if "segmentation_masks" in batch:
            batch["segmentation_masks"] = tf.cast(batch["segmentation_masks"], tf.int32)
        if self._soft_labels and batch["labels"].shape.rank == 1:
            batch["labels"] = tf.one_hot(batch["labels"], len(self._data.classes))
        if self._augment is not None:
            batch = _checked(self._augment(dict(batch), seed), batch)
        return {**batch, "index": index}


def _checked(augmented: dict[str, Any], batch: dict[str, Any]) -> dict[str, Any]:
    """What an augmentation may give back: the same entries, shapes and types; images are cut to 0-255."""
    if set(augmented) != set(batch):
        raise PluginError(f"the augmentation returned the entries {sorted(augmented)}, expected {sorted(batch)}")
    result = {}
    for key, value in batch.items():
        new = augmented[key]
        if not new.shape.is_compatible_with(value.shape):
            raise PluginError(f"the augmentation returned {key} of shape {new.shape}, expected {value.shape}")
        result[key] = tf.ensure_shape(tf.cast(new, value.dtype), value.shape)
    result["images"] = tf.clip_by_value(result["images"], 0.0, 255.0)
    return result
