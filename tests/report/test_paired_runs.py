"""Runs compared on the same images: which images are the same, and what is said where there are none."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import tlkit_command
from run_folders import MODEL_CARD, write_run

import tlkit
from tlkit.errors import RunError
from tlkit.evaluation.metrics import segmentation_metrics
from tlkit.evaluation.outcome import SegmentationOutcome
from tlkit.report.pixel_table import pixels_csv
from tlkit.runs.folder import RunFolder
from tlkit.runs.samples import SampleRow, SamplesFile

PHASES = {"full": {"loss": [1.0], "val_loss": [1.0]}}
COUNT = 60


@pytest.fixture
def written(tmp_path, registry):
    """Return a function that writes a finished run whose images have the digests 0, 1, …"""

    def write(name: str, images, *, card=None, groups=None, splits=("test",), folder: str = "") -> RunFolder:
        run = write_run(tmp_path / name, registry, PHASES, metrics={split: {"loss": 1.0} for split in splits})
        run.write_card(MODEL_CARD | (card or {}))
        rows = [
            SampleRow(
                f"{split}/{folder}{each}.png", split=split, digest=f"{split}{each}", group=(groups or {}).get(each, "")
            )
            for split in splits
            for each in images
        ]
        SamplesFile(run.samples).write(rows)
        return run

    return write


def predict(run: RunFolder, labels: dict[str, tuple[str, str]]) -> RunFolder:
    """Write the (truth, prediction) of each sample, as ``predictions.csv``."""
    rows = [
        f"{key},{row.split},{labels[key][0]},{labels[key][1]},0.9,{0.1 if labels[key][0] == labels[key][1] else 2}\n"
        for key, row in SamplesFile(run.samples).read_used().items()
    ]
    (run.path / "predictions.csv").write_text("key,split,truth,prediction,probability,loss\n" + "".join(rows))
    return run


def right_about(run: RunFolder, number: int) -> RunFolder:
    """Predict right about the first images of each split; all are of class a."""
    keys = SamplesFile(run.samples).read_used()
    order = {key: int(Path(key).stem) for key in keys}
    return predict(run, {key: ("a", "a" if order[key] < number else "b") for key in keys})


def paired(*runs: RunFolder):
    return tlkit.compare([run.path for run in runs]).paired


def test_a_better_run_is_told_from_an_equal_one(written):
    first = right_about(written("first", range(COUNT)), 30)
    better, equal = right_about(written("better", range(COUNT)), 50), right_about(written("equal", range(COUNT)), 30)
    of_better, of_equal = paired(first, better, equal)
    assert (of_better.first, of_better.run, of_better.split, of_better.images) == ("first", "better", "test", COUNT)
    values = {each.metric: each for each in of_better.metrics}
    assert set(values) == {"loss", "accuracy", "macro_f1"}
    assert values["accuracy"].difference == pytest.approx(20 / 60)
    assert values["accuracy"].discordant == (0, 20)
    assert values["loss"].difference == pytest.approx(-1.9 * 20 / 60)
    assert {each.verdict for each in of_better.metrics} == {"better"}
    assert {each.verdict for each in of_equal.metrics} == {"no difference can be told"}
    assert of_better.notes == of_equal.notes == ()


def test_images_are_paired_by_their_bytes_in_folders_of_other_names(written):
    first = right_about(written("first", range(COUNT)), 30)
    other = right_about(written("other", reversed(range(COUNT)), folder="moved/"), 30)
    [pair] = paired(first, other)
    assert pair.images == COUNT
    assert next(each.discordant for each in pair.metrics if each.metric == "accuracy") == (0, 0)


def test_only_common_images_are_compared_and_the_others_counted(written):
    first = right_about(written("first", range(COUNT)), 30)
    [pair] = paired(first, right_about(written("other", range(20, COUNT + 25)), 30))
    assert pair.images == 40
    assert next(each.first for each in pair.metrics if each.metric == "accuracy") == 0.25
    assert pair.notes == (
        "first was measured on 60 test images and other on 65, of which 40 are the same (by their bytes); these are "
        "compared",
    )


def test_a_note_tells_other_validation_images(written):
    first = right_about(written("first", range(COUNT), splits=("validation", "test")), 30)
    same = right_about(written("same", reversed(range(COUNT)), splits=("validation", "test")), 30)
    other = right_about(written("other", range(10, COUNT + 10), splits=("validation", "test")), 30)
    of_same, of_other = paired(first, same, other)
    assert not any("validation" in note for note in of_same.notes)
    assert of_other.notes[-1].startswith("first and other have different validation images")


def test_too_few_common_images_are_not_compared(written):
    first = right_about(written("first", range(COUNT)), 30)
    [pair] = paired(first, right_about(written("other", range(51, COUNT + 51)), 30))
    assert (pair.images, pair.metrics) == (9, ())
    assert pair.notes[-1] == "other and first have 9 test images in common; it takes 10 to say whether they differ"


def test_images_with_another_label_are_left_out(written):
    first, other = right_about(written("first", range(COUNT)), 30), written("other", range(COUNT))
    keys = list(SamplesFile(other.samples).read_used())
    predict(other, {key: ("b" if at < 15 else "a", "b") for at, key in enumerate(keys)})
    [pair] = paired(first, other)
    assert (pair.images, pair.notes) == (45, ("15 of these images have another label in other, and are left out",))


def test_groups_are_drawn_together(written):
    groups = {each: f"patient {each // 30}" for each in range(COUNT)}
    first = right_about(written("first", range(COUNT), groups=groups), 0)
    [pair] = paired(first, right_about(written("other", range(COUNT), groups=groups), 30))
    accuracy = next(each for each in pair.metrics if each.metric == "accuracy")
    assert (accuracy.interval, accuracy.p_value) == ((0.0, 1.0), None)


def test_without_test_images_the_validation_images_are_compared(written):
    first = right_about(written("first", range(COUNT), splits=("validation",)), 30)
    [pair] = paired(first, right_about(written("other", range(COUNT), splits=("validation", "test")), 30))
    assert (pair.split, pair.images) == ("validation", COUNT)


def test_several_labels_are_compared(written):
    card = {"label_kind": "multi", "classes": ["a", "b", "c"], "colors": [[0, 0, 0]] * 3}
    runs = [written(name, range(COUNT), card=card) for name in ("first", "other")]
    keys = list(SamplesFile(runs[0].samples).read_used())
    predict(runs[0], {key: ("a|c", "a|c" if at % 2 else "") for at, key in enumerate(keys)})
    predict(runs[1], dict.fromkeys(keys, ("a|c", "a|c")))
    [pair] = paired(*runs)
    values = {each.metric: each for each in pair.metrics}
    assert (values["accuracy"].first, values["accuracy"].second) == (0.5, 1.0)
    assert values["micro_f1"].first == pytest.approx(2 / 3)
    assert {each.verdict for each in pair.metrics} == {"better"}


def masks(run: RunFolder, hits: int) -> RunFolder:
    """Write pixels.csv of images of 100 pixels, 60 of class a, of which as many are predicted right."""
    pixels = np.zeros((COUNT, 3, 2), np.uint32)
    pixels[:] = [[hits, 40], [60, 40], [hits, 100 - hits]]
    keys = list(SamplesFile(run.samples).read_used())
    confusion = np.array([[hits, 60 - hits], [0, 40]]) * COUNT
    metrics = {"loss": 0.5} | segmentation_metrics(confusion, ["a", "b"])
    outcome = SegmentationOutcome(np.arange(COUNT), np.full(COUNT, 0.5), metrics, confusion, np.zeros(COUNT), pixels)
    run.pixels.write_text(pixels_csv({"test": outcome}, ["a", "b"], lambda _, at: keys[at], "loss"))
    return run


SEGMENTATION = {"task": "segmentation", "label_kind": "single"}


def test_segmentations_are_compared_by_their_pixels(written):
    first, other = (
        masks(written(name, range(COUNT), card=SEGMENTATION), hits) for name, hits in (("x", 50), ("y", 30))
    )
    [pair] = paired(first, other)
    values = {each.metric: each for each in pair.metrics}
    assert set(values) == {"loss", "mean_iou", "mean_dice"}
    assert values["mean_iou"].first == pytest.approx((50 / 60 + 40 / 50) / 2)
    assert (values["mean_iou"].verdict, values["loss"].verdict) == ("worse", "no difference can be told")


def test_more_counts_than_memory_holds_are_not_compared(written, monkeypatch):
    runs = [masks(written(name, range(COUNT), card=SEGMENTATION), 50) for name in ("x", "y")]
    monkeypatch.setattr("tlkit.report.paired_runs._MAX_COUNTS", 2 * COUNT - 1)
    [pair] = paired(*runs)
    assert pair.metrics == ()
    assert pair.notes == ("y and x have 60 images with 2 classes in common, too many to compare them image by image",)


def test_an_older_run_without_its_pixels_is_told_how_to_get_them(written):
    first, other = (
        masks(written("x", range(COUNT), card=SEGMENTATION), 50),
        written("y", range(COUNT), card=SEGMENTATION),
    )
    [pair] = paired(first, other)
    assert pair.metrics == ()
    need = "by which runs are compared image by image"
    assert pair.notes == (f"{other.path} has no pixels.csv, {need}; tlkit report {other.path} writes it",)


def test_runs_of_other_tasks_or_classes_are_not_compared(written):
    first = right_about(written("first", range(COUNT)), 30)
    masked = masks(written("masked", range(COUNT), card=SEGMENTATION), 50)
    others = right_about(written("others", range(COUNT), card={"classes": ["a", "z"]}), 60)
    assert [pair.notes for pair in paired(first, masked, others)] == [
        ("masked and first have different tasks, so their metrics can't be compared",),
        ("others and first have different classes, so their metrics can't be compared",),
    ]


def test_cross_validations_are_compared_by_their_folds(written, tmp_path):
    for name, correct in (("x", 30), ("y", 50)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "folds.toml").write_text("# recipe\n")
        for fold in (1, 2):
            (tmp_path / name / f"fold-{fold}.csv").write_text("key,split,status\n")
            images = range(0, COUNT, 2) if fold == 1 else range(1, COUNT, 2)
            right_about(written(f"{name}/fold-{fold}", images, splits=("validation",)), correct)
    [pair] = tlkit.compare([tmp_path / "x", tmp_path / "y"]).paired
    assert (pair.split, pair.images) == ("validation", COUNT)
    accuracy = next(each for each in pair.metrics if each.metric == "accuracy")
    assert (accuracy.first, accuracy.second, accuracy.discordant) == (0.5, pytest.approx(50 / 60), (0, 20))
    assert tlkit.compare([tmp_path / "x"]).paired == ()


def test_cross_validations_with_test_images_are_compared_on_both_splits(written, tmp_path):
    for name, correct in (("x", 30), ("y", 50)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "folds.toml").write_text("# recipe\n")
        for fold in (1, 2):
            (tmp_path / name / f"fold-{fold}.csv").write_text("key,split,status\n")
            run = written(f"{name}/fold-{fold}", range(COUNT), splits=("test", "validation"))
            right_about(run, correct if fold == 1 else 30)
    test, validation = tlkit.compare([tmp_path / "x", tmp_path / "y"]).paired
    assert (test.split, validation.split) == ("test", "validation")
    accuracy = next(each for each in test.metrics if each.metric == "accuracy")
    assert (accuracy.first, accuracy.second) == (0.5, pytest.approx((50 + 30) / 120))
    [single] = tlkit.compare([tmp_path / "x", tmp_path / "y" / "fold-1"]).paired
    assert single.split == "test"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("pixels.csv", "test/3.png,test", "test/x.png,test", r"does not fit samples\.csv: 'test/x\.png'"),
        ("pixels.csv", ",60,", ",many,", r"pixels\.csv:2: expected counts of pixels"),
        ("pixels.csv", ",60,", f",{2**70},", r"pixels\.csv:2: impossible counts"),
        ("pixels.csv", ",60,", ",6,", r"pixels\.csv:2: impossible counts"),
        ("pixels.csv", ",a,", ",dog,", r"has a class 'dog' that model\.json lacks"),
        ("pixels.csv", ",class,", ",kind,", r"pixels\.csv: has no column 'class'"),
        ("samples.csv", "key,", "name,", r"samples\.csv: expected the columns"),
    ],
)
def test_damaged_tables_are_named(written, file, old, new, message):
    first, other = (masks(written(name, range(COUNT), card=SEGMENTATION), 50) for name in ("x", "y"))
    text = (other.path / file).read_text()
    assert old in text
    (other.path / file).write_text(text.replace(old, new, 1))
    with pytest.raises(RunError, match=message):
        paired(first, other)


def test_the_command_prints_the_differences(written, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    right_about(written("first", range(COUNT)), 30)
    right_about(written("other", range(COUNT)), 50)
    outcome = tlkit_command("compare", "first", "other")
    assert outcome.code == 0, outcome.err
    assert "Differences from first on the same images" in outcome.out
    row = next(line for line in outcome.out.splitlines() if "test accuracy" in line and "other" in line)
    assert [each in row for each in ("+0.3333", "0, 20", "< 0.001", "better", " 60 ")] == [True] * 5
    shutil.rmtree("other")
    right_about(written("other", range(COUNT)), 30)
    assert "no difference can be told" in tlkit_command("compare", "first", "other").out
