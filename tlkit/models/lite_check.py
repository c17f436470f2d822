"""Checking a LiteRT file from an untrusted source before the runtime sees it. Imports no TensorFlow.

LiteRT 2.3 itself verifies that every offset of a file that it is given as bytes stays inside it. It believes the rest:
a small file may name a custom operation, a constant that is shorter than its shape, or sizes that take all memory. So
what a file may contain is listed (``lite_shapes.RULES``), each constant is as long as its shape says, and the shape of
each tensor is the one that the runtime will compute, with a limit on all that live at a time.

The schema: https://github.com/google-ai-edge/LiteRT/blob/main/tflite/schema/schema.fbs.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tlkit.models.allowed import NotAllowed
from tlkit.models.lite_graph import CONSTANT_TYPES, Form, Operation, Rule, Shape, Tensor, check_order
from tlkit.models.lite_shapes import RULES, scratch_bytes

MAX_PARTS = 50_000
"""Limit for operations, tensors and constants; the largest networks of keras.applications have a few thousand."""
MAX_ELEMENTS = 2**28
"""Limit for the numbers of a tensor, as for a layer of a Keras file."""
MAX_LIVE_BYTES = 2**30
"""Limit for the tensors that an operation reads and writes, and those that later ones read."""
_MAX_INPUTS = 200
_MAX_RANK = 6
_PACKED = 32
"""Filters that a runtime packs together; fewer are filled up."""
BROKEN = (
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    IndexError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""What reading a damaged file raises."""
_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_IMAGES = (schema.TensorType.FLOAT32, schema.TensorType.UINT8)


def _only_a_shape(tensor: Any, name: str) -> tuple[float, ...]:
    """Check that a tensor has no more than a shape and a type."""
    if tensor.ShapeSignatureLength():
        raise NotAllowed(f"{name} has no fixed shape")
    quantization = tensor.Quantization()
    if quantization is not None and (quantization.ScaleLength() or quantization.DetailsType()):
        raise NotAllowed(f"{name} is quantized")
    return ()


_OWN = Form(RULES, CONSTANT_TYPES, lambda count: {b"output_%d" % number for number in range(count)}, _only_a_shape)


def check_lite(content: bytes, size: tuple[int, int], units: int, rank: int) -> list[Operation]:
    """Check a LiteRT file of a whole model, which is then safe to be given to the runtime as bytes.

    Args:
        content: the bytes of the file.
        size: (height, width) of the images that the model takes, one at a time, as float32 (1, height, width, 3).
        units: the number of logits per image or pixel.
        rank: the number of dimensions of the logits, the first of which is 1.

    Returns:
        its operations, in order.

    Raises:
        NotAllowed: it is damaged, contains what is not allowed, or has other inputs or outputs.
    """
    try:
        operations, inputs, outputs = checked(content, _OWN)
    except BROKEN as error:
        raise NotAllowed("it is damaged, or not a LiteRT file") from error
    if inputs != [(1, *size, 3)]:
        raise NotAllowed(f"it takes {inputs}; expected {[(1, *size, 3)]}")
    if len(outputs) != 1 or len(outputs[0]) != rank or (outputs[0][0], outputs[0][-1]) != (1, units):
        raise NotAllowed(f"it outputs {outputs}; expected {units} logits in {rank} dimensions for one image")
    return operations


def checked(content: bytes, form: Form) -> tuple[list[Operation], list[Shape], list[Shape]]:
    """Return the operations, and the shapes of inputs and outputs.

    Raises:
        NotAllowed: the file has something that is not allowed, or does not fit.
        Exception: one of ``BROKEN``; it is damaged.
    """
    if not schema.Model.ModelBufferHasIdentifier(content, 0):
        raise NotAllowed("it is damaged, or not a LiteRT file")
    model = schema.Model.GetRootAs(content, 0)
    if model.Version() != 3 or model.SubgraphsLength() != 1:
        raise NotAllowed("it has another version of the format, or not one graph")
    if model.ExternalBuffersLength() or model.ExternalBufferGroupsLength():
        raise NotAllowed("it has constants in other files")
    graph = model.Subgraphs(0)
    _check_counts(model, graph)
    tensors = _tensors(model, graph, form)
    inputs, outputs = _indices(graph.InputsAsNumpy(), tensors), _indices(graph.OutputsAsNumpy(), tensors)
    _check_signature(model, inputs, outputs, form)
    for index in (*inputs, *outputs):
        if tensors[index].type not in _IMAGES or tensors[index].constant or (index in outputs and tensors[index].type):
            raise NotAllowed("an input or output is not a tensor of float32")
    operations = list(_operations(model, graph, tensors, form))
    check_order(operations, tensors, inputs, outputs)
    for each in operations:
        each.check(form.operation)
    _check_memory(operations, tensors, inputs, outputs)
    _check_packed(operations, len(content))
    return operations, [tensors[index].shape for index in inputs], [tensors[index].shape for index in outputs]


