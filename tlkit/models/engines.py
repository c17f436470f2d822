"""Engines: what can compute a frozen network, how each is called, and whether two agree.

An engine is chosen by name and built only when something has to be computed. It computes in float32 unless the recipe
asks for less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, Protocol

import numpy as np

from tlkit.errors import Problem, RecipeError

EngineName = Literal["tensorflow", "litert", "openvino"]
Precision = Literal["float32", "bfloat16"]

TOLERANCE = 1e-5
"""The largest difference from TensorFlow over the largest value, in float32, with which an engine is used."""

PACKAGES: dict[str, str] = {"tensorflow": "tensorflow", "litert": "ai-edge-litert", "openvino": "openvino"}
"""Engine → the distribution that has it."""
_REMEDIES = {
    "litert": 'pip install "ai-edge-litert>=2.3,<3" installs it where there are wheels for it: Linux, Windows on '
    "x86-64, macOS on ARM",
    "openvino": 'pip install "tlkit[openvino]" installs it',
}


class Network(Protocol):
    """A network as an engine computes it; may be called from several threads at a time."""

    def __call__(self, images: np.ndarray) -> list[np.ndarray]:
        """Return each output, float32 (N, …), for images float32 (N, H, W, 3)."""


@dataclass(frozen=True)
class Engine:
    """An engine, and in which precision it computes.

    Args:
        name: the engine.
        precision: the number format of its multiplications.
    """

    name: EngineName
    precision: Precision = "float32"

    @property
    def computes_alone(self) -> bool:
        """Whether it computes each image alone: no bit of its outputs depends on other images, or on threads."""
        return self.name != "tensorflow"

    @property
    def version(self) -> str | None:
        """The version of its package; None where that is not installed."""
        try:
            return version(PACKAGES[self.name])
        except PackageNotFoundError:
            return None

    def __str__(self) -> str:
        title = {"tensorflow": "TensorFlow", "litert": "LiteRT", "openvino": "OpenVINO"}[self.name]
        return title if self.precision == "float32" else f"{title} in {self.precision}"


TENSORFLOW, LITERT, OPENVINO = Engine("tensorflow"), Engine("litert"), Engine("openvino")


def check_installed(engine: Engine, key: str) -> None:
    """Check that an engine that a recipe asks for is installed.

    Args:
        engine: the engine.
        key: the recipe's key that names it.

    Raises:
        RecipeError: its package is missing.
    """
    if missing := what_is_missing(engine):
        raise RecipeError([Problem(key, missing)])


def what_is_missing(engine: Engine) -> str:
    """Return the package that an engine needs and how it is installed, as text; empty if it is installed."""
    if engine.version is not None:
        return ""
    needed = f'"{engine.name}" needs the package {PACKAGES[engine.name]}, which is not installed'
    return f"{needed}; {_REMEDIES[engine.name]}"


def largest_difference(ours: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """Return the largest difference over the largest value, of the output where that is greatest.

    It is infinite where an output is not finite, or all zero in one and not in the other.
    """
    return max(_difference(*pair) for pair in zip(ours, expected, strict=True))


def _difference(ours: np.ndarray, expected: np.ndarray) -> float:
    if not (np.isfinite(ours).all() and np.isfinite(expected).all()):
        return float("inf")
    difference = float(np.abs(ours.astype(np.float64) - expected).max(initial=0.0))
    largest = float(np.abs(expected).max(initial=0.0))
    return difference / largest if largest else float("inf") if difference else 0.0
