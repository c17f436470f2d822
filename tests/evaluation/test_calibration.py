"""Calibration: the expected error, and the temperature against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from tlkit.evaluation import calibration
from tlkit.evaluation.calibration import confidences, fit_temperature, reliability, scaled
from tlkit.models.scores import sigmoid, softmax


class Logits(ClassifierMixin, BaseEstimator):
    """Gives logits as they are."""

    def fit(self, logits, labels):
        self.classes_ = np.unique(labels)
        return self

    def decision_function(self, logits):
        return logits

    def predict(self, logits):
        return logits.argmax(1)


@pytest.fixture
def drawn():
    """Logits of 2,000 images, and labels drawn with the probabilities at 2.5 times the temperature."""
    random = np.random.default_rng(0)
    logits = 5 * random.standard_normal((2000, 4))
    true = softmax(logits / 2.5)
    labels = (true.cumsum(1) < random.random((2000, 1))).sum(1).clip(0, 3)
    return logits, labels


def test_the_temperature_is_that_with_which_labels_were_drawn_and_that_of_scikit_learn(drawn) -> None:
    logits, labels = drawn
    found = fit_temperature(softmax(logits), labels)
    assert found == pytest.approx(2.5, rel=0.06)
    fitted = CalibratedClassifierCV(FrozenEstimator(Logits().fit(logits, labels)), method="temperature").fit(
        logits, labels
    )
    expected = fitted.predict_proba(logits)
    np.testing.assert_allclose(scaled(softmax(logits), found, exclusive=True), expected, atol=2e-3)


def test_of_very_many_images_some_give_the_temperature(drawn, monkeypatch) -> None:
    logits, labels = drawn
    monkeypatch.setattr(calibration, "_FITTED_IMAGES", 500)
    monkeypatch.setattr(calibration, "_FITTED_VALUES", 1)
    found = fit_temperature(softmax(logits), labels)
    assert found == fit_temperature(softmax(logits[::4]), labels[::4])
    assert found == pytest.approx(2.5, rel=0.15)


def test_the_error_is_smaller_at_the_temperature(drawn) -> None:
    logits, labels = drawn
    before = softmax(logits)
    after = scaled(before, fit_temperature(before, labels), exclusive=True)
    errors = [reliability(*confidences(each, labels)).error for each in (before, after)]
    assert errors[0] > 0.1
    assert errors[1] < 0.03
    assert (before.argmax(1) == after.argmax(1)).all()


def test_the_error_of_a_model_that_is_always_sure_and_right_by_half() -> None:
    found = reliability(np.ones(10), np.arange(10) < 5)
    assert found.error == 0.5
    assert found.counts[-1] == 10
    assert np.isnan(found.true[0])


def test_the_labels_of_an_image_count_one_by_one() -> None:
    random = np.random.default_rng(0)
    logits = 6 * random.standard_normal((3000, 3))
    labels = (random.random((3000, 3)) < sigmoid(logits / 3)).astype(np.float32)
    found = fit_temperature(sigmoid(logits), labels)
    assert found == pytest.approx(3, rel=0.1)
    after = scaled(sigmoid(logits), found, exclusive=False)
    np.testing.assert_allclose(after, sigmoid(logits / found), atol=4e-3)  # float32 near 1
    assert reliability(*confidences(after, labels)).error < 0.02


def test_certain_probabilities_stay_numbers() -> None:
    certain = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert np.isfinite(fit_temperature(certain, np.array([0, 0])))
    for exclusive in (True, False):
        assert np.isfinite(scaled(certain, 2.0, exclusive=exclusive)).all()
