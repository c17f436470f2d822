"""Networks in LiteRT's format, run by its interpreter (XNNPACK) without TensorFlow.

LiteRT: https://ai.google.dev/edge/litert. A network is converted for one image at a time. That is fastest on a CPU,
since the feature maps of an image stay in its caches, and no bit of a result depends on the other images or on the
number of threads: each thread has an interpreter of its own, which computes in that thread alone.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np

from tlkit.models.image_by_image import ImageByImage, UnusableNetworkError
from tlkit.system.memory import available_memory, is_exhausted
from tlkit.system.parallel import usable_processors
from tlkit.system.stderr import without_lines

_CHATTER = "INFO: (Created TensorFlow Lite|Initialized TensorFlow Lite)"
_MEMORY, _SPARE = 3, 100_000_000
"""The bytes that an interpreter is expected to take: so many per byte of its file, and those of its feature maps."""
_first = Lock()
_seen = False


class LiteRTNetwork(ImageByImage):
    """A converted network, which may be called from several threads at a time.

    Args:
        content: the bytes of a LiteRT file whose input is one image, float32 (1, H, W, 3).
        threads: the number of images that are computed at a time; None for one per usable processor, as far as the
            memory suffices.

    Attributes:
        content: the bytes of the file.

    Raises:
        UnusableNetworkError: LiteRT can't run it.
    """

    def __init__(self, content: bytes, threads: int | None = None) -> None:
        self.content = content
        # Each interpreter packs the weights for itself.
        fitting = max(1, available_memory() // (_MEMORY * len(content) + _SPARE))
        super().__init__(lambda: _Interpreter(content), threads or min(usable_processors(), fitting))


class _Interpreter:
    """An interpreter, which one thread at a time may call on one image at a time."""

    def __init__(self, content: bytes) -> None:
        self._interpreter = _allocated(content)
        (given,) = self._interpreter.get_input_details()
        self._input = given["index"]
        outputs = self._outputs()
        self._places = [each["index"] for each in outputs]
        self.shapes = [tuple(int(size) for size in each["shape"][1:]) for each in outputs]

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        self._interpreter.set_tensor(self._input, image)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(place)[0] for place in self._places]

    def _outputs(self) -> list[Any]:
        """Return the description of each output, in the order of the model's.

        A network that was converted with its weights as variables has them in any order, and a signature with their
        names; one that was converted with constants has them in order, without a signature.
        """
        if not self._interpreter.get_signature_list():
            return list(self._interpreter.get_output_details())
        named = self._interpreter.get_signature_runner().get_output_details()
        return [named[f"output_{number}"] for number in range(len(named))]


def _allocated(content: bytes) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UnusableNetworkError(f"ai-edge-litert can't be imported: {error}") from error

    def make() -> Any:
        try:
            interpreter = Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            if is_exhausted(error):
                raise
            raise UnusableNetworkError(f"LiteRT can't run it: {str(error).strip().splitlines()[0]}") from error
        return interpreter

    global _seen
    if _seen:
        return make()
    with _first, without_lines(_CHATTER):  # LiteRT writes it once in a process.
        interpreter = make()
        _seen = True
    return interpreter
