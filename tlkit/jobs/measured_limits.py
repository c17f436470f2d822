"""Measure what a run's model knows: the features of its training images, and how held-out images turn out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.data.store.rows import evenly_spaced, in_batches
from tlkit.errors import DataError
from tlkit.evaluation.calibration import fit_temperature, scaled
from tlkit.evaluation.classification import true_labels
from tlkit.evaluation.conformal import set_limit, set_scores
from tlkit.evaluation.limits import Limits
from tlkit.evaluation.novelty import KnownFeatures, known_features, left_out_distances
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.runs.reading import MAX_SHORT_TABLE_BYTES, read_run_table

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

_MAX_TRAINED = 10_000
"""Training images whose features are computed, evenly spaced among all."""
_MAX_VALUES = 20_000_000
"""Numbers of the classes' directions, which the file has 2 bytes each for."""
_ENOUGH = 1000
"""Validation images that tell the limits without help from training images."""
_MAX_CROSS_VALIDATED = 4000
"""Images that a cross-validated head takes seconds for."""
_UNLIKELY = 0.05
_NO_IMAGES = "validation images"


@dataclass(frozen=True)
class Measured:
    """The limits of a model, and what they were measured on.

    Args:
        limits: the limits.
        features: split → float32 (N, D), those of its images; empty without ``limits.known``.
        probabilities: split → float32 (N, classes), of its images.
        labels: split → their labels in the model's class numbers.
    """

    limits: Limits
    features: dict[str, np.ndarray]
    probabilities: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]


def measure_limits(
    folder: RunFolder, card: Card, data: Data, model: Any, progress: Callable[[int, int], None]
) -> Measured:
    """Measure what the model of a classification knows.

    Args:
        folder: the run folder.
        card: the model's card.
        data: the run's images, decoded.
        model: the Keras model, from images to logits.
        progress: called with how many of how many images are computed.
    """
    rows = {split: data.indices(split) for split in ("train", "validation", "test")}
    trained = rows["train"]
    rows["train"] = trained[evenly_spaced(len(trained), _MAX_TRAINED)]
    rows = {split: each for split, each in rows.items() if len(each)}
    layer, reason = _layer(model)
    probabilities, features = _computed(model, card, layer, data, rows, progress)
    labels = {split: true_labels(data, card, each) for split, each in rows.items()}
    frozen = bool(layer) and _is_frozen(folder, model, layer)
    known, distances, of = None, np.empty(0), reason
    if features and "train" in rows:
        known, distances, of = _distances(features, labels, frozen=frozen)
    temperature, scores, scores_of = _scores(card, features if frozen else {}, probabilities, labels)
    limits = Limits(known, distances, layer if known is not None else "", of, scores, temperature, scores_of)
    return Measured(limits, features, probabilities, labels)


def _layer(model: Any) -> tuple[str, str]:
    """Return the name of the layer with the features; or none, and why."""
    from tlkit.models.grad_cam import default_layer

    try:
        layer = default_layer(model)
    except DataError as error:
        return "", str(error)
    if "/" in layer:
        return "", f"the last feature map, {layer}, is inside another model"
    return layer, ""


