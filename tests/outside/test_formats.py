"""Masks drawn by tlkit, compared pixel by pixel with those that other programs draw of the same files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from recipe_text import recipe_text

import tlkit
from tlkit.data.images.source import mask_of
from tlkit.jobs.data_export import Request, export_data
from tlkit.registry import Registry

pytestmark = pytest.mark.outside


def largest_difference(found: tlkit.SampleSet, expected: Path) -> int:
    """Return the largest number of pixels by which a mask differs; every image must be there."""
    with np.load(expected) as masks:
        assert {sample.key for sample in found.samples} == set(masks.files)
        differences = []
        for sample in found.samples:
            assert isinstance(sample.mask, tlkit.DrawnMask)
            mask = sample.mask.draw(sample.mask.read())
            differences.append(int(np.count_nonzero(mask != masks[sample.key])))
        return max(differences)


def decoded(sample: tlkit.Sample, found: tlkit.SampleSet) -> np.ndarray:
    """Return the mask of a sample, uint8 (H, W)."""
    mask = mask_of(sample, found)
    assert mask is not None
    return mask.decode(mask.read())


def opened(registry: Registry, name: str, **options: object) -> tlkit.SampleSet:
    """Open a data set of a registry for segmentation."""
    record = registry.find(tlkit.Dataset, name)
    return record.open(tlkit.DatasetContext("segmentation", 0), record.options(**options))


def test_coco_files_of_datumaro_are_drawn_as_datumaro_draws_them(outside, registry):
    folder = outside("datumaro_coco.py")
    found = opened(registry, "coco", path=folder / "coco", overlap="later")
    assert found.classes == ("background", "cat", "ünï cörn", "dog")
    assert {sample.split for sample in found.samples} == {"train", "validation"}
    assert largest_difference(found, folder / "masks.npz") == 0


def test_datumaro_reads_what_data_export_writes(outside, registry, tmp_path):
    random = np.random.default_rng(0)
    for number in range(8):
        for folder, values in (("images", 256), ("masks", 3)):
            file = tmp_path / "cells" / folder / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, values, (40 + number, 50), np.uint8)).save(file)
    data = {"name": "masks", "images": str(tmp_path / "cells" / "images"), "masks": str(tmp_path / "cells" / "masks")}
    data |= {"values": {"0": "background", "1": "cell"}, "ignore": ["2"]}
    recipe = tmp_path / "cells.toml"
    recipe.write_text(recipe_text(task="segmentation", data=data, head={"name": "unet"}))
    export_data(Request(recipe, "coco", tmp_path / "coco", images=True), registry)
    with np.load(outside("datumaro_coco.py", str(tmp_path / "coco")) / "masks.npz") as masks:
        assert len(masks.files) == 8
        for name in masks.files:
            expected = np.array(Image.open(tmp_path / "cells" / "masks" / f"{name}.png"))
            assert np.array_equal(masks[name], np.where(expected == 2, 255, expected))


def test_labelme_files_are_drawn_as_labelme_draws_them(outside, registry):
    folder = outside("labelme_masks.py")
    assert largest_difference(opened(registry, "labelme", path=folder), folder / "masks.npz") == 0


def test_cvat_files_and_voc_masks_of_datumaro_are_the_same_to_the_pixel(outside, registry):
    folder = outside("datumaro_cvat.py")
    cvat, voc = (opened(registry, name, path=folder / name) for name in ("cvat", "voc"))
    assert cvat.classes == voc.classes == ("background", "cat", "dog: small", "tree")
    by_name = {sample.key.removesuffix(".jpg"): sample for sample in voc.samples}
    differences = []
    for sample in cvat.samples:
        other = by_name.pop(sample.key.removeprefix("images/").removesuffix(".jpg"))
        assert sample.split == other.split
        masks = [decoded(each, found) for each, found in ((sample, cvat), (other, voc))]
        differences.append(int(np.count_nonzero(masks[0] != masks[1])))
    assert not by_name
    assert max(differences) == 0


def test_brushes_of_label_studio_are_the_same_to_the_pixel(outside, registry):
    folder = outside("label_studio_brushes.py")
    assert largest_difference(opened(registry, "label_studio", path=folder), folder / "masks.npz") == 0
