"""Make batches from the store. Order and random draws depend on (seed, phase, epoch, batch) alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from tlkit.boundary.guard import AUTOGRAPH
from tlkit.data.feed.policies import Policy
from tlkit.data.run_data import Data
from tlkit.errors import PluginError
from tlkit.system.parallel import in_threads
from tlkit.system.text import listed

AHEAD = 2
"""Batches that are made in advance."""

Cut = Callable[[int], slice]
"""Returns which rows to give of a batch, from their number."""

_ORDER, _SEEDS = 0, 1


def _generator(seed: int, phase: int, epoch: int, purpose: int) -> np.random.Generator:
    """Return an independent generator for each address, by Philox (Salmon et al. 2011, doi:10.1145/2063384.2063405)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, phase, epoch, purpose])))


def epoch_order(seed: int, phase: int, epoch: int, count: int) -> np.ndarray:
    """Return the order in which an epoch takes its ``count`` samples: int64 (count,), a permutation."""
    return _generator(seed, phase, epoch, _ORDER).permutation(count).astype(np.int64)


def batch_seeds(seed: int, phase: int, epoch: int, batches: int) -> np.ndarray:
    """Return the seed of each batch's augmentation: int32 (batches, 2)."""
    draws = _generator(seed, phase, epoch, _SEEDS).integers(0, 2**31 - 1, (batches, 2))
    return draws.astype(np.int32)


class Feed:
    """Batches from the store of a run's data, as dicts of tensors, each made in a thread while the one before is used.

    A batch has ``images`` float32 (n, H, W, 3) in 0-255; ``index`` int64 (n,), the rows; and either ``labels``, int32
    (n,) or multi-hot float32 (n, classes), or ``segmentation_masks`` int32 (n, H, W, 1). After a policy that mixes,
    ``labels`` and ``segmentation_masks`` are shares of classes, float32 (n, classes) and (n, H, W, classes).

    This is a thread because ``tf.data`` costs more here: 5 % of a small model's step, and with autotuning about every
    other epoch ran on one core of two.

    Args:
        data: the data; its store is read one batch at a time.
        batch_size: images per batch; the last batch of an epoch may be smaller.
        policies: applied to each batch in this order; their draws depend on the batch's seed alone.
        cut: which rows of each batch to give, where other workers have the rest; batches then have ``place``, int32
            (2,): the number of the first row, and that of all rows of the batch. The policies see the whole batch.

    Raises:
        PluginError: a policy returns other entries, shapes or types than it received.
    """

    def __init__(self, data: Data, batch_size: int, policies: Sequence[Policy] = (), *, cut: Cut | None = None) -> None:
        self._data = data
        self.batch_size = batch_size
        self._policies = tuple(policies)
        self._cut = cut

    @cached_property
    def _compiled(self) -> Any:
        """The traced ``_finish``; not made before a batch is, since a phase on cached features takes none."""
        # Converting tlkit's own Python takes longer than tracing it, and a policy may say that its own needs none.
        convert = not all(hasattr(policy.augment, AUTOGRAPH) for policy in self._policies)
        signature = [self._signature(), tf.TensorSpec((2,), tf.int32)]
        return tf.function(self._finish, input_signature=signature, autograph=convert)

    @property
    def targets(self) -> tuple[str, ...]:
        """The entries of a batch that are targets."""
        return ("labels",) if self._data.labels is not None else ("segmentation_masks",)

    def epoch(
        self,
        order: np.ndarray,
        seeds: np.ndarray | None = None,
        start: int = 0,
        number: int = 0,  # noqa: ARG002
    ) -> Iterator[dict[str, Any]]:
        """Yield the batches of an epoch.

        Args:
            order: int64 (count,), the rows to take.
            seeds: int32 (batches, 2), the seed of each batch; needed to augment.
            start: the number of the first batch to yield; earlier ones are skipped, later ones are unaffected.
            number: the number of the epoch; used only by feeds with several views.
        """
        count = math.ceil(len(order) / self.batch_size)
        if seeds is None:
            seeds = np.zeros((count, 2), np.int32)
        size = self.batch_size
        parts = [(order[batch * size : (batch + 1) * size], seeds[batch]) for batch in range(start, count)]
        make = self._batch if self._cut is None else self._cut_batch
        return in_threads(lambda part: make(*part), parts, name="tlkit-feed", ahead=AHEAD, threads=1)

    def _cut_batch(self, index: np.ndarray, seed: np.ndarray) -> dict[str, Any]:
        assert self._cut is not None
        rows = self._cut(len(index))
        if self._policies:  # which may mix rows
            batch = {key: value[rows] for key, value in self._batch(index, seed).items()}
        else:
            batch = self._batch(index[rows], seed)
        return {**batch, "place": place(rows, len(index))}

    def _batch(self, index: np.ndarray, seed: np.ndarray) -> dict[str, Any]:
        data = self._data
        batch: dict[str, Any] = {"images": tf.constant(data.store.images[index]), "index": tf.constant(index, tf.int64)}
        if data.labels is not None:
            batch["labels"] = tf.constant(data.labels[index])
        else:
            assert data.store.masks is not None
            batch["segmentation_masks"] = tf.constant(data.store.masks[index][..., None])
        try:
            # Without a policy only types are cast: not worth tracing.
            finish = self._compiled if self._policies else self._finish
            finished: dict[str, Any] = finish(batch, tf.constant(seed, tf.int32))
        except tf.errors.OpError as error:  # perhaps of Python code that TensorFlow called for a policy
            if self._policies:
                names = listed([f'"{policy.name}"' for policy in self._policies])
                error.add_note(f"Raised in the input pipeline, where the augmentation {names} runs.")
            raise
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
        for number, policy in enumerate(self._policies):
            if policy.mixes:
                batch = _shares(batch, len(self._data.classes))
            batch = _checked(policy.augment(dict(batch), _seed_of(seed, number)), batch, policy.name)
        return {**batch, "index": index}


