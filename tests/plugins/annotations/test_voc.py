"""Masks of CVAT and Pascal VOC: the label map, the lists, the colours; and VOC's labels."""

from __future__ import annotations

import numpy as np
import pytest
from annotated import HEIGHT, WIDTH, write_image
from PIL import Image
from tlkit_annotations.label_map import VOID, read_label_map, voc_color
from tlkit_annotations.tool_options import VocOptions
from tlkit_annotations.voc import detect_voc, open_voc

import tlkit
from tlkit.data.images.source import mask_of

SEGMENT = tlkit.DatasetContext("segmentation", 0)
CLASSIFY = tlkit.DatasetContext("classification", 0)
LABEL_MAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:10,20,30::\ndog: small:200,0,5::\n"


def write_text(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def write_mask(file, *colors):
    """Write a mask of vertical stripes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for place, color in enumerate(colors):
        pixels[:, place * WIDTH // len(colors) :] = color
    Image.fromarray(pixels).save(file)


def export(folder, lists=(("train", ("a", "sub dir/b")), ("val", ("c",)))):
    """Write what CVAT exports as "segmentation mask", with names that have folders and blanks."""
    write_text(folder / "labelmap.txt", LABEL_MAP)
    for name in ("a", "sub dir/b", "c"):
        write_image(folder / "JPEGImages" / f"{name}.png")
        write_mask(folder / "SegmentationClass" / f"{name}.png", (0, 0, 0), (10, 20, 30), (200, 0, 5))
    for split, names in lists:
        write_text(folder / "ImageSets/Segmentation" / f"{split}.txt", "".join(f"{name}\n" for name in names))
    return folder


def opened(folder, context=SEGMENT, **options):
    return open_voc(context, VocOptions(path=folder, **options))


def class_numbers(found, key):
    sample = next(each for each in found.samples if each.key == key)
    mask = mask_of(sample, found)
    return mask.decode(mask.read())


def stripes(*numbers):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for place, number in enumerate(numbers):
        mask[:, place * WIDTH // len(numbers) :] = number
    return mask


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LABEL_MAP, {"background": (0, 0, 0), "cat": (10, 20, 30), "dog: small": (200, 0, 5)}),
        ("cat:1,2,3::", {"background": (0, 0, 0), "cat": (1, 2, 3)}),
        ("cat:1,2,3::\nbackground:7,8,9::", {"background": (7, 8, 9), "cat": (1, 2, 3)}),
        ("cat:1,2,3::\nunlabelled:0,0,0::", {"unlabelled": (0, 0, 0), "cat": (1, 2, 3)}),
        ("a:b:c:1, 2, 3:part:action  # a note: odd", {"background": (0, 0, 0), "a:b:c": (1, 2, 3)}),
        ("\ufeffcat:1,2,3", {"background": (0, 0, 0), "cat": (1, 2, 3)}),
        (
            "background:::\ncat:::\ndog: small:::",
            dict(zip(("background", "cat", "dog: small"), map(voc_color, range(3)), strict=True)),
        ),
    ],
)
def test_a_label_map_names_the_colours(tmp_path, text, expected):
    read = read_label_map(write_text(tmp_path / "labelmap.txt", text))
    assert read == expected
    assert next(iter(read)) == next(iter(expected))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat:1,2,3::\ndog:1,2,3::", "cat and dog have the same colour 1,2,3"),
        ("cat:1,2,3::\ncat:3,2,1::", "labelmap.txt:2: a second line for the class cat"),
        ("cat:1,2,300::", "expected a colour of three numbers of 0-255"),
        (":1,2,3::", "no class before the colour"),
    ],
)
def test_a_label_map_that_is_not_clear_is_refused(tmp_path, text, message):
    with pytest.raises(tlkit.DataError, match=message):
        read_label_map(write_text(tmp_path / "labelmap.txt", text))


def test_colours_of_the_challenge():
    assert [voc_color(number) for number in (0, 1, 2, 15, 20)] == [
        (0, 0, 0),
        (128, 0, 0),
        (0, 128, 0),
        (192, 128, 128),
        (0, 64, 128),
    ]
    assert VOID == (224, 224, 192)


def test_images_are_paired_with_masks_and_lists_are_splits(tmp_path):
    found = opened(export(tmp_path))
    assert found.classes == ("background", "cat", "dog: small")
    assert {each.key: each.split for each in found.samples} == {
        "a.png": "train",
        "sub dir/b.png": "train",
        "c.png": "validation",
    }
    assert np.array_equal(class_numbers(found, "sub dir/b.png"), stripes(0, 1, 2))
    assert found.colors[2] == (200, 0, 5)


def test_a_palette_is_read_by_its_colours_and_void_is_ignored(tmp_path):
    export(tmp_path)
    palette = np.zeros((256, 3), np.uint8)
    palette[3], palette[9] = (10, 20, 30), VOID
    image = Image.fromarray(stripes(0, 3, 9)).convert("P")
    image.putpalette(palette.reshape(-1).tolist())
    image.save(tmp_path / "SegmentationClass/a.png")
    assert np.array_equal(class_numbers(opened(tmp_path), "a.png"), stripes(0, 1, tlkit.IGNORE))


def test_classes_are_taken_merged_and_ignored(tmp_path):
    export(tmp_path)
    assert np.array_equal(class_numbers(opened(tmp_path, classes=("dog: small",)), "a.png"), stripes(0, 0, 1))
    assert np.array_equal(class_numbers(opened(tmp_path, merge={"cat": "dog: small"}), "a.png"), stripes(0, 1, 1))
    assert np.array_equal(class_numbers(opened(tmp_path, ignore=("cat",)), "a.png"), stripes(0, tlkit.IGNORE, 1))


def test_a_list_without_the_name_of_a_split_restricts_the_images(tmp_path):
    found = opened(export(tmp_path, lists=[("default", ("a", "c.png"))]))
    assert {each.key: each.split for each in found.samples} == {"a.png": None, "c.png": None}
    assert found.notes == ("masks in no list of ImageSets/Segmentation, so not used: 1, such as sub dir/b",)


def test_an_image_in_two_lists_is_a_test_image(tmp_path):
    found = opened(export(tmp_path, lists=[("train", ("a", "c")), ("test", ("a",)), ("trainval", ("a", "c"))]))
    assert {each.key: each.split for each in found.samples} == {"a.png": "test", "c.png": "train"}
    assert found.notes[0].startswith("images in several lists: 1, such as a in test and train")


def test_listed_images_without_a_file_are_set_aside(tmp_path):
    export(tmp_path, lists=[("train", ("a", "c", "gone"))])
    (tmp_path / "SegmentationClass/c.png").unlink()
    assert {(each.key, each.reason) for each in opened(tmp_path).set_aside} == {
        ("gone", f"no image in {tmp_path / 'JPEGImages'}"),
        ("gone", "no mask in SegmentationClass"),
        ("c", "no mask in SegmentationClass"),
    }


def test_masks_without_images_say_where_the_images_belong(tmp_path):
    export(tmp_path)
    for file in tmp_path.glob("JPEGImages/**/*.png"):
        file.unlink()
    with pytest.raises(tlkit.DataError, match="put the images into a folder JPEGImages beside it"):
        opened(tmp_path)


def test_init_recognises_the_export_and_counts_classes(tmp_path):
    seen = detect_voc(export(tmp_path), None)
    assert seen.counts == {
        "train": {"background": 2, "cat": 2, "dog: small": 2},
        "validation": {"background": 1, "cat": 1, "dog: small": 1},
    }
    assert seen.options == {"path": tmp_path, "classes": ["cat", "dog: small"]}
    assert (seen.task, seen.splits, len(seen.images)) == ("segmentation", {"train": 2, "validation": 1}, 3)


def test_grey_masks_are_left_to_the_data_set_of_masks(tmp_path):
    export(tmp_path)
    for file in tmp_path.glob("SegmentationClass/**/*.png"):
        Image.fromarray(stripes(0, 1)).save(file)
    assert detect_voc(tmp_path, None) is None


def test_colours_that_the_label_map_lacks_are_named(tmp_path):
    export(tmp_path)
    write_mask(tmp_path / "SegmentationClass/a.png", (0, 0, 0), (9, 9, 9))
    assert "colours of no class in the masks: #090909; name them in labelmap.txt" in detect_voc(tmp_path, None).notes


def annotation(name, *objects):
    boxes = "".join(
        f"<object><name>{label}</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>{side}</xmax><ymax>{side}</ymax></bndbox>"
        "</object>"
        for label, side in objects
    )
    return f"<annotation><filename>{name}</filename>{boxes}</annotation>"


def test_labels_are_the_classes_of_the_boxes(tmp_path):
    for name, objects in {"a": [("cat", 9), ("dog", 5)], "b": [("dog", 5)], "c": []}.items():
        write_image(tmp_path / f"JPEGImages/{name}.png")
        write_text(tmp_path / f"Annotations/{name}.xml", annotation(f"{name}.png", *objects))
    write_text(tmp_path / "ImageSets/Main/train.txt", "a\nb\n")
    write_text(tmp_path / "ImageSets/Main/val.txt", "c\n")
    write_text(tmp_path / "ImageSets/Main/cat_train.txt", "a  1\nb -1\n")
    found = opened(tmp_path, CLASSIFY)
    assert found.classes == ("cat", "dog")
    assert {each.key: (each.label, each.split) for each in found.samples} == {
        "JPEGImages/a.png": ((0, 1), "train"),
        "JPEGImages/b.png": ((1,), "train"),
        "JPEGImages/c.png": ((), "validation"),
    }
    largest = opened(tmp_path, CLASSIFY, labels="largest", unannotated="leave_out")
    assert {each.key: each.label for each in largest.samples} == {"JPEGImages/a.png": 0, "JPEGImages/b.png": 1}
    assert detect_voc(tmp_path, None).counts["train"] == {"cat": 1, "dog": 2}


def test_labels_are_read_from_lists_of_each_class_if_there_is_no_xml(tmp_path):
    for name in ("a", "b c"):
        write_image(tmp_path / f"JPEGImages/{name}.png")
    write_text(tmp_path / "ImageSets/Main/cat_train.txt", "a  1\nb c -1\n")
    write_text(tmp_path / "ImageSets/Main/dog: small_train.txt", "a -1\nb c  1\n")
    found = opened(tmp_path, CLASSIFY, labels="only")
    assert found.classes == ("cat", "dog: small")
    assert {each.key: each.label for each in found.samples} == {"JPEGImages/a.png": 0, "JPEGImages/b c.png": 1}


def test_polygons_of_the_older_labelme_are_said_not_to_be_read(tmp_path):
    polygon = "<object><name>cat</name><polygon><pt><x>1</x><y>1</y></pt></polygon></object>"
    for name in "ab":
        write_image(tmp_path / f"{name}.png")
        text = f"<annotation><filename>{name}.png</filename>{polygon}</annotation>"
        write_text(tmp_path / f"Annotations/{name}.xml", text)
    assert any("(LabelMe's older format) are not read" in note for note in detect_voc(tmp_path, None).notes)


def test_masks_alone_are_no_labels(tmp_path):
    with pytest.raises(tlkit.DataError, match="no labels: neither XML files in Annotations nor lists"):
        opened(export(tmp_path), CLASSIFY)
