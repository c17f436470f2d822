"""What the report shows of a segmentation: classes, confusion, borders, images by IoU and where they are wrong."""

from __future__ import annotations

import csv
from dataclasses import replace

import keras
import numpy as np
import pytest
from evaluate_fakes import BLUE, GREEN, RED, StandInData, color_model, make_card, plain_image
from recipe_text import recipe_text

from tlkit.contracts import IGNORE
from tlkit.evaluation.evaluator import evaluate
from tlkit.evaluation.logits import logits_of_model
from tlkit.evaluation.metrics import segmentation_metrics
from tlkit.evaluation.outcome import SegmentationOutcome
from tlkit.recipe.load import parse_recipe
from tlkit.registry.discovery import make_registry
from tlkit.report.colors import background_class, overlay, palette
from tlkit.report.image_grids import SegmentedImage
from tlkit.report.mask_figures import BEST, MIDDLE, WORST, shown_positions
from tlkit.report.mask_pictures import ADDED, CONFUSED, MISSED, difference
from tlkit.report.segmentation_pages import SegmentationPages
from tlkit.report.segmentation_part import MAX_MATRIX, segmentation_part
from tlkit.report.write_results import Additions, write_results
from tlkit.runs.folder import RunFolder

CLASSES = ("background", "cat", "<b>dog</b>")


def outcome_of(confusions: np.ndarray, ious: np.ndarray | None = None, classes=CLASSES) -> SegmentationOutcome:
    """Return an outcome, given the confusion matrix of each image, int (N, classes, classes)."""
    count = len(confusions)
    pixels = np.stack([confusions.diagonal(axis1=1, axis2=2), confusions.sum(2), confusions.sum(1)], 1)
    metrics = segmentation_metrics(confusions.sum(0), classes)
    metrics["intervals"] = {"iou": {classes[1]: [0.25, 0.5]}}
    ious = np.linspace(0, 1, count) if ious is None else ious
    return SegmentationOutcome(
        np.arange(count), np.zeros(count), metrics, confusions.sum(0), ious, pixels.astype(np.uint32)
    )


def part_of(outcome: SegmentationOutcome, classes=CLASSES, masks=None, shown=()):
    keys = [f"{each}.png" for each in range(len(outcome.rows))]
    return segmentation_part(make_card(task="segmentation", classes=classes), outcome, keys, masks or {}, shown)


CONFUSIONS = np.array([[[80, 0, 0], [5, 10, 5], [0, 0, 0]], [[70, 10, 0], [0, 20, 0], [0, 0, 0]]])


def test_each_class_has_its_figures_with_the_interval_of_the_dice_that_belongs_to_that_of_its_iou():
    part = part_of(outcome_of(CONFUSIONS))
    background, cat, dog = part.classes
    assert (cat.iou, cat.recall, cat.precision) == (30 / 50, 30 / 40, 30 / 40)
    assert cat.dice_interval == pytest.approx([0.4, 2 / 3])
    assert (cat.share, cat.images, background.color) == (0.2, 2, "")
    assert (dog.iou, dog.recall, dog.images) == (0.0, None, 0)
    assert part.absent == ["<b>dog</b>"]
    assert part.legend[0][0] == "cat"


def test_the_confusion_is_by_row_and_the_largest_are_listed():
    part = part_of(outcome_of(CONFUSIONS))
    assert part.matrix[1].tolist() == [5 / 40, 30 / 40, 5 / 40]
    assert part.matrix[2].tolist() == [0, 0, 0]
    assert [(each.truth, each.prediction, each.pixels) for each in part.confused] == [
        ("background", "cat", 10),
        ("cat", "background", 5),
        ("cat", "<b>dog</b>", 5),
    ]
    truth, predicted = np.array([[1, 1, 0]], np.uint8), np.array([[0, 2, 0]], np.uint8)
    masks = {0: (truth, predicted), 1: (truth * 0 + 1, predicted * 0)}
    examples = [each.example for each in part_of(outcome_of(CONFUSIONS), masks=masks).confused]
    assert examples == ["", "1.png", "0.png"]
    many = tuple(f"class {number}" for number in range(MAX_MATRIX + 1))
    assert part_of(outcome_of(np.ones((1, len(many), len(many)), int), classes=many), many).matrix is None


