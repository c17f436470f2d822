"""Image folders of Hugging Face: metadata as CSV and as JSON lines, labels, masks, splits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from annotated import HEIGHT, WIDTH, write_image
from PIL import Image
from tlkit_annotations.image_folder import detect_image_folder, open_image_folder
from tlkit_annotations.tool_options import ImageFolderOptions

import tlkit

SEGMENT = tlkit.DatasetContext("segmentation", 0)
CLASSIFY = tlkit.DatasetContext("classification", 0)


def write(folder, rows, *, lines=False):
    for row in rows:
        if row.get("file_name") and "gone" not in row["file_name"]:
            write_image(folder / row["file_name"])
    folder.mkdir(parents=True, exist_ok=True)
    if lines:
        (folder / "metadata.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    else:
        cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
        (folder / "metadata.csv").write_text("".join(f"{','.join(row)}\n" for row in cells), encoding="utf-8")
    return folder


def opened(folder, context=CLASSIFY, **options):
    return open_image_folder(context, ImageFolderOptions(path=folder, **options))


@pytest.mark.parametrize("lines", [False, True], ids=["csv", "jsonl"])
def test_labels_and_splits_are_read(tmp_path, lines):
    write(
        tmp_path / "train",
        [{"file_name": "a.png", "label": "dog"}, {"file_name": "in/b.png", "label": "cat"}],
        lines=lines,
    )
    write(tmp_path / "validation", [{"file_name": "c.png", "label": "dog"}], lines=lines)
    found = opened(tmp_path)
    assert (found.classes, found.multi_label) == (("cat", "dog"), False)
    assert {each.key: (each.label, each.split) for each in found.samples} == {
        "train/a.png": (1, "train"),
        "train/in/b.png": (0, "train"),
        "validation/c.png": (1, "validation"),
    }


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"labels": ["cat", "dog"]}, {"labels": []}], {"a.png": (0, 1), "b.png": ()}),
        (
            [{"objects": {"bbox": [[0, 0, 5, 5]], "categories": [3]}}, {"objects": {"categories": [10]}}],
            {"a.png": 0, "b.png": 1},
        ),
        ([{"label": 10}, {"label": 9}], {"a.png": 1, "b.png": 0}),
    ],
    ids=["lists", "objects", "numbers"],
)
def test_labels_may_be_lists_numbers_or_those_of_boxes(tmp_path, rows, expected):
    named = [{"file_name": f"{name}.png", **row} for name, row in zip("ab", rows, strict=True)]
    assert {each.key: each.label for each in opened(write(tmp_path, named, lines=True)).samples} == expected


def test_several_columns_need_a_name(tmp_path):
    write(
        tmp_path, [{"file_name": "a.png", "breed": "x", "age": "1"}, {"file_name": "b.png", "breed": "y", "age": "1"}]
    )
    with pytest.raises(tlkit.DataError, match="which column has the labels"):
        opened(tmp_path)
    assert opened(tmp_path, label="breed").classes == ("x", "y")
    with pytest.raises(tlkit.DataError, match='has no column "bred"; it has breed, age'):
        opened(tmp_path, label="bred")


def test_captions_are_no_classes(tmp_path):
    write(tmp_path, [{"file_name": f"{number}.png", "text": f"picture {number}"} for number in range(24)])
    with pytest.raises(tlkit.DataError, match="the column text has 24 values for 24 images, so these are no classes"):
        detect_image_folder(tmp_path, None)


def test_missing_images_are_set_aside(tmp_path):
    rows = [
        {"file_name": "a.png", "label": "x"},
        {"file_name": "gone.png", "label": "y"},
        {"file_name": "../b.png", "label": "y"},
    ]
    write(tmp_path / "data", [rows[0], rows[1]])
    write_image(tmp_path / "b.png")
    with (tmp_path / "data/metadata.csv").open("a") as file:
        file.write("../b.png,y\n")
    found = opened(tmp_path / "data")
    assert [each.key for each in found.samples] == ["a.png"]
    assert [each.reason for each in found.set_aside] == ["no such image (metadata.csv)"] * 2


def test_masks_are_read_through_a_table(tmp_path):
    for name in "ab":
        (tmp_path / "masks").mkdir(exist_ok=True)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[4:], mask[9:] = 1, 2
        Image.fromarray(mask).save(tmp_path / f"masks/{name}.png")
    write(tmp_path, [{"file_name": f"{name}.png", "mask_file_name": f"masks/{name}.png"} for name in "ab"])
    seen = detect_image_folder(tmp_path, None)
    assert (seen.task, seen.options["values"]) == (
        "segmentation",
        {"0": "background", "1": "class_1", "2": "class_2"},
    )
    found = opened(tmp_path, SEGMENT, values={"0": "background", "1": "cell", "2": "edge"}, ignore=("edge",))
    assert found.classes == ("background", "cell")
    assert found.mask_table.values == {0: 0, 1: 1, 2: tlkit.IGNORE}
    assert [each.mask.name for each in found.samples] == ["a.png", "b.png"]


def test_init_says_columns_and_counts(tmp_path):
    write(
        tmp_path, [{"file_name": "a.png", "label": "x", "text": "t"}, {"file_name": "b.png", "label": "y", "text": "t"}]
    )
    seen = detect_image_folder(tmp_path, None)
    assert (seen.task, seen.counts) == ("classification", {"": {"x": 1, "y": 1}})
    assert seen.options == {"path": tmp_path, "label": "label", "labels": "only", "classes": ["x", "y"]}
    assert seen.notes == ("columns that are not used: text; data.label names the column with the label",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("metadata.csv", "image,label\na.png,x\n", "no column file_name; the header has image, label"),
        ("metadata.jsonl", '{"file_name": \n', r"metadata\.jsonl:1: not a JSON object"),
        ("metadata.csv", "file_name,label\n,x\n", "no row has a file_name"),
    ],
)
def test_metadata_that_cannot_be_used_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(tlkit.DataError, match=message):
        opened(tmp_path)
