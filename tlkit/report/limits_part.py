"""The report's part on what the model doesn't know: images unlike its own, and sets of labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tlkit.evaluation.calibration import scaled
from tlkit.evaluation.conformal import coverage, set_limit
from tlkit.evaluation.limits import Limits
from tlkit.evaluation.novelty import new_class_distances, p_values
from tlkit.report.gallery import Table

_SHARES = (0.01, 0.05, 0.1)
_LEVELS = (0.8, 0.9, 0.95)
_OWN_LIMIT = "The validation images are among those that set the limit; the test images measure it."


def unknown_table(limits: Limits, features: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> Table | None:
    """Return how many held-out images, and how many of a class that the model doesn't know, are called unknown.

    Args:
        limits: what images are compared with.
        features: split → float (N, D), those of its images.
        labels: split → their labels, int (N,) or multi-hot.
    """
    if limits.known is None:
        return None
    held_out = [split for split in ("validation", "test") if split in features]
    distances = {split: limits.known.distances(features[split]) for split in held_out}
    new, auroc = _new_classes(limits, features, labels)
    columns = ["predict --unknown", *(f"{split} images called unknown" for split in held_out)]
    if new is not None:
        columns.append("images of a class left out")
    shown = [*distances.values(), *([] if new is None else [new])]
    rows = [
        [f"{share:g}", *(_share(p_values(each, limits.distances) <= share) for each in shown)]
        for share in _SHARES
        if share * (len(limits.distances) + 1) >= 1
    ]
    note = (
        "An image is unknown if its features are farther from the mean of each class than those of nearly all "
        f"held-out images: {limits.distances_of} ({len(limits.distances):,}). {_OWN_LIMIT}"
    )
    if new is not None:
        note += (
            " In the last column, the mean of each image's own class is left out, as if the model didn't know it; "
            f"the area under the ROC curve between both is {auroc:.3f}. Other things, such as clothes for a model of "
            "animals, are farther."
        )
    return Table("Images unlike those that the model knows", note, columns, rows)


def _new_classes(
    limits: Limits, features: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]
) -> tuple[np.ndarray | None, float]:
    """Return the distances of held-out images without the mean of their own class, and the AUROC of telling them."""
    known = limits.known
    split = next((each for each in ("test", "validation") if each in features), None)
    if known is None or split is None or labels["train"].ndim > 1 or len(known.directions) < 3:
        return None, np.nan
    from sklearn.metrics import roc_auc_score

    classes = np.unique(labels["train"])
    rows = np.isin(labels[split], classes)
    if not rows.any():
        return None, np.nan
    own = features[split][rows]
    new = new_class_distances(own, np.searchsorted(classes, labels[split][rows]), known)
    truth = np.repeat([0, 1], len(own))
    return new, float(roc_auc_score(truth, np.concatenate([known.distances(own), new])))


def sets_table(
    limits: Limits, probabilities: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]
) -> Table | None:
    """Return how often sets of labels have the true one, and how large they are.

    Args:
        limits: what tells the sets.
        probabilities: split → float (N, classes).
        labels: split → int (N,).
    """
    if not len(limits.scores):
        return None
    held_out = [split for split in ("validation", "test") if split in probabilities]
    columns = ["predict --sets"]
    columns += [f"{split}: {what}" for split in held_out for what in ("have the true label", "labels in a set")]
    rows = []
    for level in _LEVELS:
        limit = set_limit(limits.scores, level)
        if limit >= 1:
            continue
        row = [f"{level:g}"]
        for split in held_out:
            at = scaled(probabilities[split], limits.temperature, exclusive=True)
            found = coverage(at, labels[split], limit)
            row += [f"{found.share:.1%} ± {found.error:.1%}", f"{found.size:.2f}"]
        rows.append(row)
    note = (
        f"The sets were measured on {limits.scores_of} ({len(limits.scores):,}). {_OWN_LIMIT} ± is the standard error "
        "by the number of images. The predicted label is always in its set, so the sets of a model that is right more "
        "often than was asked for have the true label more often, too."
    )
    return Table("Sets of labels", note, columns, rows)


def _share(values: np.ndarray) -> str:
    return f"{values.mean():.1%}"
