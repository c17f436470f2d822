"""COCO annotations: what is read, what is drawn, what is said."""

from __future__ import annotations

import numpy as np
import pytest
from annotated import (
    CATEGORIES,
    HEIGHT,
    WIDTH,
    coco,
    coco_annotation,
    coco_entry,
    drawn,
    square,
    write_image,
    write_json,
)
from pycocotools import mask as tool
from tlkit_annotations.coco import detect_coco, open_coco
from tlkit_annotations.options import CocoOptions

import tlkit

SEGMENT = tlkit.DatasetContext("segmentation", 0)
CLASSIFY = tlkit.DatasetContext("classification", 0)


def write_one(folder, annotations, names=("a.png",), categories=CATEGORIES):
    for name in names:
        write_image(folder / "images" / name)
    images = [coco_entry(number, name) for number, name in enumerate(names, 1)]
    return write_json(folder / "instances.json", coco(images, annotations, categories))


def opened(folder, context=SEGMENT, **options):
    return open_coco(context, CocoOptions(path=folder, **options))


def random_segments(random, height, width):
    """Return segmentations of each kind, with the mask that pycocotools draws of each."""
    found = []
    for points in (3, 4, 9):
        polygons = [
            (random.random((points, 2)) * [width * 1.4, height * 1.4] - [width * 0.2, height * 0.2]).ravel().tolist()
            for _ in range(2)
        ]
        found.append((polygons, tool.merge(tool.frPyObjects(polygons, height, width))))
    pixels = np.asfortranarray(random.random((height, width)) < 0.4, np.uint8)
    runs = tool.encode(pixels)
    found.append(({"size": [height, width], "counts": runs["counts"].decode()}, runs))
    flat = pixels.ravel("F")
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]
    lengths = ([0] if flat[0] else []) + np.diff(edges).tolist()
    found.append(({"size": [height, width], "counts": lengths}, runs))
    return [(segmentation, tool.decode(each).astype(bool)) for segmentation, each in found]


def test_polygons_and_both_run_lengths_are_drawn_as_pycocotools_draws_them(tmp_path):
    random = np.random.default_rng(0)
    expected, images, annotations = {}, [], []
    for number in range(40):
        height, width = random.integers(3, 70, 2).tolist()
        for segmentation, mask in random_segments(random, height, width):
            name = f"{len(images)}.png"
            write_image(tmp_path / "images" / name, (height, width))
            images.append(coco_entry(len(images), name, (height, width)))
            annotations.append(coco_annotation(images[-1]["id"], 3 if number % 2 else 17, segmentation))
            expected[f"images/{name}"] = mask * np.uint8(1 if number % 2 else 2)
    write_json(tmp_path / "a.json", coco(images, annotations))
    masks = drawn(opened(tmp_path))
    assert masks.keys() == expected.keys()
    assert sum(int(np.count_nonzero(masks[key] != expected[key])) for key in masks) == 0


@pytest.mark.parametrize(
    ("overlap", "expected"), [("smaller", 2), ("later", 1), ("earlier", 2), ("ignore", tlkit.IGNORE)]
)
def test_the_overlap_rule_says_which_shape_has_the_pixel(tmp_path, overlap, expected):
    shapes = [coco_annotation(1, 17, [square(4, 4, 8)]), coco_annotation(1, 3, [square(0, 0, 20)])]
    write_one(tmp_path, shapes)
    [mask] = drawn(opened(tmp_path, overlap=overlap)).values()
    assert (mask[6, 6], mask[1, 1], mask[22, 30]) == (expected, 1, 0)


@pytest.mark.parametrize(("crowd", "expected"), [("ignore", tlkit.IGNORE), ("background", 0), ("object", 2)])
def test_crowds_lie_below_objects(tmp_path, crowd, expected):
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8, "F")
    pixels[:, :16] = 1
    runs = tool.encode(pixels)
    region = {"size": [HEIGHT, WIDTH], "counts": runs["counts"].decode()}
    shapes = [coco_annotation(1, 3, [square(2, 2, 6)]), coco_annotation(1, 17, region, iscrowd=1)]
    write_one(tmp_path, shapes)
    found = opened(tmp_path, crowd=crowd)
    [mask] = drawn(found).values()
    assert (mask[4, 4], mask[20, 4], mask[20, 30]) == (1, expected, 0)
    assert "regions of many objects (iscrowd = 1), see data.crowd: 1" in found.notes