def test_images_are_listed_by_iou_with_their_worst_class():
    part = part_of(outcome_of(CONFUSIONS[::-1], np.array([0.9, 0.2])))
    assert [(row.key, row.iou, row.worst) for row in part.listed] == [
        ("1.png", 0.2, ("<b>dog</b>", 0.0)),
        ("0.png", 0.9, ("cat", 20 / 30)),
    ]
    assert [row.wrong for row in part.listed] == pytest.approx([0.1, 0.1])


def test_the_worst_the_median_and_the_best_images_are_shown():
    ious = np.random.default_rng(0).permutation(40) / 40
    outcome = outcome_of(np.ones((40, 3, 3), int), ious)
    shown = shown_positions(outcome)
    assert [note for _, note in shown] == ["worst"] * WORST + ["median"] * MIDDLE + ["best"] * BEST
    values = [round(40 * ious[position]) for position, _ in shown]
    assert values == [*range(WORST), 19, 20, *range(40 - BEST, 40)]
    few = shown_positions(outcome_of(np.ones((3, 3, 3), int), np.array([0.5, np.nan, 0.1])))
    assert few == [(2, ""), (0, "")]


def test_the_wrong_pixels_of_a_picture_are_marked_by_kind():
    truth = np.array([[0, 1, 0, 1, 2, IGNORE]], np.uint8)
    predicted = np.array([[0, 1, 1, 0, 1, 1]], np.uint8)
    image = np.full((1, 6, 3), 100, np.uint8)
    drawn = difference(image, truth, predicted, 0)[0].tolist()
    assert drawn == [[185] * 3, [185] * 3, list(ADDED), list(MISSED), list(CONFUSED), [128] * 3]
    without = difference(image, truth, predicted, None)[0].tolist()
    assert without[2:5] == [list(CONFUSED)] * 3


def test_the_image_is_seen_untinted_where_the_mask_says_background():
    image = np.random.default_rng(0).integers(0, 255, (6, 6, 3), np.uint8)
    mask = np.zeros((6, 6), np.uint8)
    mask[2:5, 2:5] = 1
    drawn = overlay(image, mask, tuple(palette(2)), background_class(("Background", "cat")))
    assert (drawn[mask == 0] == image[mask == 0]).all()
    assert (drawn[2:5, 2] == palette(2)[1]).all()  # the outline lies in the object
    assert (drawn[3, 3] != image[3, 3]).any()
    assert (overlay(image, mask, tuple(palette(2)))[mask == 0] != image[mask == 0]).any()
    assert [background_class(each) for each in (("cat", "_background_"), ("cat", "backgrounds"))] == [1, None]


def test_errors_near_borders_are_said_in_a_sentence():
    truth = np.tile((np.arange(40) >= 20).astype(np.uint8), (40, 1))
    predicted = truth.copy()
    predicted[:, 19] = 1
    predicted[:10, 0] = 1
    part = part_of(outcome_of(CONFUSIONS), masks={0: (truth, predicted)})
    assert part.border_note.startswith(
        "80 % of the wrong pixels lie within 2 pixels of a border between classes, where 10 % of all pixels are"
    )
    touching, *_, farther = part.borders
    assert (touching.pixels, touching.wrong, touching.of_wrong) == (0.05, 0.5, 0.8)
    assert (farther.pixels, farther.wrong) == (0.0, None)
    assert part_of(outcome_of(CONFUSIONS)).borders == []
    assert part_of(outcome_of(CONFUSIONS), masks={0: (truth * 0, predicted)}).borders == []


def kinds_of(classes: tuple[str, ...], **more) -> list[str]:
    count = len(classes)
    part = part_of(outcome_of(CONFUSIONS[:, :count, :count], classes=classes), classes, **more)
    return [text.partition(":")[0] for text, _ in part.kinds]


def test_the_kinds_in_the_legend_are_those_that_there_can_be():
    assert kinds_of(("background", "cat")) == ["missed", "added"]
    assert kinds_of(("road", "cat")) == ["of one class, predicted as another"]
    mask = np.full((2, 2), IGNORE, np.uint8)
    shown = [SegmentedImage(np.zeros((2, 2, 3), np.uint8), "a", mask, mask * 0, 1.0)]
    kinds = ["missed", "added", "of one class, predicted as another"]
    assert (kinds_of(CLASSES), kinds_of(CLASSES, shown=shown)) == (kinds, [*kinds, "ignored"])


