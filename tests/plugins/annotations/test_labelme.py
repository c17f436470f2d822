"""LabelMe annotations: what is read, what is drawn, what is said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from annotated import HEIGHT, WIDTH, drawn, labelme, labelme_shape, png_text, write_image, write_json
from PIL import Image, ImageDraw
from tlkit_annotations.labelme import detect_labelme, open_labelme
from tlkit_annotations.options import LabelmeOptions

import tlkit

SEGMENT = tlkit.DatasetContext("segmentation", 0)
CLASSIFY = tlkit.DatasetContext("classification", 0)
TRIANGLE = [[2.0, 2.0], [20.0, 4.0], [8.0, 18.0]]


def write_one(folder, shapes, name="a", image=None, **more):
    write_image(folder / f"{name}.png")
    return write_json(folder / f"{name}.json", labelme(shapes, image or f"{name}.png", **more))


def opened(folder, context=SEGMENT, **options):
    return open_labelme(context, LabelmeOptions(path=folder, **options))


def as_labelme_draws(kind, points, size=(HEIGHT, WIDTH)):
    """Draw a shape by the convention of ``labelme.utils.shape.shape_to_mask`` (6.3.1)."""
    image = Image.new("L", (size[1], size[0]))
    pen = ImageDraw.Draw(image)
    xy = [tuple(point) for point in points]
    if kind == "circle":
        (x, y), (edge_x, edge_y) = xy
        radius = math.sqrt((x - edge_x) ** 2 + (y - edge_y) ** 2)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=1, fill=1)
    elif kind == "rectangle":
        (x, y), (other_x, other_y) = xy
        pen.rectangle((min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y)), outline=1, fill=1)
    elif kind in ("line", "linestrip"):
        pen.line(xy, fill=1, width=10)
    elif kind in ("point", "points"):
        for x, y in xy:
            pen.ellipse((x - 5, y - 5, x + 5, y + 5), outline=1, fill=1)
    else:
        pen.polygon(xy, outline=1, fill=1)
    return np.array(image)


POINTS = {
    "polygon": 6,
    None: 3,
    "rectangle": 2,
    "oriented_rectangle": 4,
    "circle": 2,
    "line": 2,
    "linestrip": 5,
    "point": 1,
    "points": 3,
}


@pytest.mark.parametrize("kind", POINTS)
def test_each_shape_type_is_drawn_as_labelme_draws_it(tmp_path, kind):
    random = np.random.default_rng(POINTS[kind])
    expected = {}
    for number in range(30):
        size = tuple(random.integers(8, 60, 2).tolist())
        points = random.random((POINTS[kind], 2)) * [size[1] * 1.4, size[0] * 1.4] - [size[1] * 0.2, size[0] * 0.2]
        points = (np.round(points) if number % 3 == 0 else points).tolist()
        write_image(tmp_path / f"{number}.png", size)
        content = labelme(
            [labelme_shape("cat", points, kind)], f"{number}.png", imageHeight=size[0], imageWidth=size[1]
        )
        write_json(tmp_path / f"{number}.json", content)
        expected[f"{number}.png"] = as_labelme_draws(kind, points, size)
    masks = drawn(opened(tmp_path))
    assert masks.keys() == expected.keys()
    assert sum(int(np.count_nonzero(masks[key] != expected[key])) for key in masks) == 0


@pytest.mark.parametrize(
    ("corners", "left", "top"),
    [
        ([[3, 2], [12, 7]], 3, 2),
        ([[3.4, 2.6], [12.9, 8.1]], 3, 3),
        ([[25, 20], [34, 25]], 25, 20),
        ([[-2, -1], [7, 4]], -2, -1),
    ],
    ids=["whole", "between", "right", "left"],
)
def test_a_bitmap_lies_at_its_first_corner_and_has_the_size_of_its_png(tmp_path, corners, left, top):
    pixels = np.random.default_rng(0).random((6, 10)) < 0.5
    expected = np.zeros((HEIGHT + 20, WIDTH + 20), np.uint8)
    expected[top + 10 : top + 16, left + 10 : left + 20] = pixels
    write_one(tmp_path, [labelme_shape("cat", corners, "mask", mask=png_text(pixels.astype(np.uint8)))])
    [mask] = drawn(opened(tmp_path)).values()
    assert np.array_equal(mask, expected[10 : 10 + HEIGHT, 10 : 10 + WIDTH])


def test_later_shapes_win_unless_another_rule_is_asked_for(tmp_path):
    shapes = [labelme_shape("dog", [[2, 2], [6, 6]], "rectangle"), labelme_shape("cat", [[0, 0], [9, 9]], "rectangle")]
    write_one(tmp_path, shapes)
    assert [drawn(opened(tmp_path, overlap=rule))["a.png"][4, 4] for rule in ("later", "earlier", "smaller")] == [
        1,
        2,
        2,
    ]


def test_all_files_share_one_class_table(tmp_path):
    write_one(tmp_path, [labelme_shape("zebra", TRIANGLE)], "a")
    write_one(tmp_path, [labelme_shape("ant", TRIANGLE)], "b")
    found = opened(tmp_path)
    assert found.classes == ("background", "ant", "zebra")
    assert [int(mask.max()) for mask in drawn(found).values()] == [2, 1]


def test_special_labels(tmp_path):
    shapes = [
        labelme_shape("cat", [[0, 0], [20, 20]], "rectangle"),
        labelme_shape("__ignore__", [[0, 0], [5, 5]], "rectangle"),
        labelme_shape("_background_", [[10, 10], [15, 15]], "rectangle"),
    ]
    write_one(tmp_path, shapes)
    found = opened(tmp_path)
    [mask] = drawn(found).values()
    assert found.classes == ("background", "cat")
    assert (mask[2, 2], mask[12, 12], mask[8, 8]) == (tlkit.IGNORE, 0, 1)


def test_special_labels_are_no_classes_of_images(tmp_path):
    special = [labelme_shape(each, TRIANGLE) for each in ("__ignore__", "_background_")]
    write_one(tmp_path, [labelme_shape("cat", TRIANGLE), *special], "a")
    write_one(tmp_path, [labelme_shape("dog", TRIANGLE), *special], "b")
    found = detect_labelme(tmp_path, "classification")
    assert (found.options["labels"], found.counts) == ("only", {"": {"cat": 1, "dog": 1}})


@pytest.mark.parametrize("path", ["..\\pictures\\a.png", "C:\\data\\a.png", "/home/x/a.png", "other.png", "", "A.PNG"])
def test_the_image_is_found_whatever_path_the_file_has(tmp_path, path):
    write_one(tmp_path / "deep", [labelme_shape("cat", TRIANGLE)], image=path)
    assert [sample.key for sample in opened(tmp_path).samples] == ["deep/a.png"]


def test_images_in_a_folder_beside_the_annotations(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    write_json(tmp_path / "labels" / "a.json", labelme([labelme_shape("cat", TRIANGLE)], "..\\images\\a.png"))
    assert [sample.key for sample in opened(tmp_path).samples] == ["images/a.png"]
    found = opened(tmp_path / "labels", images=tmp_path / "images")
    assert [sample.key for sample in found.samples] == ["a.png"]


def test_an_image_that_only_the_json_file_holds_is_said(tmp_path):
    write_one(tmp_path, [labelme_shape("cat", TRIANGLE)])
    write_json(tmp_path / "b.json", labelme([labelme_shape("cat", TRIANGLE)], "b.jpg", imageData="aGVsbG8="))
    assert opened(tmp_path).set_aside == (
        tlkit.SetAside("b.json", "no such image; the JSON file holds it (imageData): save it as a file named b"),
    )


def test_points_are_in_the_image_as_exif_turns_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (HEIGHT, WIDTH)).save(tmp_path / "a.jpg", exif=exif)
    write_json(tmp_path / "a.json", labelme([labelme_shape("cat", TRIANGLE)], "a.jpg", imageHeight=None))
    [mask] = drawn(opened(tmp_path)).values()
    assert mask.shape == (HEIGHT, WIDTH)
    assert np.array_equal(mask, as_labelme_draws("polygon", TRIANGLE))


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (labelme_shape("", TRIANGLE), "without a label"),
        (labelme_shape("cat", []), "without points"),
        (labelme_shape("cat", [[1, 2, 3]]), "without points"),
        (labelme_shape("cat", [[1, None]]), "of coordinates that are no numbers"),
        (labelme_shape("cat", TRIANGLE[:2]), "of the type polygon with 2 points"),
        (labelme_shape("cat", TRIANGLE, "circle"), "of the type circle with 3 points"),
        (labelme_shape("cat", TRIANGLE, "spline"), "of the type spline, which is unknown"),
        (labelme_shape("cat", TRIANGLE[:2], "mask"), "masks without a bitmap"),
        (labelme_shape("cat", TRIANGLE[:2], "mask", mask="aGk="), "masks with a bitmap that is not a PNG in base64"),
    ],
)
def test_a_shape_that_cannot_be_used_is_counted_and_the_others_are_drawn(tmp_path, shape, said):
    write_one(tmp_path, [shape, labelme_shape("dog", TRIANGLE)])
    found = opened(tmp_path)
    assert any(note.startswith(f"shapes {said}") and note.endswith("not used: 1") for note in found.notes)
    assert drawn(found)["a.png"].max() == 1


def test_four_corners_of_a_rectangle_as_x_anylabeling_writes_them(tmp_path):
    write_one(tmp_path, [labelme_shape("cat", [[2, 3], [9, 3], [9, 8], [2, 8]], "rectangle")])
    [mask] = drawn(opened(tmp_path)).values()
    assert np.array_equal(mask, as_labelme_draws("rectangle", [[2, 3], [9, 8]]))


def test_images_without_a_file_are_left_out_unless_asked_for(tmp_path):
    write_one(tmp_path, [labelme_shape("cat", TRIANGLE)])
    write_one(tmp_path, [], "empty")
    write_image(tmp_path / "new.png", (9, 11))
    found = opened(tmp_path)
    assert [sample.key for sample in found.samples] == ["a.png", "empty.png"]
    assert found.set_aside == (tlkit.SetAside("new.png", 'no annotations (unannotated = "leave_out")'),)
    masks = drawn(opened(tmp_path, unannotated="background"))
    assert masks["new.png"].shape == (9, 11)


def test_shapes_and_flags_label_images(tmp_path):
    write_one(tmp_path, [labelme_shape("cat", TRIANGLE)], "a", flags={"blurred": True, "dark": False})
    write_one(tmp_path, [labelme_shape("dog", [[0, 0], [3, 3]], "rectangle")], "b", flags={"dark": True})
    shapes = opened(tmp_path, CLASSIFY, labels="only")
    assert (shapes.classes, [sample.label for sample in shapes.samples]) == (("cat", "dog"), [0, 1])
    flags = opened(tmp_path, CLASSIFY, labels="only", source="flags")
    assert (flags.classes, [sample.label for sample in flags.samples]) == (("blurred", "dark"), [0, 1])


def test_init_recognises_a_folder_and_one_of_its_files(tmp_path):
    file = write_one(tmp_path, [labelme_shape("cat", TRIANGLE), labelme_shape("spoon", [[1, 2]], "circle")])
    write_one(tmp_path, [labelme_shape("dog", TRIANGLE)], "b")
    for path in (tmp_path, file):
        found = detect_labelme(path, None)
        assert found.title == "LabelMe annotations: 2 files, 2 images"
        assert found.counts == {"": {"cat": 1, "dog": 1}}
        assert found.options == {"path": tmp_path, "overlap": "later", "classes": ["cat", "dog"]}
        assert "shapes of the type circle with 1 points, not used: 1" in found.notes
    assert detect_labelme(tmp_path / "a.png", None) is None


def test_init_takes_flags_for_classes_where_there_are_no_shapes(tmp_path):
    for name, flag in (("a", "good"), ("b", "bad")):
        write_one(tmp_path, [], name, flags={flag: True})
    found = detect_labelme(tmp_path, None)
    assert (found.task, found.options["source"], found.counts) == (
        "classification",
        "flags",
        {"": {"bad": 1, "good": 1}},
    )


def test_a_file_that_is_cut_is_named_with_its_line(tmp_path):
    file = write_one(tmp_path, [labelme_shape("cat", TRIANGLE)])
    file.write_text(file.read_text()[:-5])
    with pytest.raises(tlkit.DataError, match=r"a\.json:1: column \d+: not JSON"):
        opened(tmp_path)


def test_a_file_that_is_not_labelmes_is_set_aside(tmp_path):
    write_one(tmp_path, [labelme_shape("cat", TRIANGLE)])
    write_json(tmp_path / "settings.json", {"a": 1})
    assert opened(tmp_path).set_aside == (tlkit.SetAside("settings.json", "not a LabelMe file"),)
