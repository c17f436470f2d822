"""Batches from the store, in an order and with random draws that have addresses: (seed, phase, epoch, batch)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tlkit.data.prepare import Data
from tlkit.errors import PluginError

Augment = Callable[[dict[str, Any], Any], dict[str, Any]]

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
    """Batch dicts from a data set's store; the ``tf.data`` pipeline behind it is built once for all epochs.

    A batch has ``images`` float32 (n, H, W, 3) in 0-255; ``labels`` int32 (n,), float32 (n, classes) multi-hot or, with
    ``soft_labels``, one-hot; or ``segmentation_masks`` int32 (n, H, W, 1); ``index`` int64 (n,), the rows.

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
        self._next: tuple[np.ndarray, np.ndarray, int] = (np.zeros(0, np.int64), np.zeros((0, 2), np.int32), 0)
        options = tf.data.Options()
        # With autotuning on, about every other epoch ran on one of two cores; nothing here needs tuning.
        options.autotune.enabled = False
        made = tf.data.Dataset.from_generator(
            self._rows, output_signature=(self._signature(), tf.TensorSpec((2,), tf.int32))
        )
        self._dataset = made.map(self._finish).prefetch(2).with_options(options)

    def epoch(self, order: np.ndarray, seeds: np.ndarray | None = None, start: int = 0) -> Iterator[dict[str, Any]]:
        """The batches of an epoch, which are taken before the next is asked for.

        Args:
            order: int64 (count,), the rows to take.
            seeds: int32 (batches, 2), one for each batch; needed to augment.
            start: the first batch to give; the batches are the same as without it.
        """
        if seeds is None:
            seeds = np.zeros((math.ceil(len(order) / self._batch_size), 2), np.int32)
        self._next = (order, seeds, start)
        return iter(self._dataset)

    def _rows(self) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        order, seeds, start = self._next
        data, size = self._data, self._batch_size
        for number in range(start, math.ceil(len(order) / size)):
            index = order[number * size : (number + 1) * size]
            batch: dict[str, np.ndarray] = {"images": data.store.images[index], "index": index}
            if data.labels is not None:
                batch["labels"] = data.labels[index]
            else:
                assert data.store.masks is not None
                batch["segmentation_masks"] = data.store.masks[index][..., None]
            yield batch, seeds[number]

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
