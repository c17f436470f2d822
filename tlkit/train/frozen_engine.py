"""Choose the engine that computes a frozen part, and make it compute."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tlkit.models.convert import NotConvertibleError
from tlkit.models.engines import TENSORFLOW, TOLERANCE, Engine, Network, check_installed, largest_difference
from tlkit.models.litert import LiteRTNetwork, UnusableNetworkError
from tlkit.recipe.schema import TrainTable
from tlkit.train.converted import converted
from tlkit.train.frozen_part import FrozenPart

COMPARED = 4
"""The number of images on which an engine is compared with TensorFlow."""
_OPERATIONS = 1e10
_OPERATIONS_PER_WEIGHT = 5e4
"""Operations that repay the conversion to LiteRT: it takes 0.7 s of a core and another 0.25 s per million weights, and
saves a core 3 to 20 s per 10^12 operations."""


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
        return next((each for each in (asked, Engine("litert")) if each and each.name == before), TENSORFLOW)
    if asked is not None:
        return asked
    litert = Engine("litert")
    worth = part.operations_per_image * images >= _OPERATIONS + _OPERATIONS_PER_WEIGHT * part.weight_count
    on_cpu = not tf.config.list_physical_devices("GPU")
    usable = on_cpu and table.precision == "float32" and litert.version is not None
    return litert if usable and worth else TENSORFLOW


def asked_engine(table: TrainTable) -> Engine | None:
    """Return the engine that a recipe names; None for ``auto``."""
    return None if table.engine == "auto" else Engine(table.engine)


def check_engine(table: TrainTable) -> None:
    """Check that the engine that a recipe names is installed.

    Raises:
        RecipeError: it is not.
    """
    asked = asked_engine(table)
    if asked is not None:
        check_installed(asked, "train.engine")


def make_ready(part: FrozenPart, images: np.ndarray, say: Callable[[str], None]) -> None:
    """Make the engine of a frozen part compute, or TensorFlow where that engine can't, or does not agree with it.

    Args:
        part: the frozen part, with the engine that was chosen.
        images: (n, H, W, 3), the first of the images that it will compute.
        say: shows a note.
    """
    if part.is_ready:
        return
    try:
        network = _built(part, say)
    except (NotConvertibleError, UnusableNetworkError) as error:
        _fall_back(part, str(error), say)
        return
    images = np.asarray(images[:COMPARED], np.float32)
    expected = [np.asarray(each, np.float32) for each in tf.nest.flatten(part.model(images, training=False))]
    difference = largest_difference(network(images), expected)
    if difference > TOLERANCE:
        _fall_back(part, f"they differ by {difference:.1g} of the largest value, more than {TOLERANCE:g}", say)
        return
    part.use(part.engine, network)


def _fall_back(part: FrozenPart, reason: str, say: Callable[[str], None]) -> None:
    say(f"  note: TensorFlow computes the frozen part, not {part.engine}: {reason}")
    part.use(TENSORFLOW)


def _built(part: FrozenPart, say: Callable[[str], None]) -> Network:
    """Return the network of a frozen part in its engine.

    Raises:
        NotConvertibleError: it can't be converted.
        UnusableNetworkError: the engine can't run it, or is not installed any more.
    """
    if part.engine.version is None:
        raise UnusableNetworkError("it is not installed")
    return LiteRTNetwork(converted(part, say))