def _computed(
    model: Any,
    card: Card,
    layer: str,
    data: Data,
    rows: dict[str, np.ndarray],
    progress: Callable[[int, int], None],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the probabilities and the features of the images of each split, in one pass."""
    from tlkit.evaluation.feature_inference import FeatureInference
    from tlkit.evaluation.inference import Inference
    from tlkit.models.inference import images_at_once

    size = min(32, images_at_once(model))
    inference = FeatureInference(model, card, size, layer) if layer else Inference(model, card, size)
    probabilities, features = {}, {}
    done, total = 0, sum(map(len, rows.values()))
    for split, each in rows.items():
        parts = []
        for images in in_batches(data.store.images, each, size):
            parts.append(inference.probabilities(np.asarray(images)))
            done += len(images)
            progress(done, total)
        probabilities[split] = np.concatenate(parts)
        if isinstance(inference, FeatureInference):
            features[split] = np.stack(inference.features)
            inference.features.clear()
    return probabilities, features


def _is_frozen(folder: RunFolder, model: Any, layer: str) -> bool:
    """Return whether nothing that the features depend on was trained by the run, as its ``freeze.csv`` says."""
    from tlkit.models.graph import inputs_of, operations

    if not folder.freeze.is_file():
        return False
    before = {layer}
    for operation in reversed(operations(model)):
        if operation.name in before:
            before |= {tensor._keras_history.operation.name for tensor in inputs_of(operation)}
    rows = read_run_table(folder.freeze, MAX_SHORT_TABLE_BYTES)
    return bool(rows) and not any(row.get("changed") != "no" for row in rows if row.get("layer") in before)


def _distances(
    features: dict[str, np.ndarray], labels: dict[str, np.ndarray], *, frozen: bool
) -> tuple[KnownFeatures | None, np.ndarray, str]:
    """Return what is kept of the training images, the distances of held-out ones to it, and which ones these are.

    Where the backbone did not train, a training image that is left out is held out as well.
    """
    known = known_features(features["train"], labels["train"])
    if known.directions.size > _MAX_VALUES:
        return None, np.empty(0), f"{len(known.directions):,} classes are too many to keep the features of each"
    held_out = [known.distances(features["validation"])] if "validation" in features else []
    of = _NO_IMAGES
    if frozen and sum(map(len, held_out)) < _ENOUGH:
        held_out.append(left_out_distances(features["train"], labels["train"], known))
        of = (
            f"{_NO_IMAGES} and training images, each compared without itself"
            if len(held_out) > 1
            else ("training images, each compared without itself")
        )
    if not held_out:
        return None, np.empty(0), "the run has no validation images, and its backbone was trained on the others"
    return known, np.sort(np.concatenate(held_out)), of


def _scores(
    card: Card, features: dict[str, np.ndarray], probabilities: dict[str, np.ndarray], labels: dict[str, np.ndarray]
) -> tuple[float, np.ndarray, str]:
    """Return the temperature, what the true labels of held-out images lack, and which images these are.

    Few validation images tell the limit badly: of 74, the share that it covers is off by 3 points as often as not. A
    head that is cross-validated on the same features tells it by all images, if its probabilities are made comparable
    by the temperature of each (cross-conformal; Vovk 2015, https://arxiv.org/abs/1208.0806). That has no proof, since
    the head is another one; so it is dropped if the validation images contradict it.
    """
    if card.label_kind == "multi":
        return 1.0, np.empty(0), "an image has several labels"
    if "validation" not in probabilities:
        return 1.0, np.empty(0), "no validation images"
    own, truth = probabilities["validation"], labels["validation"]
    split = 1.0, set_scores(own, truth), _NO_IMAGES
    if not features or len(truth) >= _ENOUGH:
        return split
    both = np.concatenate([features["train"], features["validation"]])
    of_both = np.concatenate([labels["train"], truth])
    if len(both) > _MAX_CROSS_VALIDATED:
        return split
    from tlkit.evaluation.linear_head import out_of_fold_probabilities

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of features that are 0 everywhere
        found = out_of_fold_probabilities(both, of_both, len(card.classes))
    scores = set_scores(scaled(found, fit_temperature(found, of_both), exclusive=True), of_both)
    temperature = fit_temperature(own, truth)
    at = scaled(own, temperature, exclusive=True)
    if _contradicted(at, truth, scores):
        return split
    return temperature, scores, "training and validation images, by a cross-validated head on the same features"


def _contradicted(probabilities: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> bool:
    """Return whether the true labels of validation images are in their sets too often or too rarely to be chance."""
    from scipy.stats import binomtest

    for level in (0.8, 0.9, 0.95):
        limit = set_limit(scores, level)
        covered = int((set_scores(probabilities, labels) <= limit).sum())
        if binomtest(covered, len(labels), level).pvalue < _UNLIKELY / 3:
            return True
    return False
