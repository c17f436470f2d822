"""What tlkit and the gate's process send each other: lines of JSON, and arrays as their shape and their bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from tlkit.exports.metadata import MAX_TEXT_BYTES

_LONGEST = 8 * MAX_TEXT_BYTES


def send(stream: IO[bytes], message: Mapping[str, Any], *arrays: np.ndarray) -> None:
    """Send a message and arrays, uint8 or float32.

    Raises:
        OSError: the other process has ended.
    """
    shapes = [(each.dtype.name, each.shape) for each in arrays]
    stream.write(json.dumps({**message, "arrays": shapes}).encode() + b"\n")
    for each in arrays:
        stream.write(np.ascontiguousarray(each).data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Return the next message, and its arrays.

    Raises:
        EOFError: the other process has ended.
        ValueError: it sent something else.
    """
    line = stream.readline(_LONGEST)
    if not line.endswith(b"\n"):
        raise EOFError
    message = json.loads(line)
    arrays = []
    for name, shape in message.pop("arrays"):
        if name not in ("uint8", "float32"):
            raise ValueError(name)
        size = math.prod(shape) * np.dtype(name).itemsize
        content = bytearray()
        while len(content) < size:
            part = stream.read(min(size - len(content), 1 << 24))
            if not part:
                raise EOFError
            content += part
        arrays.append(np.frombuffer(content, name).reshape(shape))
    return message, arrays
