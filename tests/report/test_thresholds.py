"""Precision and recall at other thresholds, compared with scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from tlkit.report.thresholds import thresholds


@pytest.mark.parametrize("several", [False, True])
def test_the_figures_at_each_threshold_are_those_of_scikit_learn(several: bool) -> None:
    rng = np.random.default_rng(2)
    probabilities = rng.random((200, 3 if several else 2)).round(2).astype(np.float32)
    labels = (rng.random((200, 3)) < 0.3).astype(np.float32) if several else rng.integers(0, 2, 200)
    found = thresholds(probabilities, labels, ["a", "b", "c"][: probabilities.shape[1]])
    for number, curve in enumerate(found.curves):
        truth = labels[:, number] > 0.5 if several else labels == number
        best = 0.0
        for step in range(101):
            given = probabilities[:, number] > np.float32(step / 100)
            precision, recall, f1, _ = precision_recall_fscore_support(truth, given, average="binary", zero_division=0)
            at = curve.at(step)
            assert (at.precision or 0, at.recall, at.f1) == pytest.approx((precision, recall, f1))
            assert at.counts == (
                (truth & given).sum(),
                (~truth & given).sum(),
                (truth & ~given).sum(),
                (~truth & ~given).sum(),
            )
            best = max(best, f1)
        assert curve.best.f1 == pytest.approx(best)
        assert curve.default == curve.at(50)
    sent = found.for_script()
    assert [each["hits"][50] for each in sent] == [curve.default.counts[0] for curve in found.curves]


def test_of_many_labels_the_commonest_are_shown() -> None:
    labels = np.tril(np.ones((60, 60), np.float32))
    found = thresholds(labels * 0.9, labels, [str(number) for number in range(60)])
    assert [curve.name for curve in found.curves] == [str(number) for number in range(40)]
    assert found.left_out == 20


def test_a_label_that_no_image_has_has_no_recall() -> None:
    [_, curve] = thresholds(np.array([[0.9, 0.1]]), np.array([0]), ["a", "b"]).curves
    assert curve.default.recall is None
    assert curve.default.precision is None
    assert curve.at(5).precision == 0
