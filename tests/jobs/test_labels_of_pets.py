"""On real photos with real weights: exchanged labels are found, and the ranking orders what is known to differ."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from command_line import tlkit_command

import tlkit

pytestmark = [pytest.mark.slow, pytest.mark.real_data]

WEIGHTS = {
    "MobileNetV2": "mobilenet_v2_1.00_224_dequant_no_top.weights.h5",
    "MobileNetV2:alpha=0.35": "mobilenet_v2_0.35_224_no_top.weights.h5",
}


def recipe_of(write_recipe, real_data: Path, data: dict) -> Path:
    backbone = {"name": "MobileNetV2", "weights": str(real_data / "weights" / WEIGHTS["MobileNetV2"])}
    schedule = {"name": "frozen", "epochs": 2}
    return write_recipe(data=data, input={"image_size": 224}, backbone=backbone, schedule=schedule)


def exchanged(real_data: Path, share: float, seed: int, out: Path) -> set[str]:
    """Write a table of the training photos with a share of their labels exchanged, and return which those are."""
    photos = sorted((real_data / "pets37" / "train").glob("*/*.jpg"))
    breeds = sorted({photo.parent.name for photo in photos})
    random = np.random.default_rng(seed)
    wrong = set(random.choice(len(photos), round(share * len(photos)), replace=False).tolist())
    with out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label"])
        for number, photo in enumerate(photos):
            breed = breeds.index(photo.parent.name)
            breed = (breed + int(random.integers(1, len(breeds)))) % len(breeds) if number in wrong else breed
            writer.writerow([f"{photo.parent.name}/{photo.name}", breeds[breed]])
    return {f"{photos[number].parent.name}/{photos[number].name}" for number in wrong}


@pytest.mark.parametrize(("share", "seed"), [(0.05, 0), (0.05, 1), (0.02, 0), (0.02, 1)])
def test_exchanged_breeds_are_in_the_first_tenth(share, seed, real_data, write_recipe, tmp_path):
    wrong = exchanged(real_data, share, seed, tmp_path / "t.csv")
    data = {"name": "csv", "path": tmp_path / "t.csv", "root": real_data / "pets37" / "train"}
    run = tlkit.run(recipe_of(write_recipe, real_data, data), out=tmp_path / "run", quiet=True).folder
    assert tlkit_command("labels", run).code == 0
    with (run / "labels.csv").open(newline="", encoding="utf-8") as file:
        keys = [row["key"] for row in csv.DictReader(file)]
    found = len(wrong & set(keys[: len(keys) // 10]))
    print(f"{share:.0%} exchanged, seed {seed}: {found} of {len(wrong)} in the first tenth")
    assert found >= 0.8 * len(wrong)


def test_the_wider_network_is_ranked_above_the_narrow_one(real_data, write_recipe):
    data = {"name": "folder", "path": real_data / "pets37"}
    backbones = [
        f"{name}{',' if ':' in name else ':'}weights={real_data / 'weights' / file}" for name, file in WEIGHTS.items()
    ]
    ranking = tlkit.rank(recipe_of(write_recipe, real_data, data), backbones, quiet=True)
    wide, narrow = ranking.backbones
    assert narrow.title.startswith("MobileNetV2 alpha=0.35")
    assert narrow.told_apart
    assert wide.logme > narrow.logme
    assert wide.score > 0.8
