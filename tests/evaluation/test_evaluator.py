"""Evaluating stand-in models over labelled samples."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from evaluate_fakes import BLUE, GREEN, RED, StandInData, color_model, make_card, plain_image

from tlkit.errors import DataError
from tlkit.evaluation import evaluator
from tlkit.evaluation.logits import logits_of_model
from tlkit.models import inference
from tlkit.models.losses import BatchLoss
from tlkit.models.tasks import task_of_card
from tlkit.recipe.schema import Loss

CLASSES = ("red", "green", "blue")


def colors(*values: tuple[int, int, int]) -> np.ndarray:
    return np.stack([plain_image(value) for value in values])


def measure(model, card, data, rows=None, batch_size=2, **options):
    rows = np.arange(len(data.samples)) if rows is None else rows
    logits = logits_of_model(model, card, data, batch_size)
    return evaluator.evaluate(logits, card, data, rows, batch_size=batch_size, **options)


def test_an_incomplete_last_batch_is_counted_correctly() -> None:
    data = StandInData(colors(RED, GREEN, BLUE), ["test"] * 3, CLASSES, np.array([0, 1, 1], np.int32))
    outcome = measure(color_model(), make_card(), data)
    assert outcome.metrics["accuracy"] == pytest.approx(2 / 3)
    assert outcome.metrics["count"] == 3
    assert outcome.confusion.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]


def test_the_loss_of_each_sample_is_its_cross_entropy() -> None:
    data = StandInData(colors(RED, BLUE), ["test"] * 2, CLASSES, np.array([0, 1], np.int32))
    outcome = measure(color_model(), make_card(), data)
    wanted = -np.log(outcome.probabilities[[0, 1], [0, 1]])
    np.testing.assert_allclose(outcome.losses, wanted, rtol=1e-5, atol=1e-6)
    assert outcome.metrics["loss"] == pytest.approx(float(wanted.mean()), rel=1e-5)


def test_a_single_binary_logit_becomes_the_probability_of_the_second_class() -> None:
    card = make_card(classes=("other", "red"), label_kind="binary")
    data = StandInData(colors(RED, GREEN), ["test"] * 2, card.classes, np.array([1, 0], np.int32))
    outcome = measure(color_model(binary=True), card, data)
    assert outcome.metrics["accuracy"] == 1.0
    np.testing.assert_allclose(outcome.probabilities.sum(1), 1, rtol=1e-6)
    assert outcome.probabilities[0, 1] > 0.99


def test_multi_label_predicts_every_class_above_one_half() -> None:
    card = make_card(label_kind="multi")
    labels = np.ones((1, 3), np.float32)
    outcome = measure(color_model(), card, StandInData(colors(RED), ["test"], CLASSES, labels))
    assert outcome.metrics["accuracy"] == 1.0
    assert outcome.confusion is None


def test_data_classes_are_matched_by_name_and_may_be_a_subset() -> None:
    data = StandInData(colors(BLUE, GREEN), ["test"] * 2, ("blue", "green"), np.array([0, 1], np.int32))
    assert measure(color_model(), make_card(), data).metrics["accuracy"] == 1.0


def test_a_class_the_model_was_not_trained_on_is_named() -> None:
    data = StandInData(colors(BLUE), ["test"], ("blue", "violet"), np.array([1], np.int32))
    with pytest.raises(DataError, match="no class violet; it was trained on red, green, blue"):
        measure(color_model(), make_card(), data)


def segmentation(masks: np.ndarray, classes: tuple[str, ...] = CLASSES) -> StandInData:
    half = plain_image(RED)
    half[:, 4:] = GREEN
    return StandInData(np.stack([half] * len(masks)), ["test"] * len(masks), classes, masks=masks)


def halves(left: int, right: int) -> np.ndarray:
    mask = np.full((8, 8), left, np.uint8)
    mask[:, 4:] = right
    return mask


def test_segmentation_adds_up_the_confusion_of_all_images() -> None:
    data = segmentation(np.stack([halves(0, 1), halves(0, 1), halves(0, 2)]))
    outcome = measure(color_model(pixels=True), make_card(task="segmentation"), data)
    assert outcome.confusion.tolist() == [[96, 0, 0], [0, 64, 0], [0, 32, 0]]
    np.testing.assert_allclose(outcome.ious, [1, 1, 1 / 3])


def test_ignored_pixels_are_not_in_the_confusion_or_the_loss() -> None:
    data = segmentation(np.stack([halves(0, 255), np.full((8, 8), 255, np.uint8)]))
    outcome = measure(color_model(pixels=True), make_card(task="segmentation"), data)
    assert outcome.metrics["pixels"] == 32
    assert outcome.metrics["iou"] == {"red": 1.0, "green": None, "blue": None}
    assert outcome.losses[0] < 1e-3
    assert outcome.losses[1] == 0
    assert np.isnan(outcome.ious[1])


def test_mask_classes_are_matched_by_name() -> None:
    data = segmentation(halves(1, 0)[None], ("green", "red"))
    outcome = measure(color_model(pixels=True), make_card(task="segmentation"), data)
    assert outcome.metrics["pixel_accuracy"] == 1.0


def test_progress_is_reported_up_to_the_number_of_samples() -> None:
    seen: list[tuple[int, int]] = []
    data = StandInData(colors(RED, GREEN, BLUE), ["test"] * 3, CLASSES, np.array([0, 1, 2], np.int32))
    measure(color_model(), make_card(), data, progress=lambda *each: seen.append(each))
    assert seen == [(2, 3), (3, 3)]


@pytest.mark.parametrize("batch_size", [2, 3, 8])
@pytest.mark.parametrize("name", ["dice", "mean_absolute_error", "categorical_focal_crossentropy"])
def test_the_loss_of_a_split_is_the_recipes_in_the_batches_of_its_validation(monkeypatch, name, batch_size) -> None:
    images = colors(RED, GREEN, BLUE, RED, BLUE)
    masks = np.random.default_rng(0).integers(0, 3, (5, 8, 8)).astype(np.uint8)
    masks[:, 0] = 255
    card, model = make_card(task="segmentation"), color_model(pixels=True)
    data = StandInData(images, ["test"] * 5, CLASSES, masks=masks)
    loss = BatchLoss(task_of_card(card), Loss(name=name))
    total = count = 0.0
    for start in range(0, 5, batch_size):
        part = slice(start, start + batch_size)
        batch = {"segmentation_masks": tf.constant(masks[part, ..., None], tf.int32)}
        value, elements = loss(batch, model(images[part].astype(np.float32)))
        total, count = total + float(value) * float(elements), count + float(elements)
    monkeypatch.setattr(inference, "images_at_once", lambda _model: 2)
    outcome = measure(model, card, data, batch_size=batch_size, loss=Loss(name=name))
    assert outcome.metrics["loss"] == pytest.approx(total / count, rel=1e-5)
    plain = measure(model, card, data)
    assert outcome.metrics["cross_entropy"] == pytest.approx(plain.metrics["loss"], rel=1e-6)
    assert "cross_entropy" not in plain.metrics
    assert (outcome.losses_name, plain.losses_name) == ("cross_entropy", "loss")


def test_the_cross_entropy_by_its_name_is_one_number() -> None:
    data = StandInData(colors(RED, BLUE), ["test"] * 2, CLASSES, np.array([0, 1], np.int32))
    named = measure(color_model(), make_card(), data, loss=Loss(name="categorical_crossentropy"))
    assert "cross_entropy" not in named.metrics
    smoothing = Loss.model_validate({"name": "categorical_crossentropy", "label_smoothing": 0.1})
    smoothed = measure(color_model(), make_card(), data, loss=smoothing)
    assert smoothed.metrics["loss"] != smoothed.metrics["cross_entropy"] == named.metrics["loss"]