@pytest.mark.parametrize("segmentation", [[], [[]], [[1, 2, 3, 4]], None])
def test_boxes_are_counted_and_not_drawn(tmp_path, segmentation):
    write_one(
        tmp_path,
        [coco_annotation(1, 3, [square(1, 1, 5)]), coco_annotation(2, 17, segmentation, bbox=[1, 1, 4, 4])],
        ("a.png", "b.png"),
    )
    found = opened(tmp_path)
    assert [sample.key for sample in found.samples] == ["images/a.png"]
    assert found.set_aside == (
        tlkit.SetAside("images/b.png", "none of its annotations has a shape that can be drawn: 1"),
    )
    assert "boxes without a shape, not drawn: 1" in found.notes


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ({"size": [HEIGHT, WIDTH], "counts": [10, 10]}, "shapes that can't be read"),
        ({"size": [HEIGHT, WIDTH], "counts": [-1, HEIGHT * WIDTH + 1]}, "shapes that can't be read"),
        ({"size": [HEIGHT, WIDTH], "counts": "04"}, "shapes that can't be read"),
        ({"size": [HEIGHT, WIDTH], "counts": "no"}, "shapes that can't be read"),
        ({"size": [HEIGHT, WIDTH], "counts": "ä"}, "shapes that can't be read"),
        ({"size": [HEIGHT, WIDTH], "counts": "\ud800"}, "shapes that can't be read"),
        ({"size": [WIDTH, HEIGHT], "counts": [0, HEIGHT * WIDTH]}, "run lengths for another size than their image"),
        ([["a", 1, 2, 3, 4, 5]], "shapes that can't be read"),
        ([[1, 2, 3, 4, 5, 1e30]], "shapes that can't be read"),
        ([[1, 2, 3, 4, 5, 6, 7]], "shapes that can't be read"),
        ("text", "shapes that can't be read"),
    ],
)
def test_a_broken_shape_is_counted_and_the_others_are_drawn(tmp_path, segmentation, said):
    write_one(tmp_path, [coco_annotation(1, 3, [square(1, 1, 5)]), coco_annotation(1, 17, segmentation)])
    found = opened(tmp_path)
    assert f"{said}, not drawn: 1" in found.notes
    [mask] = drawn(found).values()
    assert set(np.unique(mask)) == {0, 1}


def test_run_lengths_that_are_too_short_are_not_drawn(tmp_path):
    short = tool.frPyObjects({"size": [HEIGHT, WIDTH], "counts": [5, 5]}, HEIGHT, WIDTH)
    write_one(tmp_path, [coco_annotation(1, 3, {"size": [HEIGHT, WIDTH], "counts": short["counts"].decode()})])
    with pytest.raises(tlkit.DataError, match="no shapes that can be drawn"):
        opened(tmp_path)


def test_a_part_with_two_points_is_said(tmp_path):
    write_one(tmp_path, [coco_annotation(1, 3, [[1, 2, 3, 4], square(5, 5, 6)])])
    found = opened(tmp_path)
    assert "parts of shapes with fewer than three points, not drawn: 1" in found.notes
    [mask] = drawn(found).values()
    assert mask[2, 2] == 0
    assert mask[8, 8] == 1


def test_ids_as_text_and_as_numbers_are_the_same(tmp_path):
    write_image(tmp_path / "a.png")
    shape = {**coco_annotation("1", 3.0, [square(1, 1, 5)]), "id": 1}
    write_json(tmp_path / "a.json", coco([coco_entry(1, "a.png")], [shape], [{"id": "3", "name": "cat"}]))
    assert drawn(opened(tmp_path))["a.png"][3, 3] == 1


