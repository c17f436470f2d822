"""LiteRT files as objects of their schema: reading, writing, and the texts inside them. Imports no TensorFlow.

The schema: https://github.com/google-ai-edge/LiteRT/blob/main/tflite/schema/schema.fbs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tlkit_exporters import texts

ENTRY = "tlkit"
"""The entry of the model's metadata that holds the texts, as a JSON object in UTF-8."""
_ALIGNMENT = 16
"""Of constants, in bytes, as the schema says."""


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """A constant that is written where the schema wants it: the generated class ignores ``force_align``."""

    def Pack(self, builder: Any) -> Any:  # noqa: N802
        if self.data is None:
            return super().Pack(builder)
        content = np.ascontiguousarray(self.data).tobytes()
        builder.StartVector(1, len(content), _ALIGNMENT)
        builder.head -= len(content)
        builder.Bytes[builder.head : builder.head + len(content)] = content
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def parsed(content: bytes) -> Any:
    """Return a file as an object of the schema, ``ModelT``."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def packed(model: Any) -> bytes:
    """Return a ``ModelT`` as a file."""
    for buffer in model.buffers:
        buffer.__class__ = _Buffer
    size = sum(len(each.data) for each in model.buffers if each.data is not None)
    builder = flatbuffers.Builder(size + 2**20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def constant(model: Any, values: np.ndarray) -> int:
    """Add a constant and return the number of its buffer."""
    buffer = _Buffer()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def with_texts(model: Any, given: Mapping[str, str]) -> None:
    """Add texts to a ``ModelT``."""
    entry = schema.MetadataT()
    entry.name = ENTRY
    entry.buffer = constant(model, np.frombuffer(texts.written(given), np.uint8))
    model.metadata = [*(model.metadata or []), entry]
