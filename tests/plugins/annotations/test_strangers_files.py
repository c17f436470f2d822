"""What the annotation formats share when they read files that a stranger wrote."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from annotated import png_text, write_image
from pycocotools import mask as tool
from tlkit_annotations import shapes
from tlkit_annotations.bitmaps import png_pixels
from tlkit_annotations.drawing import draw
from tlkit_annotations.places import ImageFinder, below, parts_of
from tlkit_annotations.reading import mentions, name_of, number_of, read_json, read_xml, side_of
from tlkit_annotations.run_lengths import run_lengths
from tlkit_annotations.shapes import Rules, Shape, drawing_text

import tlkit


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.png", ("a.png",)),
        ("train\\a.png", ("train", "a.png")),
        ("C:\\x\\a.png", ("x", "a.png")),
        ("/x/a.png", ("x", "a.png")),
        ("../../x/a.png", ("x", "a.png")),
        ("x/../../a.png", ("a.png",)),
        ("https://host/x/a.png", ("x", "a.png")),
        ("./a.png", ("a.png",)),
        ("..", ()),
        ("a\0.png", ()),
        ("", ()),
    ],
)
def test_a_name_has_no_drive_no_root_and_no_way_up(name, parts):
    assert parts_of(name) == parts


def test_nothing_outside_the_folder_is_found(tmp_path):
    write_image(tmp_path / "secret.png")
    write_image(tmp_path / "data" / "a.png")
    (tmp_path / "data" / "link.png").symlink_to(tmp_path / "secret.png")
    finder = ImageFinder(tmp_path / "data")
    for name in ("../secret.png", str(tmp_path / "secret.png"), "..\\secret.png"):
        assert finder.find(name) == "no such image"
    assert "a link that leads out of the folder" in finder.find("link.png")
    assert below(tmp_path / "data", "../secret.png") is None
    assert below(tmp_path / "data", "link.png") is None
    assert below(tmp_path / "data", "a.png") == tmp_path / "data" / "a.png"


def test_a_linked_folder_inside_the_data_is_used_and_one_outside_is_not(tmp_path):
    write_image(tmp_path / "elsewhere" / "a.png")
    write_image(tmp_path / "data" / "real" / "b.png")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    finder = ImageFinder(tmp_path / "data")
    assert finder.find("b.png") == tmp_path / "data" / "real" / "b.png"
    assert "name its target with data.images" in finder.find("a.png")
    assert ImageFinder(tmp_path / "data" / "linked").find("a.png") == tmp_path / "data" / "linked" / "a.png"


def test_images_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for folder in ("x/one", "x/two", "y/two"):
        write_image(tmp_path / folder / "a.png")
    finder = ImageFinder(tmp_path)
    assert finder.find("C:\\old\\one\\a.png") == tmp_path / "x/one/a.png"
    assert finder.find("y/two/a.png") == tmp_path / "y/two/a.png"
    assert finder.find("two/a.png") == "2 images have this name; the folder that it names does not say which"


def test_names_differ_by_case_and_unicode_form(tmp_path):
    write_image(tmp_path / "Café.png")
    assert ImageFinder(tmp_path).find("cafe\u0301.PNG") == tmp_path / "Café.png"


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "a.json").write_text("[1, 2, 3]")
    with pytest.raises(tlkit.DataError, match="larger than"):
        read_json(tmp_path / "a.json", limit=4)
    assert not mentions(tmp_path / "a.json", "1", limit=4)


def test_json_of_other_encodings(tmp_path):
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "a.json").write_text('{"ä": NaN}', encoding=encoding)
        assert read_json(tmp_path / "a.json") == {"ä": None}
    (tmp_path / "a.json").write_bytes(b'{"\xe4": 1}')
    with pytest.raises(tlkit.DataError, match="byte 2: not text in UTF-8"):
        read_json(tmp_path / "a.json")


def test_xml_with_entities_or_a_document_type_is_refused(tmp_path):
    file = tmp_path / "a.xml"
    file.write_text("<a><b/></a>")
    assert read_xml(file).tag == "a"
    file.write_text('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///no-such-file">]><a>&x;</a>')
    with pytest.raises(tlkit.DataError, match="has a document type or entities"):
        read_xml(file)
    file.write_text("<a>\n<b></a>")
    with pytest.raises(tlkit.DataError, match=r"a\.xml:2: column \d+: not XML"):
        read_xml(file)


def test_words_are_found_across_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("tlkit_annotations.reading._CHUNK", 5)
    (tmp_path / "a.json").write_text("0123456789abcdef")
    assert mentions(tmp_path / "a.json", "3456", "89ab")
    assert not mentions(tmp_path / "a.json", "3456", "x")


def test_values_of_every_type():
    assert [name_of(each) for each in (" cat ", 3, True, None, ["x"], "Cafe\u0301")] == ["cat", "3", "", "", "", "Café"]
    assert [number_of(each) for each in (1, "2.5", "x", True, None, 1e400, 10**400)] == [
        1,
        2.5,
        None,
        None,
        None,
        None,
        None,
    ]
    assert [side_of(each) for each in (10, 10.0, "10", 10.5, 0, -1, 10**9)] == [10, 10, 10, None, None, None, None]


def test_run_lengths_are_those_of_pycocotools():
    random = np.random.default_rng(0)
    for _ in range(50):
        height, width = random.integers(1, 300, 2).tolist()
        pixels = np.asfortranarray(random.random((height, width)) < random.random() ** 3, np.uint8)
        counts = run_lengths(tool.encode(pixels)["counts"])
        values = np.repeat(np.arange(len(counts)) % 2, counts)
        assert np.array_equal(values.reshape(width, height).T, pixels)


RULES = Rules("later", 0, {"cat": 1}.get)


def test_the_bytes_determine_the_mask():
    shape = Shape("cat", "outline", [1, 1, 5, 1, 3, 6])
    content = drawing_text((8, 9), [shape], RULES)
    assert content == drawing_text((8, 9), [shape], RULES)
    assert draw(content).shape == (8, 9)
    for other in (
        drawing_text((8, 8), [shape], RULES),
        drawing_text((8, 9), [shape, shape], RULES),
        drawing_text((8, 9), [shape], Rules("smaller", 0, {"cat": 1}.get)),
        drawing_text((8, 9), [shape], Rules("later", 0, {"cat": 2}.get)),
        drawing_text((8, 9), [shape], Rules("later", 255, {"cat": 1}.get)),
    ):
        assert other != content


def test_holes_are_not_part_of_a_shape():
    hole = [4, 4, 8, 4, 8, 8, 4, 8]
    for kind in ("outline", "polygons"):
        value = [0, 0, 12, 0, 12, 12, 0, 12]
        shape = Shape("cat", kind, value if kind == "outline" else [value], (hole if kind == "outline" else [hole],))
        mask = draw(drawing_text((16, 16), [shape], RULES))
        assert (mask[2, 2], mask[6, 6], mask[14, 14]) == (1, 0, 0)


def test_what_is_too_much_to_draw_is_refused(monkeypatch):
    with pytest.raises(tlkit.DataError, match="expected at most"):
        drawing_text((20_000, 20_000), [], RULES)
    monkeypatch.setattr(shapes, "MAX_OUTLINE", 1000)
    with pytest.raises(tlkit.DataError, match="outlines that are 1205 pixels long; expected at most 1000"):
        drawing_text((9, 9), [Shape("cat", "polygons", [[0, 0, 600, 0, 600, 5]])], RULES)
    with pytest.raises(tlkit.DataError, match="expected at most 1000"):
        drawing_text((9, 9), [Shape("cat", "outline", [0, 0, 6, 0, 6, 5], ([0, 0, 600, 0, 600, 5],))], RULES)
    monkeypatch.setattr(shapes, "MAX_LENGTH", 30)
    with pytest.raises(tlkit.DataError, match="outlines that are 34 pixels long; expected at most 30"):
        drawing_text((9, 9), [Shape("cat", "polygons", [[0, 0, 6, 0, 6, 5]])] * 2, RULES)
    monkeypatch.setattr(shapes, "MAX_SHAPES", 1)
    with pytest.raises(tlkit.DataError, match="2 shapes in one image"):
        drawing_text((9, 9), [Shape("cat", "disc", [1, 1])] * 2, RULES)


def test_bitmaps_of_several_kinds():
    pixels = np.array([[0, 1], [255, 0]], np.uint8)
    expected = pixels > 0
    assert np.array_equal(png_pixels(png_text(pixels), 10), expected)
    assert np.array_equal(
        png_pixels(png_text(np.dstack([pixels * 0 + 9, pixels * 0, pixels * 0, pixels])), 10), expected
    )
    assert np.array_equal(png_pixels(png_text(expected), 10), expected)
    with pytest.raises(tlkit.DataError, match="much larger"):
        png_pixels(png_text(pixels), 3)
    with pytest.raises(tlkit.DataError, match="not a PNG"):
        png_pixels(base64.b64encode(b"GIF89a").decode(), 10)
