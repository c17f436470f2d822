"""CVAT for images: what is read, drawn and said."""

from __future__ import annotations

import numpy as np
import pytest
from annotated import HEIGHT, WIDTH, drawn, write_image
from tlkit_annotations.cvat import detect_cvat, open_cvat
from tlkit_annotations.tool_options import CvatOptions

import tlkit

SEGMENT = tlkit.DatasetContext("segmentation", 0)
CLASSIFY = tlkit.DatasetContext("classification", 0)
META = (
    "<version>1.1</version><meta><task><labels><label><name>cat</name><color>#ff0000</color></label>"
    "<label><name>dog</name><color>#00ff00</color></label></labels></task></meta>"
)
POLYGON = '<polygon label="cat" points="2.5,2.5;20.0,4.0;8.5,18.0" z_order="{}"/>'
BOX = '<box label="dog" xtl="4" ytl="3" xbr="14" ybr="13" z_order="{}"/>'


def image(name, *shapes, **more):
    fields = "".join(f' {key}="{value}"' for key, value in more.items())
    return f'<image id="0" name="{name}" width="{WIDTH}" height="{HEIGHT}"{fields}>{"".join(shapes)}</image>'


def write(folder, *images, name="annotations.xml"):
    (folder / name).write_text(f"<annotations>{META}{''.join(images)}</annotations>", encoding="utf-8")
    return folder


def opened(folder, context=SEGMENT, **options):
    return open_cvat(context, CvatOptions(path=folder, **options))


def as_pycocotools_draws(points):
    from pycocotools import mask

    return mask.decode(mask.frPyObjects([points], HEIGHT, WIDTH))[..., 0]


def test_a_polygon_is_drawn_as_pycocotools_draws_it(tmp_path):
    random = np.random.default_rng(0)
    expected, images = {}, []
    for number in range(40):
        points = np.round(random.uniform(-3, WIDTH + 3, (int(random.integers(3, 9)), 2)), 2)
        write_image(tmp_path / f"{number}.png")
        text = ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
        images.append(image(f"{number}.png", f'<polygon label="cat" points="{text}"/>'))
        expected[f"{number}.png"] = as_pycocotools_draws(points.reshape(-1).tolist())
    masks = drawn(opened(write(tmp_path, *images)))
    assert max(int((masks[key] != expected[key]).sum()) for key in expected) == 0


def test_a_mask_has_row_major_run_lengths_in_its_box(tmp_path):
    write_image(tmp_path / "a.png")
    write(tmp_path, image("a.png", '<mask label="cat" rle="1, 2, 3" left="5" top="7" width="3" height="2"/>'))
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[7:9, 5:8] = [[0, 1, 1], [0, 0, 0]]
    assert np.array_equal(drawn(opened(tmp_path))["a.png"], expected)


@pytest.mark.parametrize("heights", [(0, 1), (1, 0)])
def test_the_shape_of_the_higher_z_order_lies_above(tmp_path, heights):
    write_image(tmp_path / "a.png")
    write(tmp_path, image("a.png", POLYGON.format(heights[0]), BOX.format(heights[1])))
    triangle = as_pycocotools_draws([2.5, 2.5, 20.0, 4.0, 8.5, 18.0])
    box = as_pycocotools_draws([4, 3, 14, 3, 14, 13, 4, 13])
    layers = sorted([(heights[0], 1, triangle), (heights[1], 2, box)])
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _, number, layer in layers:
        expected[layer > 0] = number
    assert np.array_equal(drawn(opened(tmp_path, boxes=True))["a.png"], expected)


def test_a_turned_box_and_an_ellipse_have_their_area(tmp_path):
    write_image(tmp_path / "a.png")
    box = '<box label="dog" xtl="10" ytl="8" xbr="22" ybr="16" rotation="90"/>'
    write(tmp_path, image("a.png", box))
    mask = drawn(opened(tmp_path, boxes=True))["a.png"]
    rows, columns = np.nonzero(mask)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (12, 19, 6, 17)
    write(tmp_path, image("a.png", '<ellipse label="cat" cx="16" cy="12" rx="10" ry="6"/>'))
    assert np.count_nonzero(drawn(opened(tmp_path))["a.png"]) == pytest.approx(np.pi * 60, rel=0.03)


def test_boxes_lines_and_hidden_shapes_are_not_drawn_but_said(tmp_path):
    write_image(tmp_path / "a.png")
    line = '<polyline label="cat" points="1,1;5,5"/>'
    hidden = '<polygon label="dog" outside="1" points="1,1;9,1;9,9"/>'
    write(tmp_path, image("a.png", POLYGON.format(0), BOX.format(1), line, hidden))
    found = opened(tmp_path)
    assert found.classes == ("background", "cat")
    assert "1 shapes are boxes (boxes = true draws them); not used" in found.notes
    assert "1 shapes are of the type polyline, which has no area; not used" in found.notes


def test_labels_are_tags_and_shapes_and_subsets_are_splits(tmp_path):
    for name in "abc":
        write_image(tmp_path / f"images/{name}.png")
    write(
        tmp_path,
        image("a.png", '<tag label="cat"/>', BOX.format(0), subset="Train"),
        image("b.png", '<tag label="dog"/>', subset="Train"),
        image("c.png", subset="Validation"),
    )
    found = opened(tmp_path, CLASSIFY)
    assert {each.key: (each.label, each.split) for each in found.samples} == {
        "images/a.png": ((0, 1), "train"),
        "images/b.png": ((1,), "train"),
        "images/c.png": ((), "validation"),
    }


def test_init_recognises_a_folder_and_a_file(tmp_path):
    write_image(tmp_path / "a.png")
    write(tmp_path, image("a.png", POLYGON.format(0)), image("gone.png", POLYGON.format(0)))
    for path in (tmp_path, tmp_path / "annotations.xml"):
        seen = detect_cvat(path, None)
        assert (seen.task, seen.counts, len(seen.images)) == ("segmentation", {"": {"cat": 1}}, 1)
        assert "can't be used: 1: gone.png: no such image (annotations.xml)" in seen.notes
    assert detect_cvat(tmp_path / "a.png", None) is None


def test_a_video_is_refused_with_the_export_to_choose(tmp_path):
    write_image(tmp_path / "a.png")
    write(tmp_path, '<track id="0" label="cat"></track>')
    with pytest.raises(tlkit.DataError, match='export them as "CVAT for images"'):
        opened(tmp_path)


def test_run_lengths_that_do_not_fit_are_said(tmp_path):
    write_image(tmp_path / "a.png")
    bad = '<mask label="cat" rle="1, 2" left="5" top="7" width="3" height="2"/>'
    write(tmp_path, image("a.png", POLYGON.format(0), bad))
    assert "1 shapes are masks whose run lengths don't fit; not used" in opened(tmp_path).notes