def _check_counts(model: Any, graph: Any) -> None:
    counts = {
        "operations": graph.OperatorsLength(),
        "tensors": graph.TensorsLength(),
        "constants": model.BuffersLength(),
        "kinds of operations": model.OperatorCodesLength(),
    }
    for name, count in counts.items():
        if count > MAX_PARTS:
            raise NotAllowed(f"it has {count} {name}; expected at most {MAX_PARTS}")


def _check_signature(model: Any, inputs: list[int], outputs: list[int], form: Form) -> None:
    """Check that what names the inputs and outputs, if anything does, means those of the graph."""
    if model.SignatureDefsLength() == 0:
        return
    signature = model.SignatureDefs(0)
    found = (signature.InputsLength(), signature.OutputsLength())
    if model.SignatureDefsLength() > 1 or found != (len(inputs), len(outputs)) or signature.SubgraphIndex():
        raise NotAllowed("it has several signatures, or one that is not its graph's")
    takes = [signature.Inputs(number) for number in range(len(inputs))]
    gives = [signature.Outputs(number) for number in range(len(outputs))]
    names = {each.Name() for each in gives}
    if (
        signature.SignatureKey() is None
        or not all(each.Name() is not None and each.Name().isascii() for each in takes)
        or {each.TensorIndex() for each in takes} != set(inputs)
        or {each.TensorIndex() for each in gives} != set(outputs)
        or names != form.outputs(len(outputs))
    ):
        raise NotAllowed("its signature names other inputs or outputs than its graph")


def _tensors(model: Any, graph: Any, form: Form) -> list[Tensor]:
    constants = [_constant(model.Buffers(number)) for number in range(model.BuffersLength())]
    return [_tensor(graph.Tensors(number), constants, number, form) for number in range(graph.TensorsLength())]


def _constant(buffer: Any) -> np.ndarray | None:
    """Return the bytes of a constant, uint8 (n,); None for a tensor without one."""
    if buffer.Offset() or buffer.Size():
        raise NotAllowed("a constant is outside the graph")
    return buffer.DataAsNumpy() if buffer.DataLength() else None


def _tensor(tensor: Any, constants: Sequence[np.ndarray | None], number: int, form: Form) -> Tensor:
    name = f"tensor {number}"
    (tensor.Name() or b"").decode()  # as the runtime's Python side does
    rank = tensor.ShapeLength()
    shape = tuple(tensor.ShapeAsNumpy().tolist()) if 0 < rank <= _MAX_RANK else ()
    if rank > _MAX_RANK or not all(each > 0 for each in shape):
        raise NotAllowed(f"{name} has no fixed shape, or more than {_MAX_RANK} dimensions")
    if math.prod(shape) > MAX_ELEMENTS:
        raise NotAllowed(f"{name} has {math.prod(shape)} numbers, more than {MAX_ELEMENTS}")
    if tensor.IsVariable() or tensor.Sparsity() or tensor.VariantTensorsLength() or tensor.ExternalBuffer():
        raise NotAllowed(f"{name} is a variable, sparse, or outside the graph")
    scales = form.form(tensor, name)
    kind = form.types.get(tensor.Type())
    if kind is None:
        raise NotAllowed(f"{name} has the type {tensor.Type()}, which is not allowed")
    if not 0 <= tensor.Buffer() < len(constants):
        raise NotAllowed(f"{name} has a constant that is not in the file")
    data = constants[tensor.Buffer()]
    if data is None:
        return Tensor(shape, tensor.Type(), None, scales=scales)
    if len(data) != math.prod(shape) * kind.itemsize:
        raise NotAllowed(f"{name} has a constant of {len(data)} bytes, which does not fit its shape {shape}")
    return Tensor(shape, tensor.Type(), data.view(kind), constant=True, scales=scales)


