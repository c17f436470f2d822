"""How far an image is from those that a model was trained on.

The distance is 1 minus the cosine between the image's features and the nearest class's mean, both seen from the mean of
all training images. On breeds of pets that a model did not know it was better than the distance to the nearest
neighbours and Mahalanobis' distance (recipes/RESULTS.md), and it keeps one vector a class. That trained features lie in
the direction of their class seen from the global mean, and others near that mean, is also what Liu and Qin 2023 use
(https://arxiv.org/abs/2311.01479). Compared with held-out images it gives a conformal p-value (Bates et al. 2023,
https://arxiv.org/abs/2104.08279): a share of at most ``s`` of images like those has one of at most ``s``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_PAIRS = 2048
"""Images that are compared with the mean of their own class at a time."""


@dataclass(frozen=True)
class KnownFeatures:
    """What is kept of the features of the training images.

    Args:
        center: float32 (D,), their mean.
        directions: float32 (K, D), unit vectors from it to the mean of each class that has images.
    """

    center: np.ndarray
    directions: np.ndarray

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Return the distance of images to the nearest class, float64 (N,), 0-2.

        Args:
            features: float (N, D).
        """
        return np.asarray(1 - self.cosines(features).max(1))

    def cosines(self, features: np.ndarray) -> np.ndarray:
        """Return the cosine of images with each class, float64 (N, K)."""
        return np.asarray(_unit(np.asarray(features, np.float64) - self.center) @ self.directions.T)


def known_features(features: np.ndarray, labels: np.ndarray) -> KnownFeatures:
    """Return what is kept of the features of training images.

    Args:
        features: float (N, D), N at least 1.
        labels: int (N,) class numbers; or multi-hot (N, classes), where images without a label are a class as well.
    """
    members = _members(labels)
    center = features.mean(0, np.float64)
    means = members.T @ features / members.sum(0)[:, None]
    return KnownFeatures(np.asarray(center, np.float32), np.asarray(_unit(means - center), np.float32))


def left_out_distances(features: np.ndarray, labels: np.ndarray, known: KnownFeatures) -> np.ndarray:
    """Return the distance of each training image as if it had not been one, float64 (N,).

    Args:
        features: float (N, D), those of ``known_features``.
        labels: as of ``known_features``.
        known: what ``known_features`` made of them.
    """
    members = _members(labels)
    cosines = known.cosines(features)
    sums, counts = members.T @ features, members.sum(0)
    seen = np.asarray(features, np.float64) - known.center
    for images, classes in _pairs(members):
        others = (sums[classes] - features[images]) / np.maximum(counts[classes] - 1, 1)[:, None] - known.center
        own = (_unit(seen[images]) * _unit(others)).sum(1)
        cosines[images, classes] = np.where(counts[classes] > 1, own, -1)
    return np.asarray(1 - cosines.max(1))


def new_class_distances(features: np.ndarray, labels: np.ndarray, known: KnownFeatures) -> np.ndarray:
    """Return the distance of images as if their class were none of the training's, float64 (n,).

    Args:
        features: float (N, D).
        labels: int (N,), the place of each image's class among ``known.directions``.
        known: what is kept of the training images, of at least two classes.
    """
    cosines = known.cosines(features)
    cosines[np.arange(len(labels)), labels] = -1
    return np.asarray(1 - cosines.max(1))


def p_values(distances: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Return the share of held-out images that are at least as far, counting the image itself: float64 (N,), above 0.

    Args:
        distances: float (N,).
        held_out: float (n,), the distances of held-out images, sorted.
    """
    farther = len(held_out) - np.searchsorted(held_out, distances, side="left")
    return np.asarray((farther + 1) / (len(held_out) + 1))


def _members(labels: np.ndarray) -> np.ndarray:
    """Return which images belong to which class that has any, float64 (N, K)."""
    if labels.ndim == 1:
        members = np.eye(int(labels.max()) + 1)[labels]
    else:
        given = labels > 0.5
        members = np.concatenate([given, ~given.any(1, keepdims=True)], 1).astype(np.float64)
    return np.asarray(members[:, members.any(0)])


def _pairs(members: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    images, classes = np.nonzero(members)
    for first in range(0, len(images), _PAIRS):
        yield images[first : first + _PAIRS], classes[first : first + _PAIRS]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))