def test_the_folder_of_the_annotations_has_its_images_beside_it(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    content = coco([coco_entry(1, "a.png")], [coco_annotation(1, 3, [square(1, 1, 5)])])
    file = write_json(tmp_path / "annotations" / "all.json", content)
    for path in (file, file.parent, tmp_path):
        assert [sample.key for sample in opened(path).samples] == ["images/a.png"]
        assert detect_coco(path, None).images == (tmp_path / "images" / "a.png",)


def test_annotations_of_other_images_do_not_hide_a_folder_of_images(tmp_path):
    write_image(tmp_path / "cat" / "b.png")
    write_json(tmp_path / "all.json", coco([coco_entry(1, "a.png")], [coco_annotation(1, 3, [square(1, 1, 5)])]))
    assert detect_coco(tmp_path, None) is None


def test_category_ids_with_gaps_become_consecutive_classes_and_unused_ones_are_said(tmp_path):
    categories = [{"id": 0, "name": "animals"}, {"id": 90, "name": " dog "}, {"id": 7, "name": "cat"}]
    write_one(
        tmp_path, [coco_annotation(1, 90, [square(1, 1, 5)]), coco_annotation(1, 7, [square(9, 9, 5)])], (), categories
    )
    write_image(tmp_path / "images" / "a.png")
    write_json(
        tmp_path / "instances.json",
        coco(
            [coco_entry(1, "a.png")],
            [coco_annotation(1, 90, [square(1, 1, 5)]), coco_annotation(1, 7, [square(9, 9, 5)])],
            categories,
        ),
    )
    found = opened(tmp_path)
    assert found.classes == ("background", "dog", "cat")
    assert "defined, but not annotated in any image, so no class: animals" in found.notes


def test_categories_of_the_same_name_are_one_class(tmp_path):
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "cat"}]
    write_one(
        tmp_path,
        [coco_annotation(1, 1, [square(1, 1, 5)]), coco_annotation(1, 2, [square(9, 9, 5)])],
        categories=categories,
    )
    found = opened(tmp_path)
    assert found.classes == ("background", "cat")
    assert "several categories have the same name and are one class: cat" in found.notes


def test_supercategories_can_be_the_classes(tmp_path):
    categories = [
        {"id": 1, "name": "cat", "supercategory": "animal"},
        {"id": 2, "name": "dog", "supercategory": "animal"},
        {"id": 3, "name": "car", "supercategory": "vehicle"},
    ]
    shapes = [coco_annotation(1, each["id"], [square(each["id"] * 6, 1, 4)]) for each in categories]
    write_one(tmp_path, shapes, categories=categories)
    assert opened(tmp_path, categories="supercategory").classes == ("background", "animal", "vehicle")


def test_classes_are_taken_merged_and_ignored(tmp_path):
    categories = [{"id": number, "name": name} for number, name in enumerate(("cat", "lion", "dog", "car"), 1)]
    shapes = [coco_annotation(1, number, [square(7 * number - 6, 2, 5)]) for number in (1, 2, 3, 4)]
    write_one(tmp_path, shapes, categories=categories)
    found = opened(tmp_path, merge={"lion": "cat"}, ignore=("car",), classes=("cat",))
    assert found.classes == ("background", "cat")
    [mask] = drawn(found).values()
    assert [mask[4, 7 * number - 4] for number in (1, 2, 3, 4)] == [1, 1, 0, tlkit.IGNORE]
    assert "annotated, but not in data.classes, so background or no label: dog" in found.notes


def test_a_class_that_the_annotations_lack_is_said_with_the_nearest_name(tmp_path):
    write_one(tmp_path, [coco_annotation(1, 3, [square(1, 1, 5)])])
    found = opened(tmp_path, classes=("cta", "dog"))
    assert found.classes == ("background", "cta", "dog")
    assert 'data.classes: the annotations have no class "cta"; did you mean "cat"?' in found.notes


def test_pixels_in_no_shape_can_be_ignored(tmp_path):
    write_one(tmp_path, [coco_annotation(1, 3, [square(1, 1, 5)]), coco_annotation(1, 17, [square(9, 9, 5)])])
    found = opened(tmp_path, background="")
    [mask] = drawn(found).values()
    assert found.classes == ("cat", "dog")
    assert (mask[3, 3], mask[12, 12], mask[20, 30]) == (0, 1, tlkit.IGNORE)


@pytest.mark.parametrize(
    ("unannotated", "keys", "value"),
    [("background", 2, 0), ("ignore", 2, tlkit.IGNORE), ("leave_out", 1, None)],
)
def test_images_without_annotations(tmp_path, unannotated, keys, value):
    write_one(tmp_path, [coco_annotation(1, 3, [square(1, 1, 5)])], ("a.png", "b.png"))
    masks = drawn(opened(tmp_path, unannotated=unannotated))
    assert len(masks) == keys
    assert value is None or (masks["images/b.png"] == value).all()


def test_several_files_are_splits_and_images_of_the_same_name_are_told_apart(tmp_path):
    for split, category in (("train", 3), ("val", 17)):
        write_image(tmp_path / f"{split}2017" / "1.png")
        write_json(
            tmp_path / "annotations" / f"instances_{split}2017.json",
            coco([coco_entry(1, "1.png")], [coco_annotation(1, category, [square(1, 1, 5)])]),
        )
        write_json(tmp_path / "annotations" / f"captions_{split}2017.json", {"images": [], "annotations": []})
    found = opened(tmp_path)
    assert [(sample.key, sample.split) for sample in found.samples] == [
        ("train2017/1.png", "train"),
        ("val2017/1.png", "validation"),
    ]
    masks = drawn(found)
    assert [masks[key][3, 3] for key in masks] == [1, 2]
    assert [each.name for each in found.sources] == ["instances_train2017.json", "instances_val2017.json"]


