"""Label Studio: brushes, shapes in per cent, choices, several annotators, the names of uploads."""

from __future__ import annotations

import numpy as np
import pytest
from annotated import HEIGHT, WIDTH, drawn, write_image, write_json
from tlkit_annotations.label_studio import detect_label_studio, open_label_studio
from tlkit_annotations.tool_options import LabelStudioOptions

import tlkit

SEGMENT = tlkit.DatasetContext("segmentation", 0)
CLASSIFY = tlkit.DatasetContext("classification", 0)


def bits(value, count):
    return [value >> place & 1 for place in reversed(range(count))]


def brush_text(values, word=8, sizes=(3, 4, 8, 16), longest=40):
    """Encode values as a brush: runs of equal values, and stretches of different ones."""
    stream = [*bits(len(values), 32), *bits(word - 1, 5)]
    for size in sizes:
        stream += bits(size - 1, 4)
    place = 0
    while place < len(values):
        end = place + 1
        while end < len(values) and values[end] == values[place]:
            end += 1
        same = end - place > 1
        if not same:
            while end < len(values) and end - place < longest and values[end] != values[end - 1]:
                end += 1
        size = next(number for number, each in enumerate(sizes) if end - place - 1 < 1 << each)
        stream += [int(same), *bits(size, 2), *bits(end - place - 1, sizes[size])]
        for value in values[place : place + 1] if same else values[place:end]:
            stream += bits(int(value), word)
        place = end
    return np.packbits(stream).tolist()


def result(kind, value, **more):
    return {"type": kind, "value": value, "original_width": WIDTH, "original_height": HEIGHT, **more}


def brush(label, mask, inside=255, word=8):
    pixels = np.zeros((*mask.shape, 4), np.uint8)
    pixels[..., 0] = 7 if word == 8 else 0
    pixels[..., 3] = mask * inside
    return result("brushlabels", {"format": "rle", "rle": brush_text(pixels.reshape(-1), word), "brushlabels": [label]})


def task(image, *annotations, **more):
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": list(each)} for each in annotations], **more}


def write(folder, *tasks, images=("a.png",)):
    for name in images:
        write_image(folder / name)
    write_json(folder / "project-1.json", list(tasks))
    return folder


def opened(folder, context=SEGMENT, **options):
    return open_label_studio(context, LabelStudioOptions(path=folder, **options))


def blob(seed=0):
    random = np.random.default_rng(seed)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[3:15, 4:22] = random.integers(0, 2, (12, 18))
    return mask


@pytest.mark.parametrize(("inside", "word"), [(255, 8), (1, 8), (1, 1)])
def test_a_brush_is_row_major_and_its_alpha_counts(tmp_path, inside, word):
    write(tmp_path, task("a.png", [brush("cat", blob(), inside, word)]))
    assert np.array_equal(drawn(opened(tmp_path))["a.png"], blob())


def test_a_soft_brush_is_inside_from_its_half(tmp_path):
    soft = blob() * 40
    soft[5:10, 5:20] = 200
    write(tmp_path, task("a.png", [brush("cat", soft, 1)]))
    assert np.array_equal(drawn(opened(tmp_path))["a.png"], (soft >= 128).astype(np.uint8))


def test_a_polygon_is_in_per_cent(tmp_path):
    from pycocotools import mask

    points = [[10.0, 12.5], [90.0, 20.0], [40.0, 95.0]]
    write(tmp_path, task("a.png", [result("polygonlabels", {"points": points, "polygonlabels": ["cat"]})]))
    pixels = [value * side / 100 for point in points for value, side in zip(point, (WIDTH, HEIGHT), strict=True)]
    expected = mask.decode(mask.frPyObjects([pixels], HEIGHT, WIDTH))[..., 0]
    assert np.array_equal(drawn(opened(tmp_path))["a.png"], expected)


def test_rectangles_and_ellipses_have_their_area(tmp_path):
    shapes = [
        result("rectanglelabels", {"x": 0, "y": 0, "width": 50, "height": 50, "rectanglelabels": ["cat"]}),
        result("ellipselabels", {"x": 75, "y": 75, "radiusX": 20, "radiusY": 20, "ellipselabels": ["dog"]}),
        result("keypointlabels", {"x": 75, "y": 75, "keypointlabels": ["dog"]}),
    ]
    found = opened(write(tmp_path, task("a.png", shapes)))
    counts = np.bincount(drawn(found)["a.png"].reshape(-1))
    assert counts[1] == HEIGHT * WIDTH // 4
    assert counts[2] == pytest.approx(np.pi * 0.2 * 0.2 * HEIGHT * WIDTH, rel=0.1)
    assert "1 results are of the type keypointlabels, which has no area; not used" in found.notes


@pytest.mark.parametrize(
    "name",
    [
        "a.png",
        "/data/upload/3/0123abcd-a.png",
        "/data/local-files/?d=photos/a.png",
        "s3://bucket/photos/a.png",
        "https://example.org/photos/a.png?token=x",
        "photos\\a.png",
    ],
)
def test_an_image_is_found_by_what_label_studio_calls_it(tmp_path, name):
    found = opened(write(tmp_path, task(name, [brush("cat", blob())])))
    assert [each.key for each in found.samples] == ["a.png"]


@pytest.mark.parametrize(("twice", "seeds"), [("last", [2]), ("first", [1]), ("merge", [1, 2])])
def test_of_several_annotators_one_counts_or_all(tmp_path, twice, seeds):
    write(tmp_path, task("a.png", [brush("cat", blob(1))], [brush("cat", blob(2))]))
    expected = np.maximum.reduce([blob(seed) for seed in seeds])
    assert np.array_equal(drawn(opened(tmp_path, twice=twice))["a.png"], expected)


def test_choices_are_labels_and_skipped_tasks_have_none(tmp_path):
    choice = [result("choices", {"choices": ["cat"]})]
    skipped = {"id": 2, "data": {"image": "b.png"}, "annotations": [{"result": choice, "was_cancelled": True}]}
    other = task("c.png", [result("choices", {"choices": ["cat", "dog"]})])
    write(tmp_path, task("a.png", choice), skipped, other, images=("a.png", "b.png", "c.png"))
    found = opened(tmp_path, CLASSIFY, source="choices", unannotated="leave_out")
    assert {each.key: each.label for each in found.samples} == {"a.png": (0,), "c.png": (0, 1)}
    seen = detect_label_studio(tmp_path, None)
    assert (seen.task, seen.options["source"], seen.counts) == (
        "classification",
        "choices",
        {"": {"cat": 2, "dog": 1}},
    )


def test_init_recognises_shapes_and_names_missing_images(tmp_path):
    write(tmp_path, task("a.png", [brush("cat", blob())]), task("gone.png", [brush("cat", blob())]))
    for path in (tmp_path, tmp_path / "project-1.json"):
        seen = detect_label_studio(path, None)
        assert (seen.task, seen.counts) == ("segmentation", {"": {"cat": 1}})
        assert any("gone.png: no such image" in note for note in seen.notes)


@pytest.mark.parametrize("damage", [lambda text: text[:20], lambda text: [*text[:3], 9, *text[4:]], lambda text: ["x"]])
def test_a_damaged_brush_is_said(tmp_path, damage):
    broken = brush("cat", blob())
    broken["value"]["rle"] = damage(broken["value"]["rle"])
    found = opened(write(tmp_path, task("a.png", [brush("cat", blob()), broken])))
    assert any(note.startswith("1 results are brushes with ") for note in found.notes)
    assert np.array_equal(drawn(found)["a.png"], blob())