def place(rows: slice, count: int) -> Any:
    """Return where some rows of a batch are: int32 (2,), the number of the first row, and that of all rows."""
    return tf.constant([rows.start, count], tf.int32)


def _seed_of(seed: Any, number: int) -> Any:
    """Return the seed of a policy in a chain: the batch's for the first, else one that no policy derives itself."""
    if number == 0:
        return seed
    return tf.random.fold_in(tf.random.fold_in(seed, 2**31 - 1, alg="philox"), number, alg="philox")


def _shares(batch: dict[str, Any], classes: int) -> dict[str, Any]:
    """Convert the targets to shares of classes; an ignored pixel has a share of 0 in every class."""
    soft = dict(batch)
    if "labels" in batch and batch["labels"].shape.rank == 1:
        soft["labels"] = tf.one_hot(batch["labels"], classes)
    if "segmentation_masks" in batch and batch["segmentation_masks"].dtype == tf.int32:
        soft["segmentation_masks"] = tf.one_hot(batch["segmentation_masks"][..., 0], classes)
    return soft


def _checked(augmented: dict[str, Any], batch: dict[str, Any], name: str) -> dict[str, Any]:
    """Check that a policy returned the same entries and shapes, restore their types, and clip images to 0-255."""
    title = f'augmentation "{name}"'
    if set(augmented) != set(batch):
        raise PluginError(f"{title} returned the entries {sorted(augmented)}, expected {sorted(batch)}")
    result = {}
    for key, value in batch.items():
        new = augmented[key]
        if not new.shape.is_compatible_with(value.shape):
            raise PluginError(f"{title} returned {key} of shape {new.shape}, expected {value.shape}")
        result[key] = tf.ensure_shape(tf.cast(new, value.dtype), value.shape)
    result["images"] = tf.clip_by_value(result["images"], 0.0, 255.0)
    return result