def test_roboflows_files_lie_beside_their_images(tmp_path):
    for split in ("train", "valid", "test"):
        write_image(tmp_path / split / "1.png")
        write_json(
            tmp_path / split / "_annotations.coco.json",
            coco([coco_entry(1, "1.png")], [coco_annotation(1, 3, [square(1, 1, 5)])]),
        )
    found = opened(tmp_path)
    assert {sample.key: sample.split for sample in found.samples} == {
        "train/1.png": "train",
        "valid/1.png": "validation",
        "test/1.png": "test",
    }


def test_versions_of_a_photo_that_roboflow_augmented_are_one_group(tmp_path):
    names = ("cat_jpg.rf.0123456789abcdef.jpg", "cat_jpg.rf.fedcba9876543210.jpg", "dog_jpg.rf.00000000ffffffff.jpg")
    write_one(tmp_path, [coco_annotation(1, 3, [square(1, 1, 5)])], names)
    assert [sample.group for sample in opened(tmp_path).samples] == ["cat_jpg", "cat_jpg", "dog_jpg"]


def test_the_recipe_can_name_the_files_and_their_splits(tmp_path):
    for name in ("a", "b", "c"):
        write_image(tmp_path / f"{name}.png")
        write_json(
            tmp_path / f"{name}.json",
            coco([coco_entry(1, f"{name}.png")], [coco_annotation(1, 3, [square(1, 1, 5)])]),
        )
    found = opened(tmp_path, files={"a.json": "train", "b.json": "test"})
    assert [(sample.key, sample.split) for sample in found.samples] == [("a.png", "train"), ("b.png", "test")]
    with pytest.raises(tlkit.DataError, match=r"data\.files: no file \.\./d\.json"):
        opened(tmp_path, files={"../d.json": "train"})


def test_an_image_in_two_splits_is_refused(tmp_path):
    write_image(tmp_path / "a.png")
    for split in ("train", "val"):
        write_json(
            tmp_path / f"{split}.json", coco([coco_entry(1, "a.png")], [coco_annotation(1, 3, [square(1, 1, 5)])])
        )
    with pytest.raises(tlkit.DataError, match=r"a\.png: in train\.json for train and in val\.json for validation"):
        opened(tmp_path)


@pytest.mark.parametrize(("twice", "values"), [("merge", (1, 2)), ("first", (1, 0)), ("last", (0, 2))])
def test_an_image_annotated_twice(tmp_path, twice, values):
    write_image(tmp_path / "a.png")
    images = [coco_entry(1, "a.png"), coco_entry(2, "./a.png")]
    shapes = [coco_annotation(1, 3, [square(1, 1, 5)]), coco_annotation(2, 17, [square(9, 9, 5)])]
    write_json(tmp_path / "a.json", coco(images, shapes))
    found = opened(tmp_path, twice=twice, classes=("cat", "dog"))
    [mask] = drawn(found).values()
    assert (mask[3, 3], mask[12, 12]) == values
    assert any(note.startswith("images annotated again, ") for note in found.notes)


def test_missing_images_are_set_aside_and_others_are_counted(tmp_path):
    write_one(tmp_path, [coco_annotation(1, 3, [square(1, 1, 5)])])
    write_image(tmp_path / "images" / "more.png")
    content = coco(
        [coco_entry(1, "a.png"), coco_entry(2, "gone.png")],
        [coco_annotation(1, 3, [square(1, 1, 5)]), coco_annotation(9, 3, []), coco_annotation(1, 5, []), {"x": 1}],
    )
    write_json(tmp_path / "instances.json", content)
    found = opened(tmp_path)
    assert found.set_aside == (tlkit.SetAside("gone.png", "no such image (instances.json)"),)
    assert set(found.notes) >= {
        f"images below {tmp_path} that are in no annotation file, not used: 1",
        "annotations of an image id that the file does not define, not used: 1",
        "annotations of a category id that the file does not define, not used: 1",
        "annotations that are no objects, not used: 1",
    }


