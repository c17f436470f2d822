"""A trained model in two parts, cut as in its last phase: the frozen part, whose features are kept, and the head."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tlkit.data.run_data import Data
from tlkit.data.store.rows import in_batches
from tlkit.models.convert import convert_to_litert
from tlkit.models.inference import images_at_once
from tlkit.train.converted import converted
from tlkit.train.feature_set import FeatureSet
from tlkit.train.frozen_part import FrozenPart


class ModelInParts:
    """The logits of a trained model, from kept features where there are any: the same function in less time.

    Args:
        frozen: the frozen part of the last phase, which did not change since its features were computed.
        head: the rest of the model, from the tensors at the cut to the logits, with the weights of the trained model.
        data: the run's data.
        batch_size: the largest number of images at a time.
        kept: the cached features, of images that are not augmented.
        make_ready: makes the frozen part ready to compute, which it need not be if all of its features were cached.
        keep: whether a converted frozen part is kept for later runs.
    """

    def __init__(
        self,
        frozen: FrozenPart,
        head: Any,
        data: Data,
        batch_size: int,
        kept: Sequence[FeatureSet] = (),
        make_ready: Callable[[], None] = lambda: None,
        *,
        keep: bool = True,
    ) -> None:
        self.kept = list(kept)
        self._make_ready = make_ready
        self._keep = keep
        self.at_once = min(batch_size, images_at_once(head))
        self._frozen = frozen
        self._head = head
        self._images = data.store.images

    def batches(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the logits of some images, in their order, a few images at a time.

        Args:
            rows: int (N,) row numbers of the images in the data.

        Yields:
            float32 (n, …, units).
        """
        kept = next((each for each in self.kept if np.isin(rows, each.rows).all()), None)
        if kept is not None:
            for first in range(0, len(rows), self.at_once):
                part = rows[first : first + self.at_once]
                features = kept.batch(part)
                yield self._logits([features[f"feature{place}"] for place in range(len(self._frozen.shapes))])
            return
        self._make_ready()
        for images in in_batches(self._images, rows, self.at_once):
            yield self._logits(self._frozen(tf.cast(images, tf.float32)))

    def lite(self) -> bytes | None:
        """Return the whole model as the bytes of a LiteRT file; None where LiteRT does not compute the frozen part.

        Raises:
            NotConvertibleError: the head can't be converted.
        """
        if self._frozen.engine.name != "litert":
            return None
        from tlkit.models.lite_join import joined

        content = self._frozen.lite_content or converted(self._frozen, lambda _note: None, keep=self._keep)
        try:
            return joined(content, convert_to_litert(self._head))
        except ValueError:  # a head that takes its inputs otherwise
            return None

    def _logits(self, features: Sequence[np.ndarray]) -> np.ndarray:
        # Not compiled: tracing a head would take longer than running it on a few hundred images.
        logits = self._head([tf.constant(each) for each in features], training=False)
        return np.asarray(keras.ops.convert_to_numpy(tf.cast(logits, tf.float32)))
