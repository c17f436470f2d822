"""Supervisely: bitmaps, polygons with holes, rectangles, tags, projects with several data sets."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from annotated import HEIGHT, WIDTH, drawn, png_text, write_image, write_json
from PIL import Image, ImageDraw
from tlkit_annotations.supervisely import detect_supervisely, open_supervisely
from tlkit_annotations.tool_options import TaggedOptions

import tlkit

SEGMENT = tlkit.DatasetContext("segmentation", 0)
CLASSIFY = tlkit.DatasetContext("classification", 0)


def bitmap(label, pixels, x=0, y=0, *, compressed=True):
    text = png_text(pixels)
    if compressed:
        text = base64.b64encode(zlib.compress(base64.b64decode(text))).decode()
    return {"classTitle": label, "geometryType": "bitmap", "bitmap": {"data": text, "origin": [x, y]}}


def shape(label, kind, exterior, *interior):
    return {
        "classTitle": label,
        "geometryType": kind,
        "points": {"exterior": exterior, "interior": list(interior)},
    }


def write(folder, name, *objects, tags=(), data_set="ds0", suffix=".png.json"):
    write_image(folder / data_set / "img" / f"{name}.png")
    content = {
        "size": {"height": HEIGHT, "width": WIDTH},
        "tags": [{"name": each} for each in tags],
        "objects": list(objects),
    }
    write_json(folder / data_set / "ann" / f"{name}{suffix}", content)
    write_json(folder / "meta.json", {"classes": [{"title": "cat", "color": "#102030"}, {"title": "dog"}], "tags": []})
    return folder


def opened(folder, context=SEGMENT, **options):
    return open_supervisely(context, TaggedOptions(path=folder, **options))


def blob():
    return np.random.default_rng(0).integers(0, 2, (9, 12), np.uint8)


@pytest.mark.parametrize(
    "made",
    [
        lambda pixels: bitmap("cat", pixels, 5, 7),
        lambda pixels: bitmap("cat", pixels * 255, 5, 7),
        lambda pixels: bitmap("cat", pixels, 5, 7, compressed=False),
        lambda pixels: bitmap("cat", np.dstack([pixels * 0 + 9] * 3 + [pixels * 255]), 5, 7),
    ],
    ids=["0/1", "0/255", "not compressed", "alpha"],
)
def test_a_bitmap_lies_at_its_origin(tmp_path, made):
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[7:16, 5:17] = blob()
    assert np.array_equal(drawn(opened(write(tmp_path, "a", made(blob()))))["ds0/img/a.png"], expected)


def test_a_bitmap_beyond_the_edge_is_cut(tmp_path):
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[: HEIGHT - 18 + 0, :0] = 0
    expected[18:, WIDTH - 4 :] = blob()[: HEIGHT - 18, :4]
    found = opened(write(tmp_path, "a", bitmap("cat", blob(), WIDTH - 4, 18)))
    assert np.array_equal(drawn(found)["ds0/img/a.png"], expected)


def test_polygons_and_rectangles_include_their_edges_and_later_objects_win(tmp_path):
    outer, hole = [[2, 2], [28, 3], [25, 20], [4, 18]], [[10, 8], [16, 8], [16, 12], [10, 12]]
    write(tmp_path, "a", shape("cat", "polygon", outer, hole), shape("dog", "rectangle", [[20, 15], [24, 22]]))
    image = Image.new("L", (WIDTH, HEIGHT))
    pen = ImageDraw.Draw(image)
    pen.polygon([tuple(point) for point in outer], fill=1, outline=1)
    pen.polygon([tuple(point) for point in hole], fill=0, outline=0)
    pen.rectangle((20, 15, 24, 22), fill=2)
    found = opened(tmp_path)
    assert np.array_equal(drawn(found)["ds0/img/a.png"], np.array(image))
    assert found.colors[1] == (0x10, 0x20, 0x30)


def test_all_data_sets_of_a_project_are_read_and_their_names_may_be_splits(tmp_path):
    write(tmp_path, "a", bitmap("cat", blob()), data_set="train")
    write(tmp_path, "b", bitmap("dog", blob()), data_set="val", suffix=".json")
    write_image(tmp_path / "val/img/c.png")
    found = opened(tmp_path)
    assert {each.key: each.split for each in found.samples} == {
        "train/img/a.png": "train",
        "val/img/b.png": "validation",
        "val/img/c.png": None,
    }
    seen = detect_supervisely(tmp_path, None)
    assert seen.counts == {"": {}, "train": {"cat": 1}, "validation": {"dog": 1}}


def test_labels_are_classes_or_tags(tmp_path):
    write(tmp_path, "a", bitmap("cat", blob()), tags=["old"])
    write(tmp_path, "b", bitmap("dog", blob()), tags=["new", "old"])
    assert [each.label for each in opened(tmp_path, CLASSIFY).samples] == [(0,), (1,)]
    tagged = opened(tmp_path, CLASSIFY, source="tags")
    assert (tagged.classes, [each.label for each in tagged.samples]) == (("new", "old"), [(1,), (0, 1)])


def test_init_takes_tags_where_there_are_no_objects(tmp_path):
    write(tmp_path, "a", tags=["old"])
    write(tmp_path, "b", tags=["new"])
    seen = detect_supervisely(tmp_path, None)
    assert (seen.task, seen.options["source"], seen.counts) == ("classification", "tags", {"": {"new": 1, "old": 1}})


def test_what_cannot_be_drawn_is_said(tmp_path):
    write(tmp_path, "a", bitmap("cat", blob()), shape("cat", "line", [[1, 1], [5, 5]]))
    write_json(tmp_path / "ds0/ann/gone.png.json", {"size": {}, "objects": []})
    found = opened(tmp_path)
    assert "1 objects are of the type line; not used" in found.notes
    assert [each.key for each in found.set_aside] == ["ds0/ann/gone.png.json"]


def test_a_folder_of_classes_is_no_project(tmp_path):
    write_image(tmp_path / "img/a.png")
    write_image(tmp_path / "ann/b.png")
    assert detect_supervisely(tmp_path, None) is None
