"""Pictures can be drawn from any values, and show what they should."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkit.errors import RunError
from tlkit.report.colors import overlay, palette
from tlkit.report.confusion_matrix import compact, confusion_matrix, label_counts
from tlkit.report.figures import shorten
from tlkit.report.image_grids import ClassifiedImage, SegmentedImage, classified_page, segmented_page
from tlkit.report.learning_curves import learning_curves
from tlkit.report.learning_rate_plot import learning_rate_plot, loss_limits
from tlkit.report.tiled_masks import Overlay
from tlkit.runs.history import read_history

HISTORY = """phase,epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds
head,1,1.0,0.5,1.1,0.9,0.001,2.0
head,2,0.8,0.6,0.9,0.6,0.001,2.0
tune,3,0.7,0.7,0.8,0.7,0.0001,3.0
tune,4,0.6,0.8,nan,0.8,0.0001,3.0
tune,5,0.5,0.9,0.9,0.75,0.0001,3.0
"""
AWKWARD = "猫 $x^2$ \x07\n" + "long " * 30


def size(png: bytes) -> tuple[int, int]:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return image.size


@pytest.fixture
def history_file(tmp_path: Path) -> Path:
    path = tmp_path / "metrics.csv"
    path.write_text(HISTORY, encoding="utf-8")
    return path


def test_learning_curves_have_a_panel_for_each_metric(history_file: Path) -> None:
    history = read_history(history_file)
    wide, _ = size(learning_curves(history, 3, "val_accuracy"))
    only_loss = replace(history, columns={"loss": history.columns["loss"]})
    assert size(learning_curves(only_loss))[0] < wide


def test_the_best_epoch_is_marked(history_file: Path) -> None:
    history = read_history(history_file)
    third, fourth, none = (learning_curves(history, epoch, "val_accuracy") for epoch in (3, 4, 0))
    assert len({third, fourth, none}) == 3


def test_a_history_without_epochs_can_be_drawn(history_file: Path) -> None:
    history_file.write_text(HISTORY.splitlines()[0] + "\n", encoding="utf-8")
    size(learning_curves(read_history(history_file)))


def test_a_damaged_history_is_named(history_file: Path) -> None:
    history_file.write_text(HISTORY.replace("0.6", "six"), encoding="utf-8")
    with pytest.raises(RunError, match=r"metrics\.csv: not the metrics of a run"):
        read_history(history_file)


@pytest.mark.parametrize("count", [2, 37, 130, 400])
def test_confusion_matrices_of_few_and_many_classes(count: int) -> None:
    counts = np.random.default_rng(0).integers(0, 5, (count, count))
    png = confusion_matrix(counts, [f"class {number}" for number in range(count)], "validation")
    assert max(size(png)) < 4100


def test_long_names_missing_glyphs_and_mathematics_can_be_drawn() -> None:
    size(confusion_matrix(np.eye(2, dtype=int), [AWKWARD, "$"], AWKWARD))
    image = np.zeros((8, 8, 3), np.uint8)
    size(classified_page([ClassifiedImage(image, AWKWARD, AWKWARD, "$$", False, 0.5, 1.0)], AWKWARD, names=True))


def test_multi_label_counts_can_be_drawn() -> None:
    truth = np.array([[1, 0], [1, 1]])
    size(label_counts(truth, 1 - truth, ("a", "b")))


def red_frame(png: bytes) -> int:
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return int((np.abs(pixels - (198, 40, 40)).sum(-1) < 10).sum())


def test_only_wrong_images_have_a_red_frame() -> None:
    image = np.full((8, 8, 3), 255, np.uint8)
    right = classified_page([ClassifiedImage(image, "a.jpg", "cat", "cat", True, 0.9, 0.1)], "page")
    wrong = classified_page([ClassifiedImage(image, "a.jpg", "cat", "dog", False, 0.9, 2.0)], "page")
    assert red_frame(wrong) > 1000
    assert red_frame(right) == 0


def test_masks_with_ignored_pixels_and_an_unknown_iou_can_be_drawn() -> None:
    image = np.zeros((8, 16, 3), np.uint8)
    mask = np.full((8, 16), 255, np.uint8)
    page = segmented_page(
        [SegmentedImage(image, AWKWARD, mask, np.zeros_like(mask), float("nan"), "worst")] * 3,
        "page",
        [f"class {number}" for number in range(50)],
        tuple(palette(50)),
    )
    size(page)


def test_an_overlay_is_grey_at_ignored_pixels_and_coloured_elsewhere() -> None:
    mask = np.full((8, 8), 255, np.uint8)
    mask[:, 4:] = 1
    drawn = overlay(np.full((8, 8, 3), 100, np.uint8), mask, ((0, 0, 0), (200, 0, 100)))
    assert drawn[0, 0].tolist() == [124, 124, 124]
    assert drawn[0, 6].tolist() == [150, 50, 100]


@pytest.mark.parametrize(
    ("number", "text"), [(9999, "9999"), (12_345, "12k"), (1_234_567, "1.2M"), (25_000_000_000, "25G")]
)
def test_compact_counts(number: int, text: str) -> None:
    assert compact(number) == text


def test_shortening_preserves_both_ends_of_a_path_and_replaces_control_characters() -> None:
    assert shorten("a/very/long/path/name.jpg", 11, middle=True) == "a/ver…e.jpg"
    assert shorten("a\nb\udc80", 11) == "a?b?"


RATES = np.geomspace(1e-6, 10.0, 120)
FALL = 0.3 + 2 / (1 + (RATES / 1e-3) ** 2)


def test_a_range_test_shows_its_suggestion() -> None:
    plain = learning_rate_plot(RATES, FALL, FALL, None, "title")
    first, second = (learning_rate_plot(RATES, FALL, FALL, rate, "title") for rate in (1e-3, 1e-2))
    assert len({plain, first, second}) == 3
    size(plain)


def test_the_divergence_of_a_range_test_does_not_dominate_the_loss_axis() -> None:
    blown = FALL.copy()
    blown[-3:] = (1e3, 1e6, 1e9)
    low, high = loss_limits(blown, blown)
    assert low < FALL.min()
    assert FALL.max() < high < 2 * FALL.max()


def test_the_loss_axis_of_a_range_test_has_room_for_noisy_batches() -> None:
    noise = np.random.default_rng(0).normal(0, 0.5, len(RATES))
    low, high = loss_limits(2 + noise, np.full(len(RATES), 2.0))
    shown = (low < 2 + noise) & (2 + noise < high)
    assert shown.mean() > 0.9


@pytest.mark.parametrize(
    "losses", [[2.0, np.nan, np.inf], [np.nan] * 3, [1.0] * 3, [0.0] * 3, [1.0]], ids=["ends", "none", "flat", "0", "1"]
)
def test_every_range_test_can_be_drawn(losses: list[float]) -> None:
    values = np.array(losses)
    size(learning_rate_plot(RATES[: len(values)], values, values, float(RATES[0]), AWKWARD))


def test_an_overlay_that_is_drawn_in_strips_is_that_of_the_whole_picture() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 255, (600, 20, 3), np.uint8)
    mask = np.zeros((600, 20), np.uint8)
    mask[256:400, 3:9] = 1  # begins with a strip
    mask[100:512, 12:15] = 2  # ends with one
    drawing = Overlay(mask.shape)
    for rows in (slice(0, 300), slice(300, 600)):
        drawing.add_picture(image[rows])
        drawing.add_mask(mask[rows])
    colors = tuple(palette(3))
    for background in (0, None):
        assert np.array_equal(drawing.drawn(colors, background), overlay(image, mask, colors, background))
