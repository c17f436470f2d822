"""Networks in LiteRT's format, run by its interpreter (XNNPACK) without TensorFlow.

LiteRT: https://ai.google.dev/edge/litert. A network is converted for one image at a time. That is fastest on a CPU,
since the feature maps of an image stay in its caches, and no bit of a result depends on the other images or on the
number of threads: each thread has an interpreter of its own, which computes in that thread alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np

from tlkit.system.parallel import usable_processors


class LiteRTNetwork:
    """A converted network, which may be called from several threads at a time.

    Args:
        content: the bytes of a LiteRT file whose input is one image, float32 (1, H, W, 3).
        threads: the number of images that are computed at a time; None for one per usable processor.

    Attributes:
        shapes: the shape of each output, without the dimension of the images.
    """

    def __init__(self, content: bytes, threads: int | None = None) -> None:
        self._content = content
        self._threads = threads or usable_processors()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="tlkit-litert")
        self._idle: SimpleQueue[Any] = SimpleQueue()
        first = self._interpreter()
        self.shapes = [tuple(int(size) for size in each["shape"][1:]) for each in first.get_output_details()]
        self._idle.put(first)
        for _ in range(self._threads - 1):
            self._idle.put(None)  # made when it is first needed

    def __call__(self, images: np.ndarray) -> list[np.ndarray]:
        """Return each output, float32 (N, …), for images float32 (N, H, W, 3)."""
        outputs = [np.empty((len(images), *shape), np.float32) for shape in self.shapes]
        parts = np.array_split(np.arange(len(images)), self._threads)
        for _ in self._pool.map(lambda rows: self._compute(images, rows, outputs), parts):
            pass
        return outputs

    def of_one(self, image: np.ndarray) -> list[np.ndarray]:
        """Return each output, float32 (…), for an image (H, W, 3), computed in the calling thread."""
        outputs = [np.empty((1, *shape), np.float32) for shape in self.shapes]
        self._compute(image[np.newaxis], [0], outputs)
        return [output[0] for output in outputs]

    def _compute(self, images: np.ndarray, rows: Sequence[int], outputs: list[np.ndarray]) -> None:
        if not len(rows):
            return
        interpreter = self._idle.get() or self._interpreter()
        try:
            for row in rows:
                for output, values in zip(outputs, _invoke(interpreter, images[row]), strict=True):
                    output[row] = values
        finally:
            self._idle.put(interpreter)

    def _interpreter(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=self._content, num_threads=1)
        interpreter.allocate_tensors()
        return interpreter


def _invoke(interpreter: Any, image: np.ndarray) -> Iterator[np.ndarray]:
    (given,) = interpreter.get_input_details()
    interpreter.set_tensor(given["index"], np.asarray(image[np.newaxis], np.float32))
    interpreter.invoke()
    return (interpreter.get_tensor(each["index"])[0] for each in interpreter.get_output_details())
