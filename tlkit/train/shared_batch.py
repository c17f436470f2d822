"""A batch whose rows are on several workers, as one of them sees it while it computes a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from tlkit.errors import RunError
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
        self._draws: dict[int, int] = {}
        self._first, self._all, self._count = place[0], place[1], count
        self.copies = tf.where(place[1] < team.parts, float(team.parts), 1.0)

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
        return gradient + tf.stop_gradient(value / float(self._team.parts) - gradient)

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

    @property
    def keeps(self) -> bool:
        """Whether what is computed for these rows changes the state of layers."""
        return self._team.keeps

    def draw(self, states: list[Any], before: list[list[Any]]) -> None:
        """Prepare the next draws of a layer, which are those of the whole batch wherever its rows are.

        Devices of one process share the state that a layer draws by: the first one notes it, and the others go back.

        Args:
            states: the variables of the state.
            before: what they were before each call of the layer in this step; of the layer's own.
        """
        if self.keeps:
            before.append([tf.identity(state.value) for state in states])
            return
        number = self._draws.get(id(before), 0)
        self._draws[id(before)] = number + 1
        for state, value in zip(states, before[number], strict=True):
            state.assign(value)


@contextmanager
def layers_shared(model: Any, rows: Callable[[], RowsOfBatch]) -> Iterator[None]:
    """While a step is traced, have the layers of a model compute as if all rows of the batch were here.

    BatchNormalization that trains takes its statistics over all workers. A layer that draws (dropout, noise) draws for
    the whole batch and takes the draws of the rows here, so that they don't depend on the number of workers. This holds
    for every layer that computes row by row, those of plugins too, and costs it the time of the whole batch.

    Args:
        model: the part of the model that trains.
        rows: returns the rows here.
    """
    synchronized, replaced = [], []
    try:
        for layer in _outermost(model):
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
                if _is_plain(layer):
                    replaced.append((layer, _normalization(layer, rows)))
                elif not layer.synchronized:
                    synchronized.append(layer)
            elif layer._seed_generators:
                replaced.append((layer, _for_whole_batch(layer, rows)))
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


def _normalization(layer: Any, rows: Callable[[], RowsOfBatch]) -> Callable[..., Any]:
    return normalization_of_all(layer, lambda value: rows().sum(value), lambda: rows().keeps)


def _for_whole_batch(layer: Any, rows: Callable[[], RowsOfBatch]) -> Callable[..., Any]:
    call: Callable[..., Any] = layer.call
    before: list[list[Any]] = []
    states = [generator.state for each in layer._flatten_layers() for generator in each._seed_generators]

    def called(*arguments: Any, **options: Any) -> Any:
        here = rows()
        padded = tf.nest.map_structure(_of_tensors(here.padded), (arguments, options))
        here.draw(states, before)
        return tf.nest.map_structure(here.own, call(*padded[0], **padded[1]))

    return called


def refuse_unshared(model: Any) -> None:
    """Refuse a layer that devices of one process can't share: each would change its state, or add its loss, once more.

    Args:
        model: the part of the model that trains.

    Raises:
        RunError: there is such a layer.
    """
    for layer in model._flatten_layers(include_self=False):
        if layer._losses or not _is_shared(layer):
            raise RunError(
                f"--gpus: the layer {layer.name} ({type(layer).__name__}) has a state or a loss of its own, which GPUs "
                "of one process can't share; expected no such layer. Use --workers N for N GPUs"
            )


def _is_shared(layer: Any) -> bool:
    """Return whether devices can share the state of a layer, if it has one."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return not layer.trainable or _is_plain(layer)
    drawn = {id(generator.state) for generator in layer._seed_generators}
    others = [each for each in layer._non_trainable_variables if id(each) not in drawn]
    return not others or isinstance(layer, keras.layers.Normalization)


def _is_plain(layer: Any) -> bool:
    """Return whether a BatchNormalization computes as Keras's own, without renormalization."""
    return type(layer).call is keras.layers.BatchNormalization.call and not layer.renorm


def _of_tensors(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: function(value) if isinstance(value, tf.Tensor) and len(value.shape) else value
