"""Networks in LiteRT's format, run by OpenVINO: https://docs.openvino.ai.

Each stream has one thread and computes one image at a time, so no bit of a result depends on the other images or on
the number of streams. That is as fast as batches of 16, or faster.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from tlkit.models.image_by_image import ImageByImage, UnusableNetworkError
from tlkit.system.parallel import usable_processors

_first = Lock()
_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVINONetwork(ImageByImage):
    """A converted network, which may be called from several threads at a time.

    Args:
        content: the bytes of a LiteRT file whose input is one image, float32 (1, H, W, 3).
        precision: the number format of the multiplications: ``float32`` or ``bfloat16``.
        threads: the number of images that are computed at a time; None for one per usable processor.

    Raises:
        UnusableNetworkError: OpenVINO can't run it, or would compute in another precision.
    """

    def __init__(self, content: bytes, precision: str = "float32", threads: int | None = None) -> None:
        threads = threads or usable_processors()
        compiled = _compiled(content, precision, threads)
        super().__init__(lambda: _Request(compiled), threads)


class _Request:
    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        # A network that was converted with its weights as variables has its outputs in any order.
        self._outputs = sorted(range(len(compiled.outputs)), key=lambda place: _number(compiled.outputs[place], place))
        self.shapes = [tuple(int(size) for size in compiled.outputs[place].shape[1:]) for place in self._outputs]
        with _first:
            # The first array that its bindings make must not be made by two threads: one would wait for the other with
            # Python's lock, which the other needs (seen with OpenVINO 2026.4).
            _ = self._request.get_input_tensor(0).data

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        self._request.infer({0: image})
        return [self._request.get_output_tensor(place).data[0] for place in self._outputs]


def _number(output: Any, place: int) -> int:
    """Return the number that ends an output's name, as the converter numbers them: ``StatefulPartitionedCall:1``."""
    numbers = [int(name.rpartition(":")[2]) for name in output.names if name.rpartition(":")[2].isdigit()]
    return min(numbers, default=place)


def _compiled(content: bytes, precision: str, threads: int) -> Any:
    try:
        import openvino
    except ImportError as error:
        raise UnusableNetworkError(f"openvino can't be imported: {error}") from error

    settings = {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,
    }
    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:  # OpenVINO reads this format from files only.
        file = Path(folder) / "network.tflite"
        file.write_bytes(content)
        try:
            compiled = core.compile_model(core.read_model(file), "CPU", settings)
        except RuntimeError as error:
            raise UnusableNetworkError(f"OpenVINO can't run it: {str(error).strip().splitlines()[-1]}") from error
    in_force = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    if in_force != _PRECISIONS[precision]:
        raise UnusableNetworkError(f"OpenVINO computes in {in_force} on this processor, not in {precision}")
    return compiled
