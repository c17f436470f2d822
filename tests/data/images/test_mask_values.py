"""What the pixels of mask files are: values of any kind, a channel, values between classes, palettes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkit import IGNORE, MaskTable
from tlkit.data.images.image_file import BadImageError
from tlkit.data.images.mask_classes import MaskPixels, mask_classes, value_text
from tlkit.data.images.mask_decode import classes_of, decode_mask
from tlkit.data.images.mask_file import read_mask, reading_key
from tlkit.data.images.palettes import recolored, reordered


def save(tmp_path: Path, pixels: np.ndarray, name: str = "m.tif") -> Path:
    Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize(
    ("pixels", "table", "expected"),
    [
        (np.array([[0, 1, -1]], np.int32), {0: 0, 1: 1, -1: IGNORE}, [[0, 1, IGNORE]]),
        (np.array([[0, 200000]], np.int32), {0: 0, 200000: 1}, [[0, 1]]),
        (np.array([[0, 1, -9999]], np.float32), {0: 0, 1: 1, -9999: IGNORE}, [[0, 1, IGNORE]]),
        (np.array([[0, 1, np.nan]], np.float32), {0: 0, 1: 1, math.nan: IGNORE}, [[0, 1, IGNORE]]),
        (np.array([[0, 0.1, np.inf]], np.float32), {0: 0, 0.1: 1, math.inf: IGNORE}, [[0, 1, IGNORE]]),
        (np.array([[0, -3.4028235e38]], np.float32), {0: 0, -3.4028235e38: IGNORE}, [[0, IGNORE]]),
    ],
    ids=["negative", "large", "no data", "NaN", "decimals", "least float"],
)
def test_values_of_any_kind_are_looked_up(tmp_path, pixels, table, expected):
    assert decode_mask(save(tmp_path, pixels), MaskTable(table)).tolist() == expected


def test_nan_that_the_table_lacks_is_refused_with_the_key_to_ignore_it(tmp_path):
    file = save(tmp_path, np.array([[0, np.nan]], np.float32))
    with pytest.raises(BadImageError, match=r'add "nan" to data\.ignore'):
        decode_mask(file, MaskTable({0: 0, 1: 1}, default=1))


RGBA = np.array([[[9, 1, 2, 0], [9, 3, 4, 255]]], np.uint8)


@pytest.mark.parametrize(
    ("channel", "table", "expected"),
    [
        ("alpha", {0: 0, 255: 1}, [[0, 1]]),
        ("red", {9: 1}, [[1, 1]]),
        ("green", {1: 0, 3: 1}, [[0, 1]]),
        ("blue", {2: 0, 4: 1}, [[0, 1]]),
    ],
)
def test_a_channel_is_read_alone(tmp_path, channel, table, expected):
    file = save(tmp_path, RGBA, "m.png")
    assert decode_mask(file, MaskTable(table, channel=channel)).tolist() == expected


def test_the_channel_of_a_palette_is_that_of_its_colours(tmp_path):
    image = Image.new("P", (2, 1), 0)
    image.putpixel((1, 0), 1)
    image.putpalette([7, 0, 0, 8, 0, 0])
    image.save(tmp_path / "m.png")
    assert decode_mask(tmp_path / "m.png", MaskTable({7: 0, 8: 1}, channel="red")).tolist() == [[0, 1]]


def test_a_channel_that_a_mask_lacks_is_refused(tmp_path):
    file = save(tmp_path, np.zeros((2, 2), np.uint8), "m.png")
    with pytest.raises(BadImageError, match=r'data.channel = "alpha", but the mask has no such channel'):
        decode_mask(file, MaskTable({0: 0}, channel="alpha"))


def test_values_between_classes_count_as_the_nearest_and_are_counted(tmp_path):
    file = save(tmp_path, np.array([[0, 100, 180, 255]], np.uint8), "m.png")
    classes, between = classes_of(file, read_mask(file), MaskTable({0: 0, 255: 1}, nearest=True))
    assert (classes.tolist(), between) == ([[0, 0, 1, 1]], 2)


def test_the_nearest_colour_is_found(tmp_path):
    file = save(tmp_path, np.array([[[250, 3, 0], [10, 0, 20]]], np.uint8), "m.png")
    assert decode_mask(file, MaskTable({(0, 0, 0): 0, (255, 0, 0): 1}, nearest=True)).tolist() == [[1, 0]]


def test_ignored_values_are_nearest_as_well(tmp_path):
    file = save(tmp_path, np.array([[254, 1]], np.uint8), "m.png")
    assert decode_mask(file, MaskTable({0: 0, 2: 1, 255: IGNORE}, nearest=True)).tolist() == [[IGNORE, 0]]


def test_the_cache_key_of_a_plain_table_is_that_of_earlier_versions():
    assert reading_key(MaskTable({0: 0})) == ""
    assert reading_key(MaskTable({0: 0}, channel="alpha", nearest=True)) == " alpha nearest"


def test_palettes_with_the_same_colours_at_other_indices_are_reordered():
    palettes = {
        "a": {0: "black", 1: "red"},
        "b": {0: "black"},
        "c": {0: "red", 1: "black"},
        "d": {0: "black", 1: "red", 2: "green"},
    }
    assert reordered(palettes) == {"c": "red has the index 0, in most masks 1"}


def test_palettes_of_other_colours_are_only_recolored():
    palettes = {"a": {0: "black", 1: "red"}, "b": {0: "black", 1: "red"}, "c": {0: "white", 1: "blue"}}
    assert reordered(palettes) == {}
    assert recolored(palettes) == ["c"]


def test_a_colour_at_two_indices_of_all_palettes_is_no_other_order():
    palettes = {"a": {0: "black", 255: "black"}, "b": {0: "black"}, "c": {255: "black"}}
    assert reordered(palettes) == {}


def seen(*values: float, jpeg: int = 0) -> MaskPixels:
    return MaskPixels(dict.fromkeys(values, 1 / len(values)), dict.fromkeys(values, 10), 10, jpeg)


@pytest.mark.parametrize(
    ("values", "classes", "ignored"),
    [
        ((-1, 0, 1), [0, 1], [-1]),
        ((-1, 1), [-1, 1], []),
        ((-32768, 0, 1, 255), [0, 1], [-32768, 255]),
        ((0, 1, 65535), [0, 1], [65535]),
        ((0, 65535), [0, 65535], []),
        ((0, 7, 65535), [0, 7, 65535], []),
        ((0, 1, 2**32 - 1), [0, 1], [2**32 - 1]),
        ((0, 7, 11, 21, 26, 33, 255), [0, 7, 11, 21, 26, 33], [255]),
        ((0, 100, math.inf), [0, 100], [math.inf]),
    ],
)
def test_values_that_usually_mark_unlabelled_pixels_are_ignored_beside_classes(values, classes, ignored):
    found = mask_classes(seen(*values))
    assert (list(found.classes), list(found.ignored)) == (classes, ignored)


def test_a_named_value_is_a_class_whatever_it_is():
    found = mask_classes(seen(-1, 0, 1, 255), named=(-1, 0, 1, 255))
    assert list(found.classes) == [-1, 0, 1, 255]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-1, "-1"),
        (0.5, "0.5"),
        (float(np.finfo(np.float32).min), "-3.4028235e+38"),
        (math.nan, "nan"),
        ((1, 2, 3), "#010203"),
    ],
)
def test_a_value_is_written_as_a_recipe_reads_it(value, text):
    assert value_text(value) == text
