"""Likely wrong labels from probabilities, by cleanlab."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.errors import DataError
from tlkit.evaluation import label_quality as module
from tlkit.evaluation.label_quality import label_quality, need_cleanlab
from tlkit.evaluation.linear_head import out_of_fold_probabilities


def exchanged(share: float, *, count: int = 600, classes: int = 10, seed: int = 0):
    """Return features of overlapping classes, labels of which a share is exchanged, and which those are."""
    random = np.random.default_rng(seed)
    truth = np.arange(count) % classes
    centres = random.normal(size=(classes, 24)) * 1.3
    features = (centres[truth] + random.normal(size=(count, 24))).astype(np.float32)
    wrong = np.zeros(count, bool)
    wrong[random.choice(count, round(share * count), replace=False)] = True
    labels = np.where(wrong, (truth + random.integers(1, classes, count)) % classes, truth)
    return features, labels, truth, wrong


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_exchanged_labels_are_among_the_first_tenth(share):
    features, labels, truth, wrong = exchanged(share)
    quality = label_quality(labels, out_of_fold_probabilities(features, labels, 10))
    first = np.argsort(quality.scores)[: len(labels) // 10]
    assert wrong[first].sum() >= 0.8 * wrong.sum()
    assert (quality.suggested[wrong] == truth[wrong]).mean() > 0.8
    assert wrong[quality.wrong].sum() >= 0.7 * wrong.sum()  # their number is an estimate
    assert wrong[quality.wrong].mean() > 0.8
    assert not quality.wrong[quality.suggested == labels].any()


def test_labels_that_are_all_right_are_left_alone():
    probabilities = np.full((60, 3), 0.05) + 0.85 * np.eye(3)[np.arange(60) % 3]
    assert not label_quality(np.arange(60) % 3, probabilities).wrong.any()


def test_a_class_that_no_image_has_is_no_error():
    probabilities = np.full((60, 4), 0.05) + 0.8 * np.eye(4)[np.arange(60) % 2]
    quality = label_quality(np.arange(60) % 2, probabilities)
    assert (quality.scores > 0.9).all()


def test_one_class_has_nothing_to_be_confused_with():
    quality = label_quality(np.zeros(8, int), np.tile([0.2, 0.8], (8, 1)))
    assert not quality.wrong.any()
    assert (quality.scores == 1).all()


def test_of_several_labels_the_wrong_one_is_found():
    random = np.random.default_rng(0)
    truth = random.random((200, 4)) > 0.5
    probabilities = np.clip(np.where(truth, 0.9, 0.1) + random.normal(size=truth.shape) * 0.03, 0.01, 0.99)
    labels = truth.astype(np.float32)
    labels[7, 2] = 1 - labels[7, 2]
    quality = label_quality(labels, probabilities)
    assert quality.scores.argmin() == 7
    assert quality.wrong[7]
    np.testing.assert_array_equal(quality.suggested[7], truth[7])
    assert quality.wrong.sum() < 5


def test_without_cleanlab_the_message_has_the_command_to_type(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r'pip install "tlkit\[labels\]"'):
        need_cleanlab()
    with pytest.raises(DataError, match="cleanlab"):
        module.label_quality(np.array([0, 1]), np.eye(2))


def test_a_label_that_the_heads_agree_with_is_not_called_wrong(monkeypatch):
    monkeypatch.setattr("cleanlab.filter.find_label_issues", lambda labels, *_, **__: np.ones(len(labels), bool))
    probabilities = np.full((60, 3), 0.3) + 0.1 * np.eye(3)[np.arange(60) % 3]
    assert not label_quality(np.arange(60) % 3, probabilities).wrong.any()
