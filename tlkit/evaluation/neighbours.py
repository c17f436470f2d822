"""Nearest neighbours of images by their features: near-duplicates, and images that have none."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.evaluation.components import principal_components
from tlkit.evaluation.intervals import group_numbers

_NEAR = 0.13
"""The largest distance of near-duplicates over the median distance to the nearest neighbour, as in cleanlab's
Datalab."""
_FENCE = 3.0
"""Interquartile ranges above the third quartile from which a value is far out (Tukey 1977, Exploratory Data Analysis).
"""


_MANY, _COMPONENTS = 5000, 128
"""Of more images than the first, features are compared by so many principal components: ten times faster."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest neighbours of images, nearest first.

    Args:
        places: int64 (N, k), the numbers of the neighbours.
        distances: float64 (N, k), 1 - the cosine of the angle between their features, in 0-2.
    """

    places: np.ndarray
    distances: np.ndarray

    @property
    def near_duplicates(self) -> np.ndarray:
        """Whether each neighbour is a near-duplicate, bool (N, k)."""
        if not self.distances.size:
            return np.zeros(self.distances.shape, bool)
        return self.distances <= max(_NEAR * float(np.median(self.distances[:, 0])), 1e-6)

    def with_duplicates(self, groups: Sequence[Hashable | None]) -> list[int]:
        """Return groups that also have the near-duplicates of their images, and theirs in turn.

        Args:
            groups: the group of each image, N; None for one that is in none.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        own = group_numbers(len(groups), groups)
        images, which = np.nonzero(self.near_duplicates)
        pairs = own[images], own[self.places[images, which]]
        count = int(own.max(initial=-1)) + 1
        _, joined = connected_components(coo_array((np.ones(len(images)), pairs), (count, count)), directed=False)
        joined_numbers: list[int] = joined[own].tolist()
        return joined_numbers

    @property
    def outliers(self) -> np.ndarray:
        """Whether each image is far from all others, bool (N,), by its mean distance to its neighbours."""
        if not self.distances.size:
            return np.zeros(len(self.distances), bool)
        mean = self.distances.mean(1)
        lower, upper = np.quantile(mean, [0.25, 0.75])
        return np.asarray(mean > upper + _FENCE * (upper - lower))


def nearest_neighbours(features: np.ndarray, count: int = 10) -> Neighbours:
    """Return the nearest neighbours of each image, itself left out.

    Args:
        features: float (N, D).
        count: the number of neighbours, k; fewer where there are not so many images.
    """
    from sklearn.neighbors import NearestNeighbors

    count = min(count, len(features) - 1)
    if count < 1:
        return Neighbours(np.zeros((len(features), 0), np.int64), np.zeros((len(features), 0)))
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions = np.asarray(features / np.where(lengths > 0, lengths, 1), np.float32)
    if len(directions) > _MANY:
        directions = principal_components(directions, _COMPONENTS)
    found = NearestNeighbors(n_neighbors=count, metric="euclidean", algorithm="brute").fit(directions)
    distances, places = found.kneighbors()
    return Neighbours(np.asarray(places, np.int64), np.asarray(distances, np.float64) ** 2 / 2)
