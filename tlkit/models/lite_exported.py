"""Checking an exported LiteRT file from an untrusted source before the runtime sees it. Imports no TensorFlow.

Beyond what the file of a network in a run folder has, it takes any number of images, of bytes or floats, outputs
probabilities besides logits, and may be quantized: https://ai.google.dev/edge/litert/models/quantization_spec.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tlkit.errors import DataError
from tlkit.models.allowed import NotAllowed
from tlkit.models.lite_check import BROKEN, checked
from tlkit.models.lite_graph import TYPES, Form, Operation, Rule, Shape, Tensor
from tlkit.models.lite_shapes import RULES

_MOST_BYTES = 2**31 - 1
"""Of a file in LiteRT's format."""
_KIND = schema.TensorType
_FLOAT32, _FLOAT16, _INT32, _UINT8, _INT64 = _KIND.FLOAT32, _KIND.FLOAT16, _KIND.INT32, _KIND.UINT8, _KIND.INT64
_INT16, _INT8 = _KIND.INT16, _KIND.INT8
_MOST_SCALE = 2.0**60
_MOST_RATIO = 2.0**7
"""Limit for the scales that an operation computes with, as a multiple of its output's; kernels take up to 256."""
_VALUES = (_FLOAT32, _INT8, _INT16)
"""The types of feature maps."""
_WEIGHTS = {_FLOAT32: (_FLOAT32, _INT8), _INT8: (_INT8,), _INT16: (_INT8,)}
"""The type of feature maps → those of the weights that they are multiplied with."""
_BIASES = {_FLOAT32: (_FLOAT32,), _INT8: (_INT32,), _INT16: (_INT32, _INT64)}
_CONVERTED = {
    "CAST": {(_UINT8, _FLOAT32)},
    "QUANTIZE": {(_FLOAT32, _INT8), (_FLOAT32, _INT16), (_INT8, _INT8), (_INT16, _INT16)},
    "DEQUANTIZE": {(_FLOAT16, _FLOAT32), (_INT8, _FLOAT32), (_INT16, _FLOAT32)},
    "SHAPE": {(kind, _INT32) for kind in _VALUES},
}
"""Operation → the types of its input and output."""


def check_litert_file(path: Path) -> None:
    """Check that running an exported LiteRT file could do nothing but compute, in a bounded amount of memory.

    Args:
        path: the file.

    Raises:
        DataError: it is damaged, or contains what is not allowed.
    """
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise DataError(f"{path}: has {size} bytes; expected at most {_MOST_BYTES}")
        checked(path.read_bytes(), _EXPORTED)
    except NotAllowed as error:
        raise DataError(f"{path}: not loaded: {error}") from error
    except BROKEN as error:
        raise DataError(f"{path}: is damaged, or not a LiteRT file") from error
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error}") from error


def _check_form(tensor: Any, name: str) -> tuple[float, ...]:
    """Check the shape for any number of images, and the scales, which are returned."""
    if tensor.ShapeSignatureLength():
        shape, signature = tensor.ShapeAsNumpy().tolist(), tensor.ShapeSignatureAsNumpy().tolist()
        if signature != shape and (signature[0] != -1 or signature[1:] != shape[1:]):
            raise NotAllowed(f"{name} has other sizes than its shape says")
    quantization = tensor.Quantization()
    if quantization is None:
        return ()
    count = quantization.ScaleLength()
    if quantization.DetailsType() or quantization.ZeroPointLength() != count:
        raise NotAllowed(f"{name} is quantized in an unknown way")
    if not count:
        return ()
    scales, zeros = quantization.ScaleAsNumpy(), quantization.ZeroPointAsNumpy()
    if not ((scales > 1 / _MOST_SCALE) & (scales < _MOST_SCALE)).all():
        raise NotAllowed(f"{name} has a scale that is not between {1 / _MOST_SCALE} and {_MOST_SCALE}")
    if not (-128 <= zeros.min() <= zeros.max() <= 127) or (zeros.any() and (tensor.Type() != _INT8 or count > 1)):
        raise NotAllowed(f"{name} has a zero that is not a number of its type")
    along = quantization.QuantizedDimension()
    if count > 1 and not (0 <= along < tensor.ShapeLength() and tensor.Shape(along) == count):
        raise NotAllowed(f"{name} has {count} scales, which do not fit its shape")
    return tuple(scales.tolist())


def _check_types(operation: Operation) -> None:
    given = [tensor for tensor in operation.inputs if tensor is not None]
    if any(tensor.data is not None for tensor in operation.outputs) or not given or len(operation.outputs) != 1:
        raise NotAllowed(f"{operation.name} has no input, or no output of its own")
    kinds, [output] = [tensor.type for tensor in given], [tensor.type for tensor in operation.outputs]
    if operation.kind in _CONVERTED:
        fits = (kinds[0], output) in _CONVERTED[operation.kind]
    elif operation.kind == "PACK" or (operation.kind == "STRIDED_SLICE" and kinds[0] == _INT32):
        fits = {*kinds, output} == {_INT32}
    elif operation.rule.weights:
        fits = _fitting_weights(operation, output)
    else:
        constants = operation.rule.constants
        fits = output in _VALUES and all(
            kind == (_INT32 if place in constants else output) for place, kind in enumerate(kinds)
        )
    if not fits or not all(_is_scaled(each) for each in (*given, *operation.outputs)):
        raise NotAllowed(f"{operation.name} has inputs or outputs of types that don't fit it")
    _check_scales(operation)
    for place in operation.rule.constants:
        tensor = operation.inputs[place]
        if tensor is None or (tensor.data is None and tensor.value is None):
            raise NotAllowed(f"{operation.name} has an input that is not a constant")


