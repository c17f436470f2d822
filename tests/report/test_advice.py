"""The sentences at the top of a report, and what it advises: each rule speaks on its figures, and only then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from evaluate_fakes import make_card

from tlkit.evaluation.calibration import Reliability
from tlkit.evaluation.measured_calibration import Calibration
from tlkit.evaluation.outcome import Outcome
from tlkit.report.advice import advice
from tlkit.report.run_summary import run_summary
from tlkit.report.seen import Seen
from tlkit.runs.history import History


def outcome(value: float, interval: tuple[float, float], commonest: float, name: str = "accuracy") -> Outcome:
    metrics: dict[str, Any] = {name: value, "intervals": {name: list(interval)}}
    metrics["commonest"] = {"class": "red", name: commonest}
    return Outcome(np.arange(4), np.zeros(4, np.float32), metrics)


def history(**columns: list[float]) -> History:
    count = len(next(iter(columns.values())))
    values = {name: tuple(column) for name, column in columns.items()}
    return History(("head",) * count, tuple(range(1, count + 1)), values, (0.001,) * count, (1.0,) * count)


GOOD = {
    "loss": [1.0, 0.5, 0.3, 0.25, 0.22, 0.2, 0.19, 0.19],
    "val_loss": [1.1, 0.6, 0.4, 0.35, 0.32, 0.31, 0.305, 0.306],
    "accuracy": [0.5, 0.8, 0.9, 0.92, 0.93, 0.94, 0.95, 0.95],
    "val_accuracy": [0.5, 0.8, 0.9, 0.91, 0.92, 0.93, 0.93, 0.93],
}
SETTINGS = {
    "input": {"validation": 0.1, "test": 0.1},
    "train": {"class_weights": "none", "early_stop": None},
    "schedule": {"name": "frozen", "epochs": 8, "learning_rate": 0.001},
    "augment": {"name": "flip"},
    "head": {"dropout": 0.2},
    "backbone": {"weights": "imagenet"},
}


def seen(**changes: Any) -> Seen:
    values: dict[str, Any] = {
        "card": make_card(),
        "outcomes": {"validation": outcome(0.93, (0.91, 0.95), 0.4), "test": outcome(0.92, (0.9, 0.94), 0.4)},
        "images": {"train": 800, "validation": 100, "test": 1000},
        "trained": {"red": 300, "green": 250, "blue": 250},
        "set_aside": 0,
        "history": history(**GOOD),
        "best_epoch": 7,
        "calibration": {},
        "notes": (),
        "settings": SETTINGS,
    }
    return Seen(**(values | changes))


def keys(found: Seen) -> list[str]:
    return [key for each in advice(found) for key in each.keys]


def test_there_is_no_advice_on_a_run_with_nothing_to_mend() -> None:
    assert advice(seen()) == []


@pytest.mark.parametrize(
    ("changes", "text", "key"),
    [
        ({"history": history(**{**GOOD, "loss": [1.0, 2.0, np.nan, np.nan]})}, "from epoch 3 on", "learning_rate"),
        ({"history": history(**{**GOOD, "loss": [1.0, 2.0, 3.0, 4.0]})}, "rose from 1.000 to 4.000", "= 0.0001"),
        ({"outcomes": {"test": outcome(0.42, (0.38, 0.46), 0.4)}}, "can't be told from the 0.400", "tlkit check"),
        ({"outcomes": {}}, "All 800 images were trained on", "input.test = 0.2"),
        (
            {"history": history(**{**GOOD, "accuracy": [0.99] * 8})},
            "In epoch 7, the accuracy was 0.990 on training images and 0.930 on validation images",
            None,
        ),
        (
            {"history": history(**{**GOOD, "val_accuracy": [0.8] * 8})},
            "0.950 on training images and 0.800 on validation images",
            "head.dropout = 0.4",
        ),
        (
            {"history": history(**{**GOOD, "accuracy": [0.7] * 8, "val_accuracy": [0.7] * 8})},
            "only 70.0\u00a0% were predicted correctly",
            'schedule.name = "two_phase"',
        ),
        (
            {"history": history(**{**GOOD, "val_loss": [1.1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]}), "best_epoch": 8},
            "still fell when the training ended, from 0.500 to 0.300",
            "schedule.epochs = 16",
        ),
        ({"best_epoch": 3}, "the weights of epoch 3; none of the 5 later ones was better", "train.early_stop = 5"),
        ({"trained": {"red": 300, "green": 12, "blue": 19}}, "2 of 3 classes have fewer than 20", ""),
        (
            {"outcomes": {"test": outcome(0.9, (0.7, 0.97), 0.4)}, "images": {"train": 80, "test": 20}},
            "With 20 test images, the accuracy is only known to lie between 0.700 and 0.970",
            "tlkit run RECIPE --folds 5",
        ),
        ({"set_aside": 100}, "100 of 2,000 files could not be used", "tlkit check RECIPE"),
        (
            {"outcomes": {"validation": outcome(0.93, (0.91, 0.95), 0.4)}, "images": {"train": 80, "validation": 40}},
            "There are no test images",
            "input.test = 0.1",
        ),
    ],
)
def test_each_rule_says_what_was_seen_and_which_key_to_set(changes, text: str, key: str | None) -> None:
    found = advice(seen(**changes))
    if key is None:
        assert not any(text in each.seen for each in found)
        return
    assert any(text in each.seen for each in found)
    assert any(key in each for each in keys(seen(**changes))) or not key


def test_classes_that_are_never_right_are_named_with_the_likely_causes() -> None:
    missing = outcome(0.92, (0.9, 0.94), 0.4)
    rows = {"red": (0.0, 5), "green": (0.9, 5), "blue": (0.0, 0)}
    missing.metrics["per_class"] = {name: {"f1": f1, "support": support} for name, (f1, support) in rows.items()}
    [found] = advice(seen(outcomes={"test": missing}, notes=["test: F1 is 0.000 for red: do this"]))
    assert found.seen == "1 of 3 classes is never predicted correctly: red."
    assert found.do == "Test: F1 is 0.000 for red: do this."
    [found] = advice(seen(outcomes={"test": missing}, notes=["x" * 500]))
    assert found.do == "Likely causes stand at the table of the classes of the test images."


def test_a_loss_that_still_falls_is_let_be_where_all_is_right() -> None:
    falling = history(**{**GOOD, "val_loss": [1.1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]})
    perfect = {"test": outcome(1.0, (0.99, 1.0), 0.4)}
    assert advice(seen(history=falling, best_epoch=8, outcomes=perfect)) == []


def test_a_low_training_accuracy_says_nothing_where_validation_images_do_better() -> None:
    better = history(**{**GOOD, "accuracy": [0.5] * 8, "val_accuracy": [0.8] * 8})
    assert advice(seen(history=better)) == []


def test_unequal_classes_are_named_where_the_rare_ones_suffer() -> None:
    unequal = outcome(0.92, (0.9, 0.94), 0.4)
    unequal.metrics["macro_f1"] = 0.7
    changes = {"outcomes": {"test": unequal}, "trained": {"red": 500, "green": 50}}
    [found] = advice(seen(**changes))
    assert found.keys == ('train.class_weights = "balanced"',)
    assert "red with 500 training images and green with 50" in found.seen
    weighted = SETTINGS | {"train": {"class_weights": "balanced"}}
    assert advice(seen(**changes, settings=weighted)) == []


def test_wrong_probabilities_are_named_where_a_temperature_mends_them() -> None:
    def of(error: float) -> Reliability:
        return Reliability(np.array([100]), np.array([0.8 + error]), np.array([0.8]))

    found = advice(seen(calibration={"test": Calibration(2.0, of(0.12), of(0.02), fitted=False)}))
    assert "too high: on average they are 12.0 points" in found[0].seen
    assert "label_smoothing" in found[0].keys[0]
    assert advice(seen(calibration={"test": Calibration(2.0, of(0.12), of(0.1), fitted=False)})) == []
    assert advice(seen(calibration={"test": Calibration(1.0, of(0.02), of(0.01), fitted=False)})) == []


@pytest.mark.parametrize("settings", [{}, {"schedule": 3, "head": {"dropout": "x"}, "input": None, "train": []}])
def test_a_recipe_of_any_values_gives_advice_without_them(settings) -> None:
    changes = {"history": history(**{**GOOD, "val_accuracy": [0.8] * 8}), "best_epoch": 3}
    found = advice(seen(settings=settings, **changes, trained={"red": 5, "green": 200}))
    assert len(found) == 3


def test_the_first_sentences_say_what_the_run_is_and_how_well_it_did() -> None:
    assert run_summary(seen()) == [
        "This model sorts images into 3 classes: red, green, blue. It was trained on 800 images.",
        "Of 1,000 test images, which it was not trained on, it gets 92.0\u00a0% right "
        "(95\u00a0% interval 90.0\u00a0% to 94.0\u00a0%).",
        'Calling every image "red" would be right for 40.0\u00a0%.',
    ]
    validation = {"validation": outcome(0.5, (0.4, 0.6), 0.4)}
    sentences = run_summary(seen(outcomes=validation, images={"train": 1, "validation": 1}))
    assert sentences[0].endswith("trained on 1 image.")
    assert sentences[1].startswith("Of 1 validation image, which")
    assert "There are no test images" in sentences[-1]
    assert "No images were held out" in run_summary(seen(outcomes={}))[1]
    masks = {"test": outcome(0.7, (0.6, 0.8), 0.3, "mean_iou")}
    sentences = run_summary(seen(card=make_card(task="segmentation"), outcomes=masks))
    assert "finds for each pixel of an image which of 3 classes it belongs to" in sentences[0]
    assert "overlap by 70.0\u00a0% on average (mean IoU 0.700; 95\u00a0% interval 0.600 to 0.800)" in sentences[1]
    assert sentences[2] == 'Calling every pixel "red" would give a mean IoU of 0.300.'
    several = run_summary(seen(card=make_card(label_kind="multi")))
    assert "finds which of 3 labels an image has" in several[0]
    assert "it gets all labels of 92.0\u00a0% right" in several[1]
