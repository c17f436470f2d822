"""Exports of Roboflow: masks, tables of labels, folders of classes; versions of one photo."""

from __future__ import annotations

import numpy as np
import pytest
from annotated import HEIGHT, WIDTH, write_image
from PIL import Image
from tlkit_annotations.roboflow import detect_roboflow, open_roboflow
from tlkit_annotations.tool_options import RoboflowOptions

import tlkit

SEGMENT = tlkit.DatasetContext("segmentation", 0)
CLASSIFY = tlkit.DatasetContext("classification", 0)
VERSIONS = ("a_jpg.rf.01", "a_jpg.rf.02", "b_jpg.rf.03")


def opened(folder, context=SEGMENT, **options):
    return open_roboflow(context, RoboflowOptions(path=folder, **options))


def with_masks(folder):
    """Write an export with masks; its tables have blanks and no newline at the end, as Roboflow writes them."""
    for split, names in {"train": VERSIONS, "valid": ("c_jpg.rf.04",)}.items():
        for name in names:
            write_image(folder / split / f"{name}.jpg")
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[:, 10:], mask[:, 20:] = 1, 2
            Image.fromarray(mask).save(folder / split / f"{name}_mask.png")
        (folder / split / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, leaf\n2, dry leaf")
    return folder


def test_masks_are_paired_and_versions_of_a_photo_are_a_group(tmp_path):
    found = opened(with_masks(tmp_path))
    assert found.classes == ("background", "leaf", "dry leaf")
    assert found.mask_table.values == {0: 0, 1: 1, 2: 2}
    assert {each.key: (each.split, each.group, each.mask.name) for each in found.samples} == {
        "train/a_jpg.rf.01.jpg": ("train", "a_jpg", "a_jpg.rf.01_mask.png"),
        "train/a_jpg.rf.02.jpg": ("train", "a_jpg", "a_jpg.rf.02_mask.png"),
        "train/b_jpg.rf.03.jpg": ("train", "b_jpg", "b_jpg.rf.03_mask.png"),
        "valid/c_jpg.rf.04.jpg": ("validation", "c_jpg", "c_jpg.rf.04_mask.png"),
    }
    assert found.notes == ("4 files are versions of 3 photos, by their names; those of one photo stay in one split",)


def test_classes_are_taken_merged_and_ignored(tmp_path):
    with_masks(tmp_path)
    assert opened(tmp_path, classes=("dry leaf",)).mask_table.values == {0: 0, 1: 0, 2: 1}
    assert opened(tmp_path, merge={"dry leaf": "leaf"}).mask_table.values == {0: 0, 1: 1, 2: 1}
    assert opened(tmp_path, ignore=("leaf",)).mask_table.values == {0: 0, 1: tlkit.IGNORE, 2: 1}


def test_an_image_without_a_mask_is_set_aside(tmp_path):
    with_masks(tmp_path)
    (tmp_path / "train/b_jpg.rf.03_mask.png").unlink()
    assert [(each.key, each.reason) for each in opened(tmp_path).set_aside] == [
        ("train/b_jpg.rf.03.jpg", "no mask b_jpg.rf.03_mask.png")
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("Pixel Value, Class\n0, background\n1, flower", "name different classes; expected the same in all splits"),
        ("Pixel Value, Class\nx, background", "_classes.csv:2: expected a pixel value of 0-255 and a class"),
    ],
)
def test_a_table_that_is_not_clear_is_refused(tmp_path, table, message):
    with_masks(tmp_path)
    (tmp_path / "valid/_classes.csv").write_text(table)
    with pytest.raises(tlkit.DataError, match=message):
        opened(tmp_path)


def test_init_recognises_masks(tmp_path):
    seen = detect_roboflow(with_masks(tmp_path), None)
    assert (seen.task, seen.splits) == ("segmentation", {"train": 3, "validation": 1})
    assert seen.counts["train"] == {"background": 3, "leaf": 3, "dry leaf": 3}
    assert seen.options == {"path": tmp_path, "classes": ["leaf", "dry leaf"]}
    assert detect_roboflow(tmp_path, "classification") is None


def with_table(folder, rows=("a.rf.1.jpg, 1, 0", "b.rf.2.jpg, 1, 1", "gone.rf.3.jpg, 0, 1")):
    for name in ("a.rf.1", "b.rf.2"):
        write_image(folder / "train" / f"{name}.jpg")
    (folder / "train/_classes.csv").write_text("filename, cat, small dog\n" + "\n".join(rows))
    return folder


def test_a_table_has_labels(tmp_path):
    found = opened(with_table(tmp_path), CLASSIFY)
    assert (found.classes, found.multi_label) == (("cat", "small dog"), True)
    assert {each.key: (each.label, each.split) for each in found.samples} == {
        "train/a.rf.1.jpg": ((0,), "train"),
        "train/b.rf.2.jpg": ((0, 1), "train"),
    }
    assert [each.key for each in found.set_aside] == ["train/gone.rf.3.jpg"]
    only = opened(tmp_path, CLASSIFY, labels="only")
    assert [(each.key, each.label) for each in only.samples] == [("train/a.rf.1.jpg", 0)]
    seen = detect_roboflow(tmp_path, None)
    assert (seen.options["labels"], seen.counts) == ("multi", {"train": {"cat": 2, "small dog": 1}})


def test_folders_of_classes_keep_versions_together(tmp_path):
    for number, name in enumerate(("cat/a.rf.1", "cat/a.rf.2", "dog/b.rf.3")):
        write_image(tmp_path / "train" / f"{name}{number}.jpg")
    found = opened(tmp_path, CLASSIFY)
    assert (found.classes, found.multi_label) == (("cat", "dog"), False)
    assert [(each.label, each.group) for each in found.samples] == [(0, "a"), (0, "a"), (1, "b")]
    assert detect_roboflow(tmp_path, None).counts == {"train": {"cat": 2, "dog": 1}}


def test_other_folders_are_not_recognised(tmp_path):
    write_image(tmp_path / "cat/a.jpg")
    write_image(tmp_path / "dog/b.jpg")
    assert detect_roboflow(tmp_path, None) is None
    with pytest.raises(tlkit.DataError, match=r"neither a _classes\.csv with a column filename nor folders of classes"):
        opened(tmp_path, CLASSIFY)
    with pytest.raises(tlkit.DataError, match=r"no _classes\.csv with the columns Pixel Value and Class"):
        opened(tmp_path)