def test_annotations_of_another_size_show_in_the_mask(tmp_path):
    write_image(tmp_path / "a.png", (48, 64))
    write_json(tmp_path / "a.json", coco([coco_entry(1, "a.png")], [coco_annotation(1, 3, [square(1, 1, 5)])]))
    [mask] = drawn(opened(tmp_path)).values()
    assert mask.shape == (HEIGHT, WIDTH)  # tlkit's check compares it with the image's


def test_without_a_size_the_images_own_counts(tmp_path):
    write_image(tmp_path / "a.png", (48, 64))
    images = [{"id": 1, "file_name": "a.png"}]
    write_json(tmp_path / "a.json", coco(images, [coco_annotation(1, 3, [square(1, 1, 5)])]))
    [mask] = drawn(opened(tmp_path)).values()
    assert mask.shape == (48, 64)


def labels_of(found):
    return {sample.key.removeprefix("images/"): sample.label for sample in found.samples}


def test_labels_of_images(tmp_path):
    shapes = [
        coco_annotation(1, 3, [square(1, 1, 5)], area=25),
        coco_annotation(2, 17, [], bbox=[0, 0, 9, 9]),
        coco_annotation(2, 3, [square(1, 1, 5)], area=25),
    ]
    write_one(tmp_path, shapes, ("a.png", "b.png", "c.png"))
    several = opened(tmp_path, CLASSIFY)
    assert several.multi_label
    assert labels_of(several) == {"a.png": (0,), "b.png": (0, 1), "c.png": ()}
    largest = opened(tmp_path, CLASSIFY, labels="largest")
    assert largest.classes == ("cat", "dog", "background")
    assert labels_of(largest) == {"a.png": 0, "b.png": 1, "c.png": 2}
    only = opened(tmp_path, CLASSIFY, labels="only", unannotated="leave_out")
    assert labels_of(only) == {"a.png": 0}
    assert {each.reason for each in only.set_aside} == {
        '2 classes (labels = "only")',
        'no annotations (unannotated = "leave_out")',
    }


def test_boxes_alone_are_for_classification(tmp_path):
    write_one(tmp_path, [coco_annotation(1, 3, [], bbox=[1, 1, 4, 4]), coco_annotation(2, 17, [])], ("a.png", "b.png"))
    with pytest.raises(tlkit.DataError, match='boxes can be learnt with task = "classification"'):
        opened(tmp_path)
    found = detect_coco(tmp_path, None)
    assert (found.task, found.tasks, found.options["labels"]) == ("classification", ("classification",), "only")


def test_init_is_told_classes_counts_and_what_cannot_be_used(tmp_path):
    write_one(
        tmp_path,
        [coco_annotation(1, 3, [square(1, 1, 5)]), coco_annotation(2, 17, [square(9, 9, 5)])],
        ("a.png", "b.png", "c.png"),
    )
    found = detect_coco(tmp_path, None)
    assert found.title == "COCO annotations: 1 file, 3 images"
    assert found.task == "segmentation"
    assert found.counts == {"": {"cat": 1, "dog": 1}}
    assert found.splits == {"": 3}
    assert found.options == {
        "path": tmp_path,
        "overlap": "smaller",
        "unannotated": "background",
        "classes": ["cat", "dog"],
    }
    (note,) = [each for each in found.notes if each.startswith("images without annotations: 1, such as ")]
    assert 'if they are not annotated yet, set data.unannotated = "leave_out"' in note
    assert detect_coco(tmp_path / "instances.json", None).counts == found.counts
    assert detect_coco(tmp_path / "images", None) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [', r"instances\.json:1: column 13: not JSON: the file ends too early"),
        ('{"images": [],\n "annotations" []}', r"instances\.json:2: column 16: not JSON: Expecting"),
        ('[{"images": 1}]', "expected a JSON object, received a list"),
        ('{"images": {}, "annotations": [], "categories": []}', 'a list "images", received an object'),
        ("[" * 100_000, "nested too deeply"),
        ('{"images": ' + "9" * 5000 + "}", "not JSON that can be read"),
    ],
    ids=["cut", "colon", "list", "object", "deep", "digits"],
)
def test_a_file_that_is_not_coco_is_named_with_its_line(tmp_path, content, message):
    (tmp_path / "instances.json").write_text(content)
    with pytest.raises(tlkit.DataError, match=message):
        opened(tmp_path, files={"instances.json": ""})


def test_a_folder_without_annotations_says_what_is_expected(tmp_path):
    with pytest.raises(tlkit.DataError, match="no COCO annotations; expected a JSON file with images"):
        opened(tmp_path)
