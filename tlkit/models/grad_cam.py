"""Grad-CAM: which places of a feature map the evidence for a class depends on.

Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391: the gradient of the class's logit, averaged over the places of
a feature map, weighs its channels; what their sum has above 0 speaks for the class. For segmentation the logit is the
sum over the pixels predicted as the class (Vinogradova et al. 2020, https://arxiv.org/abs/2002.11434).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tlkit.errors import DataError
from tlkit.models.graph import bottlenecks, flat, operations
from tlkit.models.walk import walk
from tlkit.system.text import did_you_mean

Direction = Callable[[np.ndarray], np.ndarray]
"""From logits, float32 (n, …, units), to how much each of them counts for what is explained, shaped alike: the gradient
of that by the logits, such as 1 for the logit of a class and 0 for the others."""


def map_layers(model: Any) -> dict[str, Any]:
    """Return the layers whose output is a feature map of more than one place, by name, in the order of the graph.

    The name of a layer inside another model is both names, joined by ``/``.
    """
    return dict(_map_layers(model, ""))


def _map_layers(model: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for operation in operations(model):
        if (inner := _functional(operation)) is not None:
            yield from _map_layers(inner, f"{prefix}{operation.name}/")
            continue
        shapes = [tuple(each.shape[1:]) for each in flat(operation.output)]
        is_map = len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][:2] not in ((1, 1), (None, None))
        if is_map and not isinstance(operation, keras.layers.InputLayer):
            yield prefix + operation.name, operation


def default_layer(model: Any) -> str:
    """Return the name of the layer whose map is explained by default: the last one before pooling, or before logits.

    Where the last one is a branch beside others of its size, as in an Inception whose own last map has a single place,
    it is the map of that size before they part.

    Raises:
        DataError: the model has no feature map of more than one place.
    """
    maps = map_layers(model)
    names = list(maps)
    if len(model.output_shape) == 4:  # the logits are a map themselves, and so is what enlarges them
        last = next((name for name in reversed(names) if getattr(maps[name], "variables", ())), names[0])
        names = names[: names.index(last)]
    if not names:
        raise DataError("the model has no feature map of more than one place, so there is nothing to draw on an image")
    narrow, last = bottlenecks(model), flat(maps[names[-1]].output)[0]
    if "/" in names[-1]:
        return names[-1]
    whole = (
        name
        for name in reversed(names)
        if id(output := flat(maps[name].output)[0]) in narrow and output.shape[1:3] == last.shape[1:3]
    )
    return next(whole, names[-1])


def check_layer(model: Any, name: str) -> None:
    """Check that a layer has a feature map.

    Raises:
        DataError: there is no layer of that name with a feature map.
    """
    names = list(map_layers(model))
    if name not in names:
        hint = did_you_mean(name, names, f"; the last ones are {', '.join(names[-6:])}")
        raise DataError(f'--layer: no layer "{name}" with a feature map of more than one place{hint}')


def grad_cam(model: Any, images: np.ndarray, layer: str, direction: Direction) -> tuple[np.ndarray, np.ndarray]:
    """Return which places of a layer's map the logits in a direction depend on.

    Args:
        model: a functional model from images, float32 (N, H, W, 3) in 0-255, to logits.
        images: (n, H, W, 3), uint8 or float in 0-255.
        layer: the name of the layer, as ``map_layers`` returns it.
        direction: says which logits are explained, given those of the images.

    Returns:
        float32 (n, h, w), 0 or more, at the size of the layer's map; and the logits, float32 (n, …, units).
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        watching = _Watching(layer, tape)
        [logits] = walk(model, [images], watching)
        values = np.asarray(tf.cast(logits, tf.float32))
    maps = watching.output
    gradient = tape.gradient(logits, maps, tf.cast(tf.constant(direction(values)), logits.dtype))
    if gradient is None:  # the logits don't depend on this map
        return np.zeros(maps.shape[:3], np.float32), values
    weights = tf.reduce_mean(tf.cast(gradient, tf.float32), [1, 2], keepdims=True)
    return np.asarray(tf.nn.relu(tf.reduce_sum(weights * tf.cast(maps, tf.float32), -1))), values


class _Watching:
    """Computes operations, and watches the output of a layer.

    Args:
        layer: its name, as ``map_layers`` returns it.
        tape: records what depends on its output.
        prefix: the names of the models around the operations.

    Attributes:
        output: the output of the layer, when it was first called.
    """

    def __init__(self, layer: str, tape: Any, prefix: str = "") -> None:
        self.output: Any = None
        self._layer = layer
        self._tape = tape
        self._prefix = prefix

    def __call__(self, operation: Any, *arguments: Any, **options: Any) -> Any:
        name = self._prefix + operation.name
        if (inner := _functional(operation)) is not None:
            within = _Watching(self._layer, self._tape, f"{name}/")
            outputs = walk(inner, flat(arguments), within)
            self.output = within.output if self.output is None else self.output
            return outputs
        outputs = operation(*arguments, **options)
        if name == self._layer and self.output is None:
            self._tape.watch(outputs)
            self.output = outputs
        return outputs


def _functional(operation: Any) -> Any | None:
    """Return an operation as a functional model; None if it is a layer."""
    inner = getattr(operation, "_functional", operation)
    return inner if hasattr(inner, "_nodes_by_depth") else None
