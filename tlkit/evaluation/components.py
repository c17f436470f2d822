"""The principal components of features: fewer numbers that tell nearly as much."""

from __future__ import annotations

import numpy as np


def principal_components(features: np.ndarray, count: int) -> np.ndarray:
    """Return the projections of features on the directions in which they are largest; distances shrink, if at all.

    Args:
        features: float32 (N, D); their mean is not subtracted.
        count: the number of components.

    Returns:
        float32 (N, count); the features themselves where they have no more dimensions than that.
    """
    from scipy.linalg import eigh

    images, width = features.shape
    if min(images, width) <= count:
        return features
    # Of the smaller of the two products, whose eigenvectors lead to the same components.
    by_image = images < width
    product = (features @ features.T if by_image else features.T @ features).astype(np.float64)
    values, vectors = eigh(product, subset_by_index=[len(product) - count, len(product) - 1])
    found = vectors * np.sqrt(np.maximum(values, 0)) if by_image else features @ vectors.astype(np.float32)
    return np.asarray(found, np.float32)
