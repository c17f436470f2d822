"""``limits.safetensors``: what a model's predictions are compared with, to say what it doesn't know.

It has the means of the training images' features, and how held-out images turned out. It is of one model, whose SHA-256
stands in it, and nothing in it is code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlkit.data.store.rows import evenly_spaced
from tlkit.errors import DataError, RunError
from tlkit.evaluation.novelty import KnownFeatures
from tlkit.runs.checksums import file_digest
from tlkit.runs.folder import RunFolder
from tlkit.runs.reading import read_run_file
from tlkit.system.disk import write_atomically

_MAX_KEPT = 10_000
"""Held-out images whose numbers are kept, evenly spaced in their order."""
_SHAPES = {"center": 1, "directions": 2, "distances": 1, "scores": 1}
_MOST = {"distances": 2.0, "scores": 1.0}
"""The largest number that a distance and a score can be; none is below 0."""
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Limits:
    """What a model's predictions are compared with.

    Args:
        known: what is kept of the training images' features; None if the model has none.
        distances: float32 (n,), the distances of held-out images to them, sorted; empty without ``known``.
        layer: the layer whose averaged map gives the features; empty without ``known``.
        distances_of: whose distances they are, in words.
        scores: float32 (n,), what the true labels of held-out images lack to certainty, sorted; empty if sets of labels
            make no sense, or no image was held out.
        temperature: what the logits are divided by before their probabilities are compared with these.
        scores_of: whose scores they are, in words.
    """

    known: KnownFeatures | None
    distances: np.ndarray
    layer: str
    distances_of: str
    scores: np.ndarray
    temperature: float
    scores_of: str


def write_limits(folder: RunFolder, limits: Limits) -> None:
    """Write the file, whole or not at all."""
    import safetensors.numpy

    arrays = {"distances": _kept(limits.distances), "scores": _kept(limits.scores)}
    if limits.known is not None:
        arrays |= {"center": limits.known.center, "directions": limits.known.directions.astype(np.float16)}
    texts = {
        "model": file_digest(folder.model),
        "layer": limits.layer,
        "distances_of": limits.distances_of,
        "temperature": repr(limits.temperature),
        "scores_of": limits.scores_of,
    }
    content = safetensors.numpy.save({name: np.ascontiguousarray(each) for name, each in arrays.items()}, texts)
    write_atomically(folder.limits, content)


def read_limits(folder: RunFolder) -> Limits:
    """Read the file.

    Raises:
        DataError: there is none, or it is of another model than the folder's.
        RunError: it is damaged, or tlkit did not write it.
    """
    path, remedy = folder.limits, f"tlkit report {folder.path} --full writes it"
    if not path.exists() and not path.is_symlink():
        raise DataError(f"{path}: no such file, which --unknown and --sets compare images with; {remedy}")
    content = read_run_file(path)
    try:
        arrays, texts = _parsed(content)
        limits = _limits(arrays, texts)
    except (ValueError, KeyError, TypeError) as error:
        reason = f"has no {error.args[0]}" if isinstance(error, KeyError) else error
        raise RunError(f"{path}: {reason}; the file is damaged, or tlkit did not write it; {remedy} again") from error
    if folder.model.is_symlink() or not folder.model.is_file():
        raise RunError(f"{folder.model}: no such file, or a link; expected the run's own model")
    if texts["model"] != file_digest(folder.model):
        raise DataError(f"{path}: is of another {folder.model.name} than that of the folder; {remedy} again")
    return limits


def _parsed(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays and the texts of a safetensors file, which is checked before memory is taken for it."""
    import safetensors.numpy
    from safetensors import SafetensorError

    try:
        arrays = safetensors.numpy.load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return arrays, dict(header["__metadata__"])


def _limits(arrays: dict[str, np.ndarray], texts: dict[str, str]) -> Limits:
    for name, array in arrays.items():
        if _SHAPES.get(name) != array.ndim or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"{name} is not what tlkit writes")
        if name in _MOST and not ((array >= -_ROUNDING) & (array <= _MOST[name] + _ROUNDING)).all():
            raise ValueError(f"{name} are not between 0 and {_MOST[name]:g}")
    known = None
    if "center" in arrays:
        directions = arrays["directions"].astype(np.float32)
        if directions.shape[1:] != arrays["center"].shape or not directions.size:
            raise ValueError("center and directions don't fit")
        known = KnownFeatures(arrays["center"].astype(np.float32), directions)
    temperature = float(texts["temperature"])
    if not 0 < temperature < np.inf:
        raise ValueError("the temperature is not what tlkit writes")
    return Limits(
        known=known,
        distances=np.sort(arrays["distances"]),
        layer=texts["layer"],
        distances_of=texts["distances_of"],
        scores=np.sort(arrays["scores"]),
        temperature=temperature,
        scores_of=texts["scores_of"],
    )


def _kept(values: np.ndarray) -> Any:
    """Return sorted values as float32, evenly spaced ones of very many."""
    return np.sort(values)[evenly_spaced(len(values), _MAX_KEPT)].astype(np.float32)
