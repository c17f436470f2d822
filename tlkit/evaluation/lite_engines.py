"""Which engine runs the LiteRT files of a run: LiteRT itself, or OpenVINO for many images of some networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from tlkit.errors import DataError, RunError
from tlkit.evaluation.engine_option import EngineOption
from tlkit.evaluation.lite import LiteModel
from tlkit.models.engines import LITERT, OPENVINO, Engine, largest_difference, what_is_missing
from tlkit.models.image_by_image import UnusableNetworkError
from tlkit.models.lite_graph import Operation
from tlkit.models.lite_shapes import arithmetic
from tlkit.runs.card import Card
from tlkit.system.memory import available_memory

ENGINES: tuple[EngineOption, ...] = get_args(EngineOption)

_TOLERANCE = 1e-4
"""The largest difference from LiteRT over the largest logit with which OpenVINO is used."""
_DENSE = frozenset(
    ("ADD", "CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "MEAN", "MUL", "PAD", "RELU", "RESHAPE", "REVERSE_V2", "SUB")
)
"""The operations of networks that OpenVINO computes faster: ResNets and VGG, of plain convolutions.

Milliseconds of a core per image, LiteRT and OpenVINO (AVX-512, 2026-11): ResNet50 at 160 40.6 and 35.0, VGG16 at 96 57
and 50; but MobileNetV2 6.9 and 7.3, EfficientNetB0 12.0 and 12.4, Xception 49.5 and 48.5, DenseNet121 60.2 and 59.6.
Without AVX-512: ResNet50 111 and 99, VGG16 79 and 82, Xception 71 and 83, MobileNetV2 13 and 19, EfficientNetB0 26
and 30.
"""
_SAVED_SECONDS = 1.2e-12
"""What OpenVINO saves of these per multiplication or addition; ResNet50 has 3.9e9 at 160, VGG16 5.6e9 at 96."""
_START_SECONDS, _COMPILE_SECONDS = 0.2, 8e-9
"""What importing OpenVINO takes, and compiling per byte of the file: 0.7 s for ResNet50, 0.2 s for MobileNetV2."""
_REPAID = 2
"""How many times that must be saved."""
_MEMORY, _SPARE = 5, 300_000_000
"""The bytes that it is expected to take: so many per byte of the file, and its code; ResNet50 took 360 MB for 94 MB."""


@dataclass(frozen=True)
class LiteFile:
    """A checked LiteRT file.

    Args:
        content: its bytes.
        operations: what it computes.
    """

    content: bytes
    operations: Sequence[Operation]

    def repays_openvino(self, images: int) -> bool:
        """Return whether OpenVINO saves more on so many images than it takes to begin."""
        if not _DENSE.issuperset(each.kind for each in self.operations):
            return False
        saved = images * _SAVED_SECONDS * sum(map(arithmetic, self.operations))
        return saved >= _REPAID * (_START_SECONDS + _COMPILE_SECONDS * len(self.content))


class LiteEngines:
    """The LiteRT files of a run, or of the folds of a cross-validation, and the engines that run them.

    Args:
        card: the model's card.
        files: the checked files.
        asked: the engine that the user asked for, or ``auto``.

    Raises:
        UnusableNetworkError: LiteRT can't run them.
    """

    def __init__(self, card: Card, files: Sequence[LiteFile], asked: EngineOption = "auto") -> None:
        self._card = card
        self._files = files
        self._asked = asked
        self._litert = LiteModel(card, [each.content for each in files], LITERT)
        self._openvino: LiteModel | None = None
        self._refused = ""

    def for_images(self, count: int, first: Callable[[], np.ndarray], note: Callable[[str], None]) -> LiteModel:
        """Return the model in the engine that computes so many images fastest, or that the user asked for.

        The last digits of probabilities depend on the engine, so as long as there is memory for both, what decides is
        the same each time.

        Args:
            count: the number of images.
            first: returns the first of them, uint8 (n, H, W, 3), on which OpenVINO is compared with LiteRT.
            note: called with the reason why OpenVINO is not used although it would be faster.

        Raises:
            RunError: OpenVINO was asked for, and can't run the files or does not agree with LiteRT.
        """
        if self._asked != "openvino" and not self._is_worth_it(count):
            return self._litert
        if self._openvino is None and not self._refused:
            self._refused = self._try_openvino(first())
            if self._refused and self._asked == "auto":
                note(f"LiteRT computes the images, not OpenVINO: {self._refused}")
        if self._refused and self._asked == "openvino":
            raise RunError(f"engine: {self._refused}; expected another engine than openvino")
        return self._openvino or self._litert

    def _is_worth_it(self, count: int) -> bool:
        if self._asked == "litert" or not all(each.repays_openvino(count) for each in self._files):
            return False
        if self._openvino is not None:
            return True
        needed = sum(_MEMORY * len(each.content) for each in self._files) + _SPARE
        return OPENVINO.version is not None and needed <= available_memory()

    def _try_openvino(self, images: np.ndarray) -> str:
        """Compile the files with OpenVINO; return why it can't be used."""
        try:
            model = LiteModel(self._card, [each.content for each in self._files], OPENVINO)
            difference = largest_difference([model(images)], [self._litert(images)]) if len(images) else 0.0
        except (UnusableNetworkError, RunError) as error:
            return str(error)
        if not difference <= _TOLERANCE:
            return f"their logits differ by {difference:.1g} of the largest, more than {_TOLERANCE:g}"
        self._openvino = model
        return ""


def check_engine(asked: EngineOption, *, trust: bool) -> None:
    """Check an engine that a user asks for.

    Raises:
        DataError: there is none of this name, its package is missing, or it can't compute a model that is trusted.
    """
    if asked not in ENGINES:
        raise DataError(f"engine: expected {', '.join(ENGINES[:-1])} or {ENGINES[-1]}; received {asked!r:.60}")
    if asked == "auto" or asked == "tensorflow":
        return
    if trust:
        raise DataError(f"engine: a model that is loaded with trust is computed by tensorflow; received {asked!r}")
    if missing := what_is_missing(Engine(asked)):
        raise DataError(f"engine: {missing}")