@pytest.fixture
def written(tmp_path):
    """Return the run folder of a model of three classes with its results."""
    return write(tmp_path, CLASSES)


def write(path, classes):
    """Write the results of a model that takes the strongest channel of each pixel for its class."""
    run_folder = RunFolder(path)
    random = np.random.default_rng(0)
    truth = np.repeat(np.repeat(random.integers(0, 3, (20, 2, 2)), 4, 1), 4, 2).astype(np.uint8)
    images = (np.eye(3)[truth] * 200).astype(np.uint8)
    masks = truth.copy()
    masks[:15, :, :4] = 0  # only some of the truth is what the model sees
    masks[:, 0] = IGNORE
    keys = [f"<i>{row}</i>.png" for row in range(20)]
    data = StandInData(images, ["train"] * 4 + ["validation"] * 8 + ["test"] * 8, classes, masks=masks, keys=keys)
    card = make_card(task="segmentation", classes=classes)
    logits = logits_of_model(model_of(len(classes)), card, data, 4)
    recipe = parse_recipe(recipe_text(), make_registry(environ={}))
    write_results(run_folder, card, data, logits, recipe=recipe, added=Additions())
    return run_folder


def model_of(classes: int):
    images = keras.Input((8, 8, 3))
    layer = keras.layers.Conv2D(classes, 1, use_bias=False)
    model = keras.Model(images, layer(images))
    layer.set_weights([np.eye(3, classes, dtype=np.float32)[None, None] / 10])
    return model


def test_the_page_shows_all_parts_of_both_splits_and_escapes_names(written: RunFolder):
    html = written.report.read_text(encoding="utf-8").replace("<wbr>", "")
    for split in ("validation", "test"):
        for title in ("Classes", "Images by IoU", "Confusion by pixel", "Errors near borders"):
            assert f"<h2>{title}: {split}</h2>" in html
    assert "<b>dog" not in html
    assert "<i>4" not in html
    assert "&lt;i&gt;4&lt;/i&gt;.png" in html
    assert html.count('<img alt="difference" src="data:image/jpeg;base64,') == 16
    assert 'title="&lt;b&gt;dog&lt;/b&gt; predicted as &lt;b&gt;dog&lt;/b&gt;:' in html


def test_of_too_many_classes_the_page_has_a_picture_of_the_confusion(tmp_path):
    classes = tuple(f"class {number}" for number in range(MAX_MATRIX + 1))
    html = write(tmp_path, classes).report.read_text(encoding="utf-8")
    assert 'class="confusions' not in html
    for name in ("confusion", "test-confusion"):
        assert f'<div id="{name}-section">' in html
        assert f'href="#{name}-section">Close' in html
    assert "Confused most" in html
    assert "No pixel of test is of class 3, class 4, " in html


def test_the_table_of_pixels_adds_up_to_the_metrics(written: RunFolder):
    with written.pixels.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    iou = written.read_json(written.metrics)["test"]["iou"]
    for name in CLASSES:
        of_class = [row for row in rows if row["class"] == name]
        counts = [sum(int(row[column]) for row in of_class) for column in ("correct", "true", "predicted")]
        assert counts[0] / (counts[1] + counts[2] - counts[0]) == pytest.approx(iou[name])
    assert len({row["key"] for row in rows}) == 8


def test_images_whose_predictions_were_not_kept_are_predicted_again():
    images = np.stack([plain_image(color) for color in (RED, GREEN, BLUE)])
    masks = np.zeros((3, 8, 8), np.uint8)
    data = StandInData(images, ["test"] * 3, CLASSES, masks=masks)
    card = make_card(task="segmentation", classes=CLASSES)
    outcome = evaluate(logits_of_model(color_model(pixels=True), card, data, 2), card, data, np.arange(3), batch_size=2)
    assert sorted(outcome.predictions) == [0, 1, 2]
    pages = SegmentationPages(card, data, logits_of_model(color_model(pixels=True), card, data, 2))
    kept = pages.part(outcome, "test")
    assert kept.figures == pages.part(replace(outcome, predictions={}), "test").figures
    assert kept.figures != pages.part(replace(outcome, predictions={2: masks[0]}), "test").figures
