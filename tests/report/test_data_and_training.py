"""What the report shows of the data and of the training."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from evaluate_fakes import BLUE, GREEN, RED, StandInData, plain_image
from PIL import Image

from tlkit.report.data_part import data_part
from tlkit.report.gallery import thumbnail
from tlkit.report.training_part import training_part
from tlkit.runs.history import History


def colors_of(samples) -> list[tuple[int, ...]]:
    pictures = [Image.open(io.BytesIO(base64.b64decode(each.partition(",")[2]))) for each in samples]
    return [picture.getpixel((4, 4)) for picture in pictures]


def test_each_class_is_counted_and_shown_by_training_images_of_it() -> None:
    images = np.stack([plain_image(color) for color in (RED, GREEN, BLUE, GREEN)])
    labels = np.array([0, 1, 2, 1], np.int32)
    data = StandInData(images, ["train", "train", "test", "train"], ("red", "green", "blue"), labels)
    counts = {split: data.class_counts(split) for split in ("train", "test")}
    part = data_part(data, counts, {})  # type: ignore[arg-type]
    assert part.columns == ["train", "test"]
    assert [(row.name, *row.values) for row in part.rows] == [
        ("red", "1", "0"),
        ("green", "2", "0"),
        ("blue", "0", "1"),
    ]
    assert [len(row.samples) for row in part.rows] == [1, 2, 0]
    for shown, meant in zip(colors_of(part.rows[1].samples), [GREEN] * 2, strict=True):
        assert shown == pytest.approx(meant, abs=12)


def test_samples_are_bounded_however_many_classes_there_are() -> None:
    images = np.zeros((1000, 8, 8, 3), np.uint8)
    labels = np.arange(1000, dtype=np.int32) // 2
    data = StandInData(images, ["train"] * 1000, tuple(str(number) for number in range(500)), labels)
    part = data_part(data, {"train": data.class_counts("train")}, {})  # type: ignore[arg-type]
    assert len(part.rows) == 500
    assert sum(len(row.samples) for row in part.rows) == 120
    several = StandInData(images, ["train"] * 1000, ("a", "b"), np.eye(2, dtype=np.float32)[labels % 2])
    part = data_part(several, {"train": several.class_counts("train")}, {})  # type: ignore[arg-type]
    assert [len(row.samples) for row in part.rows] == [6, 6]


def test_the_classes_of_masks_are_counted_by_pixels() -> None:
    masks = np.zeros((2, 8, 8), np.uint8)
    masks[0, :4] = 1
    masks[1, 0] = 255
    data = StandInData(np.zeros((2, 8, 8, 3), np.uint8), ["train"] * 2, ("a", "b", "c"), masks=masks)
    part = data_part(data, {}, {})  # type: ignore[arg-type]
    assert [row.values for row in part.rows] == [["73.33 %"], ["26.67 %"], ["0.00 %"]]
    assert [len(row.samples) for row in part.rows] == [2, 1, 0]


def test_a_thumbnail_is_a_small_jpeg() -> None:
    data = thumbnail(np.full((200, 400, 3), 90, np.uint8))
    picture = Image.open(io.BytesIO(base64.b64decode(data.removeprefix("data:image/jpeg;base64,"))))
    assert (picture.format, picture.size) == ("JPEG", (96, 48))


def test_the_phases_stand_with_their_learning_rates_and_times() -> None:
    history = History(
        ("head", "head", "tune", "tune"), (1, 2, 3, 4), {"loss": (1.0,) * 4}, (0.01, 0.005, 0.001, 0.0), (2.0,) * 4
    )
    part = training_part(history)
    assert part is not None
    assert [(each.name, each.first, each.last, each.rates, each.time, each.x) for each in part.phases] == [
        ("head", 1, 2, ("0.01", "0.005"), "4 s", 0.0),
        ("tune", 3, 4, ("0.001", "0"), "4 s", 300.0),
    ]
    assert (part.total, part.highest, part.lowest) == ("8 s", "0.01", "0.001")
    assert part.path.startswith("M0.0 0.0L150.0 0.0L150.0 ")
    assert part.path.endswith("L450.0 60.0L600.0 60.0")
    constant = training_part(History(("head",), (1,), {"loss": (1.0,)}, (0.01,), (0.0,)))
    assert constant is not None
    assert (constant.path, constant.total) == ("", "")
    assert training_part(None) is None
