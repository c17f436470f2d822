"""The data set ``npz``: images with labels or masks in arrays."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from tlkit_datasets.npz import open_npz
from tlkit_datasets.options import NpzOptions

from tlkit import IGNORE, DataError, DatasetContext

GREY = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5)
COLOUR = np.stack([GREY, GREY + 1, GREY + 2], -1)
NUMBERS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def read(tmp_path):
    """Return a function that writes arrays and reads them."""

    def write_and_read(arrays, task="classification", **options):
        np.savez(tmp_path / "a.npz", **arrays)
        return open_npz(DatasetContext(task, 0), NpzOptions(path=tmp_path / "a.npz", **options))

    return write_and_read


def names(found):
    return [found.classes[each.label] for each in found.samples]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREY, GREY),
        (GREY[..., None], GREY),
        (GREY[:, None], GREY),
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR),
        (GREY.astype(np.int64), GREY),
        (GREY.astype(np.float32), GREY),
    ],
)
def test_images_of_every_layout(read, images, expected):
    found = read({"x": images, "y": NUMBERS})
    assert found.images.dtype == np.uint8
    np.testing.assert_array_equal(found.images, expected)
    assert found.notes == (
        (f"x: the colours are the second axis of {images.shape}",) if images.shape[1] in (1, 3) else ()
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_from_0_to_1_become_the_bytes_that_they_came_from(read, dtype):
    images = (np.arange(256) / 255).astype(dtype).reshape(4, 8, 8)
    found = read({"x": images, "y": NUMBERS[:4]}, pixels="unit")
    assert found.images.reshape(-1).tolist() == list(range(256))


@pytest.mark.parametrize(
    ("labels", "more", "expected"),
    [
        (NUMBERS, {}, "012012"),
        (NUMBERS[:, None].astype(float), {}, "012012"),
        (NUMBERS * 10, {}, ["0", "10", "20", "0", "10", "20"]),
        (np.array(list("abcabc")), {}, "abcabc"),
        (np.array(list("abcabc")).astype("S"), {}, "abcabc"),
        (np.eye(3)[NUMBERS], {"class_names": np.array(["x", "y", "z"])}, "xyzxyz"),
        (NUMBERS, {"class_names": np.array(["x", "y", "z"])}, "xyzxyz"),
    ],
)
def test_labels_of_every_kind(read, labels, more, expected):
    assert names(read({"x": GREY, "y": labels, **more})) == list(expected)


def test_several_labels(read):
    found = read({"x": GREY[:3], "y": np.array([[1, 0], [1, 1], [0, 0]])}, classes=("a", "b"), multi_label=True)
    assert [each.label for each in found.samples] == [(0,), (0, 1), ()]


@pytest.mark.parametrize(
    "pattern",
    ["x_{} y_{}", "X_{} Y_{}", "{}_images {}_labels", "images_{} labels_{}"],
)
@pytest.mark.parametrize("words", [("train", "test"), ("train", "val", "test"), ("train", "valid")])
def test_arrays_of_each_split(read, pattern, words):
    arrays = {}
    for place, word in enumerate(words):
        images, labels = pattern.format(word, word).split()
        arrays |= {images: GREY[place * 2 : place * 2 + 2], labels: NUMBERS[place * 2 : place * 2 + 2]}
    found = read(arrays)
    splits = {"train": None, "val": "validation", "valid": "validation", "test": "test"}
    assert [each.split for each in found.samples] == [splits[word] for word in words for _ in range(2)]
    assert found.images.tolist() == GREY[: 2 * len(words)].tolist()


def test_masks(read):
    masks = np.where(GREY > 60, 255, 0).astype(np.int32)
    masks[0, 0, 0] = 7
    found = read(
        {"images": GREY, "masks": masks[..., None]},
        task="segmentation",
        values={"255": "cell", "0": "none"},
        ignore=("7",),
    )
    assert found.classes == ("cell", "none")
    assert found.masks[0, 0, :2].tolist() == [IGNORE, 1]
    assert found.masks[5, 3, 4] == 0
    assert found.masks.dtype == np.uint8


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"foo": GREY, "bar": NUMBERS}, {}, r"no array whose name .* images; it has foo \(6, 4, 5\).*data\.images"),
        ({"x": GREY, "bar": NUMBERS}, {}, r"whose name says that it has the labels; .*data\.labels"),
        ({"x": GREY, "y": NUMBERS}, {"images": "z"}, r'no array "z"'),
        ({"x": GREY, "y": NUMBERS[:4]}, {}, r"x has 6 images, but y has the shape \(4,\)"),
        ({"x": GREY.astype(np.uint16) * 9, "y": NUMBERS}, {}, r"uint16 with values from 0 to 1071; .* as uint8"),
        ({"x": GREY / 255, "y": NUMBERS}, {}, r'expected whole numbers from 0 to 255: set data\.pixels = "unit"'),
        ({"x": GREY / 100, "y": NUMBERS}, {"pixels": "unit"}, r"from 0\.0 to 1\.19; expected 0 to 1"),
        ({"x": GREY / 60 - 1, "y": NUMBERS}, {}, r"from -1\.0 to .*save it as uint8"),
        ({"x": np.full((2, 4, 4), np.nan), "y": NUMBERS[:2]}, {}, r"from nan to nan"),
        ({"x": np.zeros((6, 4, 5, 4), np.uint8), "y": NUMBERS}, {}, r"\(6, 4, 5, 4\); expected 1 or 3 colours"),
        ({"x": np.zeros((6, 1, 5, 3), np.uint8), "y": NUMBERS}, {}, r'set data\.channels = "last" or "first"'),
        ({"x": np.zeros((6, 4), np.uint8), "y": NUMBERS}, {}, r"x has the shape \(6, 4\); expected images"),
        ({"x": GREY, "y": np.array([{}] * 6)}, {}, r"y has Python objects, which are not read.*astype\(str\)"),
        ({"x": GREY, "y": NUMBERS + 0.5}, {}, r"y is of type float64; expected class numbers"),
        ({"x": GREY, "y": np.ones((6, 2))}, {}, r"6 images have several labels, 0 have none; set data\.multi_label"),
        ({"x": GREY, "y": NUMBERS}, {"classes": ("a", "b")}, r"class numbers from 0 to 2, but there are 2 class names"),
        ({"x": GREY, "y": GREY}, {}, r'for masks set task = "segmentation"'),
        ({"x": GREY, "y": NUMBERS}, {"multi_label": True}, r"one class per image; expected a column per class"),
    ],
)  # fmt: skip
def test_arrays_that_are_no_images_with_classes_are_refused(read, arrays, options, message):
    with pytest.raises(DataError, match=message):
        read(arrays, **options)


def test_an_array_that_declares_more_than_it_has_is_not_allocated(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 100, 100)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
        archive.writestr("y.npy", header.getvalue())
    with pytest.raises(DataError, match=r"not an \.npz file: x\.npy is incomplete"):
        open_npz(DatasetContext("classification", 0), NpzOptions(path=tmp_path / "a.npz"))


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tlkit_datasets.npz_file.MAX_BYTES", 10_000)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((101, 10, 10), np.uint8), y=np.zeros(101, np.uint8))
    with pytest.raises(DataError, match=r"its arrays take 10201 bytes; expected at most 10000"):
        open_npz(DatasetContext("classification", 0), NpzOptions(path=tmp_path / "a.npz"))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04hello", b"PK\x05\x06" + b"\0" * 18])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz"):
        open_npz(DatasetContext("classification", 0), NpzOptions(path=tmp_path / "a.npz"))
