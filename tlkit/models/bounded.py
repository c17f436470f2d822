"""Building the model from a checked configuration, with bounded weights and feature maps.

The sizes in a configuration are not trusted. Memory for weights is allocated for no more values than the file has, and
the size of every feature map is checked before the model can be called.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
from keras.src.applications.convnext import LayerScale

from tlkit.models.allowed import NotAllowed
from tlkit.models.same_variables import load_same_variables

MAX_ELEMENTS = 2**28
"""Limit for the numbers that an operation takes per image, and for those that it outputs."""
_SPARE_ELEMENTS = 1_000_000

BOUNDED_ZEROS = {"module": "tlkit", "class_name": "BoundedZeros", "config": {}, "registered_name": "BoundedZeros"}
"""The configuration that takes the place of every initializer's."""
_elements_left: list[int] = []
"""How many more elements each model that is being built may create; the innermost model is last."""


class BoundedZeros(keras.initializers.Initializer):  # type: ignore[misc]
    """Zeros, for at most as many elements as the file has values."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Return zeros of a shape.

        Raises:
            NotAllowed: the weights need more values than the file has.
        """
        _take(shape)
        return keras.ops.zeros(shape, dtype=dtype)


class BoundedNormalization(keras.layers.Normalization):  # type: ignore[misc]
    """A Normalization within the bound: its mean and variance are made without the configuration's initializers."""

    def build(self, input_shape: Any) -> None:
        """Build the layer if the file has enough values for its axes.

        Raises:
            NotAllowed: the weights need more values than the file has.
        """
        for _ in ("mean", "variance"):
            _take(input_shape[axis] or 1 for axis in self.axis)
        super().build(input_shape)


class BoundedLayerScale(LayerScale):  # type: ignore[misc]
    """A LayerScale within the bound: its scales are made with an initializer of its own."""

    def build(self, input_shape: Any) -> None:
        """Build the layer if the file has enough values for its scales.

        Raises:
            NotAllowed: the weights need more values than the file has.
        """
        _take([self.projection_dim])
        super().build(input_shape)


BOUNDED_CLASSES = {
    ("keras.layers", "Normalization"): BoundedNormalization,
    ("keras.src.applications.convnext", "LayerScale"): BoundedLayerScale,
}
"""(module, class name) → the class that is built instead, ``Bounded…``."""
_CUSTOM_OBJECTS = {f"Bounded{name}": bounded for (_, name), bounded in BOUNDED_CLASSES.items()} | {
    "BoundedZeros": BoundedZeros
}


def build_bounded(config: dict[str, Any], weights: Path, elements: int) -> Any:
    """Build a model and load its weights.

    Args:
        config: as ``safe_config.checked_config`` returns it.
        weights: the checked ``model.weights.h5``.
        elements: how many elements the arrays in it have.

    Raises:
        NotAllowed: the model would take more memory than allowed, or the weights are not those of its layers.
    """
    with _room_for(elements + _SPARE_ELEMENTS):
        model = keras.saving.deserialize_keras_object(config, custom_objects=_CUSTOM_OBJECTS, safe_mode=True)
    for operation in _leaves(model):
        _check_size(operation)
        # The model may be copied and saved like any other.
        if type(operation) in BOUNDED_CLASSES.values():
            operation.__class__ = type(operation).__base__
        for name, value in list(vars(operation).items()):
            if isinstance(value, BoundedZeros):
                setattr(operation, name, keras.initializers.Zeros())
    load_same_variables(model, weights)
    return model


def first_line(error: Exception | Warning | str) -> str:
    """Return the first line of a message, or the name of an exception without one."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


@contextmanager
def _room_for(elements: int) -> Iterator[None]:
    _elements_left.append(elements)
    try:
        yield
    finally:
        _elements_left.pop()


def _take(shape: Iterable[Any]) -> None:
    size = math.prod(int(each) for each in shape)
    if not _elements_left or not 0 <= size <= _elements_left[-1]:
        raise NotAllowed(f"a layer needs {size} weights, more than the file has")
    _elements_left[-1] -= size


def _leaves(model: Any) -> Iterator[Any]:
    """Yield the layers and other operations that compute something, including those of nested models."""
    for operation in model.layers if isinstance(model, keras.Sequential) else model.operations:
        if isinstance(operation, keras.Model):
            yield from _leaves(operation)
        else:
            yield operation


def _check_size(operation: Any) -> None:
    _check_shape(operation)
    for node in operation._inbound_nodes:  # one per call: a shared layer is called on several sizes
        for verb, tensors in (("takes", node.input_tensors), ("outputs", node.output_tensors)):
            shapes = [tuple(tensor.shape) for tensor in tensors]
            # A nested model without sizes could be called on images of any size.
            unknown = next((shape for shape in shapes if None in shape[1:]), None)
            if unknown is not None:
                raise NotAllowed(f"the layer {operation.name} {verb} {unknown}, whose size is not known")
            _check_elements(operation, verb, sum(map(_elements, shapes)))
        _check_elements(operation, "computes", _inner_elements(operation, node))


def _check_shape(operation: Any) -> None:
    """Check options that Keras believes when it computes the shape of the output, and TensorFlow does not."""
    shapes = [tuple(node.input_tensors[0].shape) for node in operation._inbound_nodes if node.input_tensors]
    if isinstance(operation, keras.layers.Rescaling):
        lengths = {len(each) for each in (operation.scale, operation.offset) if isinstance(each, list | tuple)}
        wrong = any(length not in (1, shape[-1]) for length in lengths for shape in shapes)
    elif isinstance(operation, keras.layers.Softmax):
        axes = operation.axis if isinstance(operation.axis, list | tuple) else [operation.axis or 0]
        wrong = any(not -len(shape) <= axis < len(shape) for axis in axes for shape in shapes)
    else:
        return
    if wrong:
        raise NotAllowed(f"the options of the layer {operation.name} do not fit its input")


def _check_elements(operation: Any, verb: str, elements: int) -> None:
    if elements > MAX_ELEMENTS:
        raise NotAllowed(f"the layer {operation.name} {verb} {elements} numbers, more than {MAX_ELEMENTS}")


def _inner_elements(operation: Any, node: Any) -> int:
    """Return how many numbers a layer has at once between its inputs and its outputs, where those can be more."""
    shapes = [tuple(tensor.shape) for tensor in node.input_tensors]
    if isinstance(operation, keras.layers.SeparableConv2D):
        return _elements(shapes[0]) * int(operation.depth_multiplier)
    if isinstance(operation, keras.layers.MultiHeadAttention):
        positions = [_elements(shape[1:-1]) for shape in shapes]
        heads, width = int(operation.num_heads), int(max(operation.key_dim, operation.value_dim))
        return heads * max(max(positions) ** 2, sum(positions) * width)
    return 0


def _elements(shape: Iterable[Any]) -> int:
    return math.prod(int(size or 1) for size in shape)
