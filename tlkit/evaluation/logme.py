"""LogME: how well features explain labels, without training a head.

The logarithm of the evidence per image that a Bayesian linear regression gives the labels, one regression a class
against zeros and ones, with the precisions of its prior and of its noise chosen by fixed-point iteration (You et al.
2021, https://arxiv.org/abs/2102.11005; its iteration in the singular values is that of
https://arxiv.org/abs/2110.10545).
"""

from __future__ import annotations

import numpy as np

_ITERATIONS = 11
_CONVERGED = 1e-3
_TINY = 1e-5


def logme(features: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of the log evidence per image over the classes; the higher, the better the features fit.

    Where there are fewer images than features, the published code counts the prior's precision once for each feature,
    but in the determinant once for each image; here both count the directions in which the images differ from zero, so
    that backbones with more features have no advantage.

    Args:
        features: float (N, D), N at least 1.
        labels: int (N,) class numbers, or multi-hot (N, classes).
    """
    targets = np.asarray(labels, np.float64)
    if targets.ndim == 1:
        targets = (np.asarray(labels)[:, None] == np.arange(int(np.max(labels)) + 1)).astype(np.float64)
    count = len(targets)
    left, singular, _ = np.linalg.svd(np.asarray(features, np.float64), full_matrices=False)
    kept = singular > singular.max(initial=0.0) * max(np.shape(features)) * np.finfo(np.float64).eps
    variances = singular[kept, None] ** 2
    along = (left[:, kept].T @ targets) ** 2
    across = (targets**2).sum(0) - along.sum(0)
    prior, noise = np.ones(targets.shape[1]), np.ones(targets.shape[1])
    active = np.ones(targets.shape[1], bool)
    weights, errors = np.zeros_like(prior), np.zeros_like(prior)
    for _ in range(_ITERATIONS):
        ratio = prior / noise
        known = (variances / (variances + ratio)).sum(0)
        weights = np.where(active, (variances * along / (ratio + variances) ** 2).sum(0), weights)
        errors = np.where(active, (along / (1 + variances / ratio) ** 2).sum(0) + across, errors)
        prior = np.where(active, known / (weights + _TINY), prior)
        noise = np.where(active, (count - known) / (errors + _TINY), noise)
        active &= np.abs(prior / noise - ratio) > _CONVERGED * ratio
        if not active.any():
            break
    evidence = (
        len(variances) / 2 * np.log(np.maximum(prior, np.finfo(np.float64).tiny))
        + count / 2 * np.log(noise)
        - np.log(prior + noise * variances).sum(0) / 2
        - noise / 2 * errors
        - prior / 2 * weights
        - count / 2 * np.log(2 * np.pi)
    )
    return float((evidence / count).mean())
