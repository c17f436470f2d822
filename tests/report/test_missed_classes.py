"""Classes that a model never predicts correctly are named, with the likely cause and the key to set."""

from __future__ import annotations

import numpy as np
import pytest
from evaluate_fakes import StandInData, make_card

from tlkit.evaluation.metrics import segmentation_metrics
from tlkit.evaluation.outcome import ClassificationOutcome, SegmentationOutcome
from tlkit.report.missed_classes import missed_classes

CLASSES = ("road", "car", "pole", "van")
ROAD_ONLY = np.array([[900, 0, 0, 0], [50, 0, 0, 0], [10, 0, 0, 0], [20, 0, 0, 0]])


def segmented(
    confusion: np.ndarray,
    trained: dict[int, int],
    classes: tuple[str, ...] = CLASSES,
    pixels: np.ndarray | None = None,
) -> list[str]:
    """Return the notes on a model with that confusion, given class number → pixels of the training masks."""
    confusion = np.pad(confusion, ((0, len(classes) - len(confusion)), (0, 0)))[:, : len(classes)]
    masks = np.concatenate([np.full(count, number, np.uint8) for number, count in trained.items()])
    data = StandInData(np.zeros((2, 1, 1, 3)), ["train", "validation"], classes, masks=np.stack([masks, masks * 0]))
    outcome = SegmentationOutcome(
        np.array([1]),
        np.zeros(1, np.float32),
        segmentation_metrics(confusion, classes),
        confusion,
        np.zeros(1),
        np.zeros((1, 3, len(classes)), np.uint32) if pixels is None else pixels,
    )
    return missed_classes(outcome, data, make_card(task="segmentation", classes=classes), "validation")


def test_each_class_that_is_never_right_is_named_with_its_cause() -> None:
    notes = segmented(ROAD_ONLY, {0: 900, 1: 95, 2: 5})
    assert notes == [
        "validation: IoU is 0.000 for van (never predicted): no training pixel is of it, so it can't be learnt; move "
        "images of it to the training split, or leave the class out",
        "validation: IoU is 0.000 for pole (0.50% of the training pixels, 100% of it taken for road, never predicted): "
        'few training pixels; train.class_weights = "balanced" gives them more weight, a larger input.image_size more '
        "pixels",
        "validation: IoU is 0.000 for car (9.50% of the training pixels, 100% of it taken for road, never predicted): "
        "train for longer (epochs of [schedule]) or with another learning rate; the confusion matrix shows what it is "
        "taken for",
    ]


def test_a_class_that_is_taken_for_another_one_is_confused_unless_that_is_background_or_common() -> None:
    confusion = np.diag([900, 0, 10, 20])
    confusion[1] = [10, 0, 0, 40]
    [note] = segmented(confusion, {0: 85, 1: 5, 2: 5, 3: 5})
    assert note == (
        "validation: IoU is 0.000 for car (5.00% of the training pixels, 80% of it taken for van, never predicted): "
        "mostly taken for another class; join the two if they look alike to you too, or add images that show the "
        "difference"
    )
    [note] = segmented(confusion, {0: 5, 1: 5, 2: 5, 3: 85})
    assert "80% of it taken for van, never predicted): train for longer" in note
    [note] = segmented(confusion, {0: 85, 1: 5, 2: 5, 3: 5}, ("road", "car", "pole", "background"))
    assert "for car (5.00% of the training pixels, never predicted): train for longer" in note


def test_a_class_of_few_pixels_in_each_image_is_too_small() -> None:
    sizes = np.zeros((5, 3, 4), np.uint32)
    sizes[:3, 1, 1] = 10, 63, 500
    [note] = segmented(ROAD_ONLY[:2], dict.fromkeys(range(4), 25), pixels=sizes)
    assert "a median of 63 pixels in the images that have it" in note
    assert note.endswith("too small at 8×8 pixels; a larger input.image_size shows more of it")


def test_a_class_that_only_the_model_sees_says_so() -> None:
    confusion = np.diag([900, 50, 10, 0])
    confusion[0, 3] = 5
    [note] = segmented(confusion, dict.fromkeys(range(4), 25))
    assert note.startswith("validation: IoU is 0.000 for van (25.00% of the training pixels): no pixel of validation")


def test_a_class_that_occurs_nowhere_and_classes_that_are_found_have_no_note() -> None:
    assert segmented(np.diag([900, 50, 10, 0]), {0: 10}) == []


@pytest.mark.parametrize("multi_label", [False, True])
def test_classes_of_images_are_named_too(multi_label: bool) -> None:
    truth, guessed = np.array([0, 0, 1, 2]), np.array([0, 0, 0, 2])
    eye = np.eye(3, dtype=np.float32)
    labels = eye[truth] if multi_label else truth
    data = StandInData(
        np.zeros((8, 1, 1, 3)), ["train"] * 4 + ["test"] * 4, ("a", "b", "c"), np.concatenate([labels] * 2)
    )
    confusion = None
    if not multi_label:
        confusion = np.zeros((3, 3), np.int64)
        np.add.at(confusion, (truth, guessed), 1)
    outcome = ClassificationOutcome(np.arange(4), np.zeros(4, np.float32), {}, 0.9 * eye[guessed], labels, confusion)
    card = make_card(classes=("a", "b", "c"), label_kind="multi" if multi_label else "single")
    [note] = missed_classes(outcome, data, card, "test")
    taken = "" if multi_label else ", 100% of it taken for a"
    assert note.startswith(f"test: F1 is 0.000 for b (1 training images{taken}, never predicted): ")
