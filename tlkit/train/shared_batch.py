"""A batch whose rows are on several workers, as one of them sees it while it computes a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from tlkit.train.shared_normalization import normalization_of_all
from tlkit.train.team import Team


class RowsOfBatch:
    """This worker's rows of a batch; to be used within ``Team.run``.

    Where a batch has fewer rows than workers, each worker has all of them: see ``Team.rows``.

    Args:
        team: the workers.
        place: int32 (2,), the number of the first row here and that of all rows of the batch.
        count: the number of rows here, an int32 scalar.

    Attributes:
        copies: how many workers have each row, a float32 scalar.
    """

    def __init__(self, team: Team, place: Any, count: Any) -> None:
        self._team = team
        self._first, self._all, self._count = place[0], place[1], count
        self.copies = tf.where(place[1] < team.size, float(team.size), 1.0)

    @property
    def share(self) -> Any:
        """The share that this worker has in means over the batch, a float32 scalar; all shares add up to 1."""
        return tf.cast(self._count, tf.float32) / (tf.cast(self._all, tf.float32) * self.copies)

    def sum(self, value: Any) -> Any:
        """Return the sum of a value over all workers."""
        return self._team.sum([value])[0]

    def total(self, value: Any) -> Any:
        """Return the sum of a value over all workers; no gradient flows through it."""
        return self.sum(tf.stop_gradient(value))

    def whole(self, rows: Any) -> Any:
        """Return the rows of the whole batch, of those here; a gradient flows only into those here."""

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def gathered(here: Any) -> tuple[Any, Callable[[Any], Any]]:
            return self.sum(self.padded(here)) / tf.cast(self.copies, here.dtype), self.own

        return gathered(rows)

    def part(self, value: Any) -> Any:
        """Return this worker's part of a float32 value of the whole batch, whose gradient is that of ``whole``.

        The parts of all workers add up to the value, and their gradients to its gradient.
        """
        gradient = value / self.copies
        return gradient + tf.stop_gradient(value / float(self._team.size) - gradient)

    def padded(self, rows: Any) -> Any:
        """Return the rows here at their places in the batch, with zeros at the places of the others."""
        after = self._all - self._first - self._count
        edges = tf.concat([[[self._first, after]], tf.zeros((len(rows.shape) - 1, 2), tf.int32)], 0)
        padded = tf.pad(rows, edges)
        padded.set_shape((None, *rows.shape[1:]))
        return padded

    def own(self, whole: Any) -> Any:
        """Return the rows here, of those of the whole batch."""
        return whole[self._first : self._first + self._count]


@contextmanager
def layers_shared(model: Any, rows: RowsOfBatch) -> Iterator[None]:
    """While a step is traced, have the layers of a model compute as if all rows of the batch were here.

    BatchNormalization that trains takes its statistics over all workers. A layer that draws (dropout, noise) draws for
    the whole batch and takes the draws of the rows here, so that they don't depend on the number of workers. This holds
    for every layer that computes row by row, those of plugins too, and costs it the time of the whole batch.

    Args:
        model: the part of the model that trains.
        rows: the rows here.
    """
    synchronized, replaced = [], []
    try:
        for layer in _outermost(model):
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
                if type(layer).call is keras.layers.BatchNormalization.call and not layer.renorm:
                    replaced.append((layer, normalization_of_all(layer, rows.sum)))
                elif not layer.synchronized:
                    synchronized.append(layer)
            elif layer._seed_generators:
                replaced.append((layer, _for_whole_batch(layer.call, rows)))
        for layer in synchronized:
            layer.synchronized = True
        for layer, call in replaced:
            # Past Keras's own __setattr__, which would track the function as a part of the layer.
            vars(layer)["call"] = call
        yield
    finally:
        for layer in synchronized:
            layer.synchronized = False
        for layer, _ in replaced:
            vars(layer).pop("call", None)


def _outermost(layer: Any) -> Iterator[Any]:
    """Yield the layers below a layer, but none below one that draws, which calls those itself."""
    for each in layer._flatten_layers(include_self=False, recursive=False):
        yield each
        if not each._seed_generators:
            yield from _outermost(each)


def _for_whole_batch(call: Callable[..., Any], rows: RowsOfBatch) -> Callable[..., Any]:
    def called(*arguments: Any, **options: Any) -> Any:
        padded = tf.nest.map_structure(_of_tensors(rows.padded), (arguments, options))
        return tf.nest.map_structure(rows.own, call(*padded[0], **padded[1]))

    return called


def _of_tensors(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: function(value) if isinstance(value, tf.Tensor) and len(value.shape) else value