def _operations(model: Any, graph: Any, tensors: list[Tensor], form: Form) -> Iterator[Operation]:
    codes = [_name(model.OperatorCodes(number), form.rules) for number in range(model.OperatorCodesLength())]
    for number in range(graph.OperatorsLength()):
        each = graph.Operators(number)
        if not 0 <= each.OpcodeIndex() < len(codes):
            raise NotAllowed(f"operation {number} has a kind that is not in the file")
        name = codes[each.OpcodeIndex()]
        if (
            each.CustomOptionsLength()
            or each.LargeCustomOptionsSize()
            or each.LargeCustomOptionsOffset()
            or each.MutatingVariableInputsLength()
            or each.IntermediatesLength()
            or each.BuiltinOptions2Type()
        ):
            raise NotAllowed(f"operation {number} ({name}) has options that are not allowed")
        if max(each.InputsLength(), each.OutputsLength()) > _MAX_INPUTS:
            raise NotAllowed(f"operation {number} ({name}) has more than {_MAX_INPUTS} inputs or outputs")
        operation = Operation(
            name,
            number,
            form.rules[name],
            [None if index == -1 else tensors[index] for index in _indices(each.InputsAsNumpy(), tensors, least=-1)],
            [tensors[index] for index in _indices(each.OutputsAsNumpy(), tensors)],
            _options(each, form.rules[name].options, name),
            _indices(each.InputsAsNumpy(), tensors, least=-1),
            _indices(each.OutputsAsNumpy(), tensors),
        )
        value = form.value(operation)
        if value is not None or operation.unpacks:
            for index in operation.writes:
                tensors[index] = replace(tensors[index], value=value, constant=operation.unpacks)
        yield operation


def _name(code: Any, rules: Mapping[str, Rule]) -> str:
    """Return the name of a kind of operation."""
    number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())  # as the runtime does
    name: str = _NAMES.get(number, str(number))
    if code.CustomCode() is not None or name not in rules:
        raise NotAllowed(f"it has the operation {name}, which is not allowed")
    if not 1 <= code.Version() <= rules[name].version:
        raise NotAllowed(f"it has version {code.Version()} of {name}; expected at most {rules[name].version}")
    return name


def _options(operator: Any, expected: str, name: str) -> Any:
    """Return the options of an operation; None where it has none."""
    kind = operator.BuiltinOptionsType()
    if kind == 0 or operator.BuiltinOptions() is None:
        return None
    if kind != getattr(schema.BuiltinOptions, expected, None):
        raise NotAllowed(f"{name} has the options of another operation")
    options = getattr(schema, expected)()
    table = operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


def _indices(values: Any, tensors: Sequence[Tensor], least: int = 0) -> list[int]:
    """Return numbers of tensors, which must exist; -1 is an input that is left out."""
    found = values.tolist() if isinstance(values, np.ndarray) else []
    if not all(least <= index < len(tensors) for index in found):
        raise NotAllowed("an operation names a tensor that is not in the file")
    return found


def _check_memory(
    operations: Sequence[Operation], tensors: Sequence[Tensor], inputs: list[int], outputs: list[int]
) -> None:
    """Check how much memory the tensors take that are needed at the same time."""
    last = {index: number for number, each in enumerate(operations) for index in (*each.reads, *each.writes)}
    last |= dict.fromkeys((*inputs, *outputs), len(operations))
    live = {index: tensors[index].bytes for index in inputs}
    for number, each in enumerate(operations):
        live |= {index: tensors[index].bytes for index in each.writes}
        taken = sum(live.values()) + scratch_bytes(each)
        if taken > MAX_LIVE_BYTES:
            raise NotAllowed(f"{each.name} takes {taken} bytes, more than {MAX_LIVE_BYTES}")
        for index in [index for index in live if last[index] <= number]:
            del live[index]


def _check_packed(operations: Sequence[Operation], size: int) -> None:
    """Check how much memory the weights take, of which a runtime packs a copy for each operation."""
    taken = 0
    for each in operations:
        for position in each.rule.weights:
            tensor = each.inputs[position] if position < len(each.inputs) else None
            if tensor is not None and tensor.shape:
                filters = tensor.shape[0]
                taken += tensor.bytes // filters * (-(-filters // _PACKED) * _PACKED)
    if taken > 4 * size + MAX_LIVE_BYTES:
        raise NotAllowed(f"its operations pack {taken} bytes of weights, which are {size} bytes in the file")
