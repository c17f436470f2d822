"""Masks that a data set draws from annotations."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tlkit import IGNORE, DataError, Dataset, DrawnMask, Options, PluginError, Sample, SampleSet
from tlkit.data.prepare import check_data, open_data
from tlkit.data.settings import DataSettings
from tlkit.recipe.check_table import CheckTable
from tlkit.recipe.schema import InputTable, Selection

SIDE = 16


class Boxes:
    """Annotations that are boxes; counts how often a mask is drawn."""

    def __init__(self, folder, boxes):
        self.folder, self.boxes, self.drawn = folder, boxes, 0
        self.source = folder / "boxes.json"
        self.source.write_text(json.dumps(boxes))
        for name in boxes:
            random = np.random.default_rng(len(name) + sum(map(ord, name)))
            Image.fromarray(random.integers(0, 255, (SIDE, SIDE, 3), np.uint8)).save(folder / name)

    def draw(self, content):
        self.drawn += 1
        box = json.loads(content)
        if box is None:
            raise DataError(f"{self.source}: no box")
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[box[0] : box[1], box[2] : box[3]] = box[4]
        return mask

    def settings(self, **check):
        samples = tuple(
            Sample(name, self.folder / name, mask=DrawnMask(self.source, json.dumps(box).encode, self.draw))
            for name, box in self.boxes.items()
        )
        found = SampleSet(
            samples, ("ground", "box"), root=self.folder, sources=(self.source,), notes=("2 shapes are not boxes",)
        )
        record = Dataset(
            name="boxes", summary="", options=Options, open=lambda ctx, options: found, tasks=("segmentation",)
        )
        table = InputTable(image_size=(SIDE, SIDE), validation=1, max_bad_share=0.5)
        return DataSettings(Selection(record, Options()), table, "segmentation", 0, CheckTable(**check))


BOXES = {"a.png": [0, 4, 0, 4, 1], "b.png": [2, 9, 3, 7, 1], "c.png": [5, 6, 5, 6, IGNORE], "d.png": [1, 3, 1, 3, 1]}


def test_drawn_masks_are_the_masks_of_the_store(tmp_path):
    data = open_data(Boxes(tmp_path, BOXES).settings(), tmp_path)
    rows = {sample.key: row for row, sample in enumerate(data.samples)}
    for name, (top, bottom, left, right, number) in BOXES.items():
        expected = np.zeros((SIDE, SIDE), np.uint8)
        expected[top:bottom, left:right] = number
        assert np.array_equal(data.store.masks[rows[name]], expected)


def test_annotations_are_used_files_and_their_notes_are_said(tmp_path):
    checked = check_data(Boxes(tmp_path, BOXES).settings())
    assert "2 shapes are not boxes" in checked.notes
    assert checked.report.counts() == "5 files found = 5 used + 0 set aside + 0 left out"
    assert [(each.kind, each.key) for each in checked.report.findings] == [("mask_empty", "c.png")]


def test_samples_csv_names_the_annotations(tmp_path):
    boxes = Boxes(tmp_path, BOXES)
    rows = open_data(boxes.settings(), tmp_path).sample_rows()
    assert {row.mask for row in rows} == {str(boxes.source)}


def test_a_mask_that_was_drawn_once_is_not_drawn_by_the_next_check(tmp_path):
    boxes = Boxes(tmp_path, {name: [*box, "drawn once"] for name, box in BOXES.items()})
    first = check_data(boxes.settings()).report
    drawn = boxes.drawn
    assert drawn == len(BOXES)
    assert check_data(boxes.settings()).report.classes == first.classes
    assert boxes.drawn == drawn


def test_a_mask_that_cannot_be_drawn_sets_its_image_aside(tmp_path):
    checked = check_data(Boxes(tmp_path, {**BOXES, "e.png": None}).settings())
    assert [(each.kind, each.key) for each in checked.report.findings if each.level == "skip"] == [
        ("undecodable", "e.png")
    ]
    assert "boxes.json: no box" in checked.set_aside[0].reason


def test_a_mask_of_another_size_is_told(tmp_path):
    boxes = Boxes(tmp_path, BOXES)
    Image.new("RGB", (SIDE, SIDE + 1), (9, 8, 7)).save(tmp_path / "a.png")
    finding = next(each for each in check_data(boxes.settings()).report.findings if each.kind == "mask_size")
    assert (finding.key, finding.detail) == ("a.png", "16 x 16 pixels, its image 16 x 17")


def test_a_drawn_mask_with_an_unknown_class_breaks_the_contract(tmp_path):
    boxes = Boxes(tmp_path, {**BOXES, "a.png": [0, 4, 0, 4, 2]})
    with pytest.raises(PluginError, match=r"boxes\.json: a drawn mask has class 2 of 2 classes"):
        open_data(replace(boxes.settings(), check=None), tmp_path)
