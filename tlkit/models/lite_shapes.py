"""The operations that a LiteRT file may have, and the shapes that each computes. Imports no TensorFlow.

They are those that tlkit's builders and keras.applications convert to: ``python tests/models/lite_networks.py`` shows
what a new Keras or backbone adds. The runtime computes each shape anew from constants such as a padding, whatever the
file says, so the shapes are computed here in the same way and compared, before it allocates anything.

The operations: https://ai.google.dev/edge/litert/models/ops_compatibility.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tlkit.models.lite_graph import Operation, Rule, Shape

_SAME = 0
_MAX_STEP = 2**12
"""Limit for strides and dilations."""


def _same(operation: Operation) -> list[Shape]:
    return [operation.shape(0)]


def _broadcast(operation: Operation) -> list[Shape]:
    shapes = [operation.shape(position) for position in range(len(operation.inputs))]
    return [tuple(int(size) for size in np.broadcast_shapes(*shapes))]


def _places(size: int, kernel: int, step: int, padding: int) -> int:
    """Return at how many places a kernel of some pixels, gaps included, is applied along an axis."""
    if not (1 <= step <= _MAX_STEP and kernel >= 1):
        raise ValueError(step)
    return -(-size // step) if padding == _SAME else (size - kernel + step) // step


def _window(operation: Operation, kernel: Sequence[int]) -> tuple[int, int]:
    """Return the height and width of the output of a convolution or pooling."""
    options = operation.options
    dilations = (1, 1)
    if hasattr(options, "DilationHFactor"):
        dilations = options.DilationHFactor(), options.DilationWFactor()
    if not all(1 <= each <= _MAX_STEP for each in dilations) or options.Padding() not in (0, 1):
        raise ValueError(dilations)
    steps = options.StrideH(), options.StrideW()
    height, width = (
        _places(size, (each - 1) * gap + 1, step, options.Padding())
        for size, each, gap, step in zip(operation.shape(0, 4)[1:3], kernel, dilations, steps, strict=True)
    )
    return height, width


def _check_bias(operation: Operation, position: int, units: int) -> None:
    given = len(operation.inputs) > position and operation.inputs[position] is not None
    if given and operation.shape(position) != (units,):
        raise ValueError(units)


def _conv(operation: Operation) -> list[Shape]:
    images, _, _, channels = operation.shape(0, 4)
    filters, *kernel, depth = operation.shape(1, 4)
    if channels % depth or filters % (channels // depth):
        raise ValueError(depth)
    _check_bias(operation, 2, filters)
    return [(images, *_window(operation, kernel), filters)]


def _depthwise(operation: Operation) -> list[Shape]:
    images, _, _, channels = operation.shape(0, 4)
    one, *kernel, filters = operation.shape(1, 4)
    if one != 1 or filters != channels * operation.options.DepthMultiplier():
        raise ValueError(filters)
    _check_bias(operation, 2, filters)
    return [(images, *_window(operation, kernel), filters)]


def _pool(operation: Operation) -> list[Shape]:
    images, *_, channels = operation.shape(0, 4)
    kernel = operation.options.FilterHeight(), operation.options.FilterWidth()
    return [(images, *_window(operation, kernel), channels)]


def _transpose_conv(operation: Operation) -> list[Shape]:
    images, height, width, channels = operation.shape(2, 4)
    filters, *kernel, depth = operation.shape(1, 4)
    output = operation.numbers(0)
    steps = operation.options.StrideH(), operation.options.StrideW()
    if len(output) != 4 or output[0] != images or output[3] != filters or depth != channels:
        raise ValueError(output)
    places = [
        _places(size, each, step, operation.options.Padding())
        for size, each, step in zip(output[1:3], kernel, steps, strict=True)
    ]
    if places != [height, width] or operation.options.Padding() not in (0, 1):
        raise ValueError(places)
    _check_bias(operation, 3, filters)
    return [tuple(output)]


def _fully_connected(operation: Operation) -> list[Shape]:
    units, depth = operation.shape(1, 2)
    shape = operation.shape(0)
    if operation.options.WeightsFormat() or shape[-1] != depth:
        raise ValueError(depth)
    _check_bias(operation, 2, units)
    return [(*shape[:-1], units) if operation.options.KeepNumDims() else (math.prod(shape[:-1]), units)]


def _axes(values: Sequence[int], rank: int) -> list[int]:
    """Return axes as numbers from 0."""
    if not all(-rank <= axis < rank for axis in values):
        raise ValueError(values)
    return [axis % rank for axis in values]


def _reduce(operation: Operation) -> list[Shape]:
    shape = operation.shape(0)
    axes = _axes(operation.numbers(1), len(shape))
    keep = operation.options is not None and operation.options.KeepDims()
    kept = [1 if axis in axes else size for axis, size in enumerate(shape) if keep or axis not in axes]
    return [tuple(kept)]


def _concatenate(operation: Operation) -> list[Shape]:
    shapes = [operation.shape(position) for position in range(len(operation.inputs))]
    [axis] = _axes([operation.options.Axis()], len(shapes[0]))
    if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) != 1 or len(set(map(len, shapes))) != 1:
        raise ValueError(shapes)
    return [(*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])]


def _reshape(operation: Operation) -> list[Shape]:
    sizes = operation.numbers(1)
    operation.shape(1, 1)
    elements = math.prod(operation.shape(0))
    if operation.options is not None and operation.options.NewShapeLength():
        # The runtime takes these where it can't use the constant.
        written = operation.options.NewShapeAsNumpy().tolist()
        if written != sizes:
            raise ValueError(written)
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = elements // -math.prod(sizes)
    if any(size < 1 for size in sizes) or math.prod(sizes) != elements:
        raise ValueError(sizes)
    return [tuple(sizes)]


def _pad(operation: Operation) -> list[Shape]:
    shape, values = operation.shape(0), operation.numbers(1)
    if operation.shape(1) != (len(shape), 2) or min(values) < 0:
        raise ValueError(values)
    return [tuple(size + sum(values[2 * axis : 2 * axis + 2]) for axis, size in enumerate(shape))]


def _resize(operation: Operation) -> list[Shape]:
    images, *_, channels = operation.shape(0, 4)
    height, width = operation.numbers(1)
    return [(images, height, width, channels)]


def _strided_slice(operation: Operation) -> list[Shape]:
    shape, options = operation.shape(0), operation.options
    starts, ends, steps = (operation.numbers(position) for position in (1, 2, 3))
    others = (options.EllipsisMask(), options.NewAxisMask(), options.ShrinkAxisMask(), options.Offset())
    if {len(starts), len(ends), len(steps)} != {len(shape)} or any(others) or min(steps) < 1:
        raise ValueError(shape)
    sizes = []
    for axis, size in enumerate(shape):
        start = None if options.BeginMask() >> axis & 1 else starts[axis]
        end = None if options.EndMask() >> axis & 1 else ends[axis]
        sizes.append(len(range(*slice(start, end, steps[axis]).indices(size))))
    return [tuple(sizes)]


def _reverse(operation: Operation) -> list[Shape]:
    _axes(operation.numbers(1), len(operation.shape(0)))
    return [operation.shape(0)]


def _tile(operation: Operation) -> list[Shape]:
    times = operation.numbers(1)
    if min(times) < 1:
        raise ValueError(times)
    return [tuple(size * each for size, each in zip(operation.shape(0), times, strict=True))]


def scratch_bytes(operation: Operation) -> int:
    """Return how much memory it takes beside its tensors: XNNPACK has a pointer per output pixel and weight."""
    shapes = operation.rule.shapes
    if shapes is _pool:
        kernel = operation.options.FilterHeight() * operation.options.FilterWidth()
    elif shapes in (_conv, _depthwise, _transpose_conv):
        kernel = math.prod(operation.shape(1)[1:3])
    else:
        return 0
    pixels = operation.shape(2)[1:3] if shapes is _transpose_conv else operation.outputs[0].shape[1:3]
    return int(8 * kernel * math.prod(pixels))


def arithmetic(operation: Operation) -> int:
    """Return the multiplications and additions of a convolution or dense layer: two per weight and output position."""
    shapes = operation.rule.shapes
    if shapes in (_conv, _depthwise):
        return 2 * math.prod(operation.shape(1)) * math.prod(operation.outputs[0].shape[1:3])
    if shapes is _transpose_conv:
        return 2 * math.prod(operation.shape(1)) * math.prod(operation.shape(2)[1:3])
    if shapes is _fully_connected:
        return 2 * math.prod(operation.shape(1)) * math.prod(operation.outputs[0].shape[:-1])
    return 0


_ELEMENTWISE = Rule(_same, inputs=(1, 1))
RULES = {
    "ADD": Rule(_broadcast, "AddOptions", 1, (2, 2)),
    "AVERAGE_POOL_2D": Rule(_pool, "Pool2DOptions"),
    "CONCATENATION": Rule(_concatenate, "ConcatenationOptions", 1, (1, 200)),
    "CONV_2D": Rule(_conv, "Conv2DOptions", 6, (2, 3), weights=(1, 2)),
    "DEPTHWISE_CONV_2D": Rule(_depthwise, "DepthwiseConv2DOptions", 2, (2, 3), weights=(1, 2)),
    "FULLY_CONNECTED": Rule(_fully_connected, "FullyConnectedOptions", 5, (2, 3), weights=(1, 2)),
    "GELU": Rule(_same, "GeluOptions"),
    "HARD_SWISH": Rule(_same, "HardSwishOptions"),
    "LEAKY_RELU": Rule(_same, "LeakyReluOptions"),
    "LOGISTIC": _ELEMENTWISE,
    "MAX_POOL_2D": Rule(_pool, "Pool2DOptions"),
    "MEAN": Rule(_reduce, "ReducerOptions", 1, (2, 2), constants=(1,)),
    "MUL": Rule(_broadcast, "MulOptions", 1, (2, 2)),
    "NEG": Rule(_same, "NegOptions"),
    "PAD": Rule(_pad, "PadOptions", 1, (2, 2), constants=(1,)),
    "RELU": _ELEMENTWISE,
    "RESHAPE": Rule(_reshape, "ReshapeOptions", 1, (2, 2), constants=(1,)),
    "RESIZE_BILINEAR": Rule(_resize, "ResizeBilinearOptions", 3, (2, 2), constants=(1,)),
    "REVERSE_V2": Rule(_reverse, "ReverseV2Options", 1, (2, 2), constants=(1,)),
    "RSQRT": _ELEMENTWISE,
    "SQUARED_DIFFERENCE": Rule(_broadcast, "SquaredDifferenceOptions", 1, (2, 2)),
    "STRIDED_SLICE": Rule(_strided_slice, "StridedSliceOptions", 1, (4, 4), constants=(1, 2, 3)),
    "SUB": Rule(_broadcast, "SubOptions", 1, (2, 2)),
    "TILE": Rule(_tile, "TileOptions", 1, (2, 2), constants=(1,)),
    "TRANSPOSE_CONV": Rule(_transpose_conv, "TransposeConvOptions", 4, (3, 4), constants=(0,), weights=(1, 3)),
}
"""The operations that a file may have."""
