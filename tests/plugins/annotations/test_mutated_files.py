"""Annotation files with values of other types in random places: read, counted or refused, never a traceback."""

from __future__ import annotations

import copy
import random
from contextlib import suppress

import numpy as np
import pytest
from annotated import (
    HEIGHT,
    WIDTH,
    coco,
    coco_annotation,
    coco_entry,
    labelme,
    labelme_shape,
    png_text,
    square,
    write_image,
    write_json,
)

import tlkit
from tlkit.registry import Registry

ODD = (
    *(None, True, 0, -1, 3.7, 1e308, "", "x", "a.png", "../a.png", "\0", "é" * 300, "\ud800", "9" * 25, 10**30),
    *([], {}, [[]], [None], {"a": 1}, [1, 2, 3, 4], [1e6, 2e6, 3, 4, 5, 6]),
    *({"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * WIDTH]}, {"size": [HEIGHT, WIDTH], "counts": ""}),
)
RUNS = {"size": [HEIGHT, WIDTH], "counts": [5, 5, HEIGHT * WIDTH - 10]}
CONTENT = {
    "coco": coco(
        [coco_entry(1, "a.png"), coco_entry(2, "b.png")],
        [
            coco_annotation(1, 3, [square(1, 1, 5)], area=3, bbox=[1, 2, 3, 4], iscrowd=0),
            coco_annotation(2, 17, RUNS, iscrowd=1),
        ],
    ),
    "labelme": labelme(
        [
            labelme_shape("cat", [[1, 2], [3, 9], [9, 3]]),
            labelme_shape("dog", [[1, 2], [3, 4]], "mask", mask=png_text(np.ones((3, 3), np.uint8))),
        ],
        "a.png",
        flags={"blurred": True},
    ),
}


def places(value, place=()):
    """Yield the place of every value inside a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield (*place, key)
        yield from places(each, (*place, key))


def mutated(content, draw):
    content = copy.deepcopy(content)
    for _ in range(draw.randint(1, 3)):
        *above, last = draw.choice(list(places(content)) or [("images",)])
        inside = content
        for key in above:
            inside = inside[key]
        if draw.random() < 0.2:
            inside.pop(last, None) if isinstance(inside, dict) else inside.pop(last)
        else:
            inside[last] = copy.deepcopy(draw.choice(ODD))
    return content


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("seed", range(60))
def test_a_file_with_odd_values_is_read_or_refused(tmp_path, registry: Registry, name, seed):
    for image in ("a.png", "b.png"):
        write_image(tmp_path / image)
    write_json(tmp_path / "x.json", mutated(CONTENT[name], random.Random(seed)))
    record = registry.find(tlkit.Dataset, name)
    for task in record.tasks:
        with suppress(tlkit.DataError):
            record.detect(tmp_path, task)
        with suppress(tlkit.DataError):
            for sample in record.open(tlkit.DatasetContext(task, 0), record.options(path=tmp_path)).samples:
                if task == "segmentation":
                    assert sample.mask.draw(sample.mask.read()).dtype == np.uint8
