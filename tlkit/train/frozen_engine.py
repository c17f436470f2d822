"""Choose the engine that computes a frozen part, and make it compute."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tlkit.errors import RunError
from tlkit.models.convert import NotConvertibleError, conversion_memory
from tlkit.models.engines import LITERT, TENSORFLOW, TOLERANCE, Engine, Network, largest_difference
from tlkit.models.image_by_image import UnusableNetworkError
from tlkit.models.litert import LiteRTNetwork
from tlkit.models.openvino_network import OpenVINONetwork
from tlkit.models.walk import outputs_of
from tlkit.recipe.schema import TrainTable
from tlkit.system.memory import available_memory, is_exhausted
from tlkit.system.text import size_text
from tlkit.train.asked_engine import asked_engine
from tlkit.train.converted import converted
from tlkit.train.frozen_part import FrozenPart

COMPARED = 2
"""The number of images on which an engine is compared with TensorFlow."""
_OPERATIONS = 1e10
_FEW_WEIGHTS = 4e6
_OPERATIONS_PER_WEIGHT = 1.6e5
"""Operations that repay the conversion to LiteRT: up to a few million weights it takes half a second longer than what
TensorFlow needs to begin, with 24 million 7 s; and 10^12 operations on LiteRT save 2 to 20 s of a core."""


def choose_engine(table: TrainTable, part: FrozenPart, images: int, before: str | None = None) -> Engine:
    """Return the engine that a phase shall use.

    What decides is the same in every run on the same data: bits depend on the engine.

    Args:
        table: the recipe's ``[train]``.
        part: the frozen part.
        images: the number of images, each view of one counted, that the frozen part computes if features are cached.
        before: the engine with which the phase began before it was interrupted.
    """
    asked = asked_engine(table)
    if before is not None:
        return next((each for each in (asked, LITERT) if each and each.name == before), TENSORFLOW)
    if asked is not None:
        return asked
    costs = _OPERATIONS + _OPERATIONS_PER_WEIGHT * max(0.0, part.weight_count - _FEW_WEIGHTS)
    worth = part.operations_per_image * images >= costs
    on_cpu = not tf.config.list_physical_devices("GPU")
    usable = on_cpu and table.precision == "float32" and LITERT.version is not None
    return LITERT if usable and worth else TENSORFLOW


def make_ready(part: FrozenPart, images: np.ndarray, say: Callable[[str], None], *, keep: bool = True) -> None:
    """Make the engine of a frozen part compute, or TensorFlow where that engine can't, or does not agree with it.

    Args:
        part: the frozen part, with the engine that was chosen.
        images: (n, H, W, 3), the first of the images that it will compute.
        say: shows a note.
        keep: whether a converted network is kept for later runs.

    Raises:
        RunError: the engine can't compute in the precision that the recipe asks for.
    """
    if part.is_ready:
        return
    try:
        network = _built(part, say, keep)
    except (NotConvertibleError, UnusableNetworkError) as error:
        if part.engine.precision != "float32":
            raise RunError(f'train.engine_precision: {error}; expected "float32", or another train.engine') from error
        _fall_back(part, str(error), say)
        return
    images = np.asarray(images[:COMPARED], np.float32)
    expected = outputs_of(part.model, images)
    try:
        difference = largest_difference(network(images), expected)
    except (RuntimeError, ValueError) as error:
        if is_exhausted(error):
            raise
        _fall_back(part, str(error).strip().partition("\n")[0], say)
        return
    if part.engine.precision != "float32":
        say(f"  note: {part.engine} differs from float32 by {difference:.1g} of the largest value")
    elif difference > TOLERANCE:
        _fall_back(part, f"they differ by {difference:.1g} of the largest value, more than {TOLERANCE:g}", say)
        return
    part.use(part.engine, network)


def _fall_back(part: FrozenPart, reason: str, say: Callable[[str], None]) -> None:
    say(f"  note: TensorFlow computes the frozen part, not {part.engine}: {reason}")
    part.use(TENSORFLOW)


def _built(part: FrozenPart, say: Callable[[str], None], keep: bool) -> Network:
    """Return the network of a frozen part in its engine.

    Raises:
        NotConvertibleError: it can't be converted.
        UnusableNetworkError: the engine can't run it, or is not installed any more.
    """
    if part.engine.version is None:
        raise UnusableNetworkError("it is not installed")
    needed, available = conversion_memory(part.model), available_memory()
    if needed > available:
        what = f"converting it takes about {size_text(needed)} of memory, and {size_text(available)} are free"
        raise UnusableNetworkError(what)
    content = converted(part, say, keep=keep)
    if part.engine.name == "litert":
        return LiteRTNetwork(content)
    return OpenVINONetwork(content, part.engine.precision)
