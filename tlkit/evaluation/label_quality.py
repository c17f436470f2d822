"""How likely given labels are wrong, by confident learning (Northcutt et al. 2021, https://arxiv.org/abs/1911.00068).

Everything here takes the probabilities of heads that did not train on the image in question.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from tlkit.errors import DataError


@dataclass(frozen=True)
class LabelQuality:
    """How good the labels of images are.

    Args:
        scores: float64 (N,) in 0-1; the lower, the more likely the label is wrong. Of single labels the probability of
            the label, of several the mean over them that weights the worst most.
        wrong: bool (N,), whether the label is taken to be wrong.
        suggested: what the images seem to be: int64 (N,) class numbers, or bool (N, K).
    """

    scores: np.ndarray
    wrong: np.ndarray
    suggested: np.ndarray


def need_cleanlab() -> None:
    """Check that cleanlab is installed.

    Raises:
        DataError: it is not; the message has the command that installs it.
    """
    from importlib.util import find_spec

    if find_spec("cleanlab") is None:
        raise DataError(
            'tlkit labels needs the package cleanlab, which is not installed; pip install "tlkit[labels]" installs it'
        )


def label_quality(labels: np.ndarray, probabilities: np.ndarray) -> LabelQuality:
    """Compare labels with probabilities.

    Args:
        labels: int (N,) class numbers, or multi-hot (N, K).
        probabilities: float64 (N, K), of the classes that each image has.

    Raises:
        DataError: cleanlab is not installed.
    """
    need_cleanlab()
    with warnings.catch_warnings():
        # Of classes with a few images: nothing that one could do about it here.
        warnings.simplefilter("ignore", UserWarning)
        if labels.ndim == 2:
            return _several(labels > 0.5, probabilities)
        return _single(np.asarray(labels, np.int64), probabilities)


def _single(labels: np.ndarray, probabilities: np.ndarray) -> LabelQuality:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    suggested = probabilities.argmax(1)
    known, numbers = np.unique(labels, return_inverse=True)
    if len(known) < 2:
        return LabelQuality(np.ones(len(labels)), np.zeros(len(labels), bool), suggested)
    of_known = probabilities[:, known]
    totals = of_known.sum(1, keepdims=True)
    of_known = np.where(totals > 0, of_known / np.where(totals > 0, totals, 1), 1 / len(known))
    scores = get_label_quality_scores(numbers, of_known, method="self_confidence")
    # Which labels the filter takes varies with the classes; how many it takes is a good estimate, and the score ranks.
    count = int(np.sum(find_label_issues(numbers, of_known, n_jobs=1)))
    wrong: np.ndarray = np.zeros(len(labels), bool)
    wrong[np.argsort(scores, kind="stable")[:count]] = True
    wrong[suggested == labels] = False
    return LabelQuality(np.asarray(scores, np.float64), wrong, suggested)


def _several(labels: np.ndarray, probabilities: np.ndarray) -> LabelQuality:
    from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class
    from cleanlab.multilabel_classification.rank import get_label_quality_scores

    lists = [np.flatnonzero(row).tolist() for row in labels]
    scores = np.asarray(get_label_quality_scores(lists, probabilities), np.float64)
    issues = np.asarray(find_multilabel_issues_per_class(lists, probabilities, n_jobs=1), bool)
    wrong = np.logical_and(issues, (probabilities > 0.5) != labels)
    return LabelQuality(scores, np.asarray(wrong.any(1)), np.logical_xor(labels, wrong))