def _check_scales(operation: Operation) -> None:
    """Check that the scales of a quantized operation are of a size that its kernels compute with."""
    [output] = operation.outputs
    scales = [
        max(tensor.scales) for tensor in operation.inputs if tensor is not None and tensor.type in (_INT8, _INT16)
    ]
    if not output.scales or not scales or operation.kind in ("LOGISTIC", "SOFTMAX"):
        return  # these two compute by a table
    multiplied = operation.rule.weights or operation.kind in ("MUL", "SQUARED_DIFFERENCE")
    ratio = (math.prod(scales) if multiplied else max(scales)) / output.scales[0]
    if ratio > _MOST_RATIO:
        raise NotAllowed(f"{operation.name} has scales that are {ratio:g} times its output's")


def _fitting_weights(operation: Operation, output: int) -> bool:
    """Return whether the weights and the bias fit the feature maps, and are constants."""
    places = {*range(len(operation.inputs))} - {*operation.rule.weights, *operation.rule.constants}
    maps = [operation.inputs[place] for place in places]
    weights, *bias = [operation.inputs[place] for place in operation.rule.weights if place < len(operation.inputs)]
    if weights is None or any(each is None or each.type != output for each in maps) or output not in _VALUES:
        return False
    if not weights.constant or weights.type not in _WEIGHTS[output]:
        return False
    return all(each is None or (each.constant and each.type in _BIASES[output]) for each in bias)


def _is_scaled(tensor: Tensor) -> bool:
    """Return whether a tensor has scales if, and only if, its type needs them; int32 may stand for sizes."""
    if tensor.type in (_INT8, _INT16):
        return len(tensor.scales) == 1 or (len(tensor.scales) > 1 and tensor.constant)
    return tensor.type in (_INT32, _INT64) or not tensor.scales


def _computed(operation: Operation) -> np.ndarray | None:
    """Return what an operation computes of shapes alone; None where that is not known."""
    first = operation.inputs[0] if operation.inputs else None
    try:
        if operation.kind == "SHAPE":
            values = list(operation.shape(0))
        elif operation.kind == "STRIDED_SLICE" and first is not None and first.value is not None:
            values = [operation.numbers(0)[_place(operation)]]
        elif operation.kind == "PACK":
            values = [operation.numbers(place)[0] for place in range(len(operation.inputs))]
        else:
            return None
    except (ValueError, AssertionError, AttributeError, IndexError):
        return None  # the operation is refused when it is checked
    return np.array(values, np.int32)


def _place(operation: Operation) -> int:
    """Return which size of a shape a slice takes."""
    options = operation.options
    starts, ends, steps = (operation.numbers(position) for position in (1, 2, 3))
    masks = (options.BeginMask(), options.EndMask(), options.EllipsisMask(), options.NewAxisMask(), options.Offset())
    if len(starts) != 1 or len(ends) != 1 or ends != [starts[0] + 1] or steps != [1] or any(masks):
        raise ValueError(starts)
    if options.ShrinkAxisMask() != 1 or not 0 <= starts[0] < operation.shape(0, 1)[0]:
        raise ValueError(starts)
    return starts[0]


def _slice(operation: Operation) -> list[Shape]:
    if operation.inputs[0] is not None and operation.inputs[0].type == _INT32:
        _place(operation)
        return [()]
    return RULES["STRIDED_SLICE"].shapes(operation)


def _shape_of(operation: Operation) -> list[Shape]:
    return [(len(operation.shape(0)),)]


def _pack(operation: Operation) -> list[Shape]:
    count = len(operation.inputs)
    if (
        operation.options.ValuesCount() != count
        or operation.options.Axis()
        or any(operation.shape(place) for place in range(count))
    ):
        raise ValueError(count)
    return [(count,)]


def _same(operation: Operation) -> list[Shape]:
    return [operation.shape(0)]


def _softmax(operation: Operation) -> list[Shape]:
    if not math.isfinite(operation.options.Beta()):
        raise ValueError(operation.options.Beta())
    return [operation.shape(0)]


_VERSION = 12
"""The highest version of an operation: quantized ones have higher versions than those of float32."""
_RULES = {name: replace(rule, version=max(rule.version, _VERSION)) for name, rule in RULES.items()}
_RULES |= {
    "CAST": Rule(_same, "CastOptions"),
    "DEQUANTIZE": Rule(_same, "DequantizeOptions", _VERSION),
    "PACK": Rule(_pack, "PackOptions", 1, (1, 6)),
    "QUANTIZE": Rule(_same, "QuantizeOptions", _VERSION),
    "SHAPE": Rule(_shape_of, "ShapeOptions"),
    "SOFTMAX": Rule(_softmax, "SoftmaxOptions", _VERSION),
    "STRIDED_SLICE": replace(RULES["STRIDED_SLICE"], shapes=_slice),
}
_EXPORTED = Form(_RULES, TYPES, lambda _count: {b"logits", b"probabilities"}, _check_form, _check_types, _computed)
