"""What a report, a measurement and an inspection show: the images of the run, and no others that its files name."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import tlkit_command
from evaluate_fakes import color_model, make_card, save_run_with_data
from PIL import Image
from recipe_text import recipe_text

import tlkit
from tlkit.registry import Registry


def write(file: Path, seed: int, channel: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 60, (8, 8, 3))
    pixels[..., channel] += 150
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(file)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for channel, label in enumerate(("red", "green", "blue")):
        for number in range(6):
            write(root / label / f"{number}.png", 10 * channel + number, channel)
    return root


@pytest.fixture
def table(photos: Path, tmp_path: Path) -> Path:
    rows = [f"{file},{file.parent.name}" for file in sorted(photos.rglob("*.png"))]
    (tmp_path / "table.csv").write_text("\n".join(["image,label", *rows]), encoding="utf-8")
    return tmp_path / "table.csv"


@pytest.fixture(params=["folder", "csv"])
def run(request: pytest.FixtureRequest, photos: Path, table: Path, tmp_path: Path, registry: Registry) -> Path:
    data = {"name": request.param, "path": photos if request.param == "folder" else table}
    text = recipe_text(name="x", data=data, input={"image_size": 8, "validation": 6})
    card = make_card(classes=("blue", "green", "red"))
    folder = save_run_with_data(tmp_path / "run", color_model(), card, text, registry)
    rows = "phase,epoch,learning_rate,loss,val_loss\nfull,1,0.1,1.0,1.0\n"
    folder.history.write_text(rows, encoding="utf-8")
    return folder.path


def test_the_images_of_the_run_get_into_its_report(run: Path) -> None:
    ended = tlkit_command("report", run)
    assert ended.code == 0, ended.err
    assert "data:image" in (run / "report.html").read_text(encoding="utf-8")


def refused(run: Path, *named: str) -> None:
    """Check that no report is written, and that the message names these images."""
    before = {each.name for each in run.iterdir()} | {".lock"}
    ended = tlkit_command("report", run)
    assert ended.code == 1
    assert "the data has changed since the run" in ended.err
    assert all(each in ended.err for each in named)
    assert {each.name for each in run.iterdir()} == before


def test_another_image_in_the_place_of_one_of_the_run_gets_into_no_report(run: Path, photos: Path) -> None:
    write(photos / "green" / "3.png", 900, 1)
    refused(run, "green/3.png")


def test_other_images_that_the_files_of_the_run_name_get_into_no_report(
    run: Path, tmp_path: Path, photos: Path
) -> None:
    """The recipe and the ``samples.csv`` of a stranger name private pictures of whoever makes the report."""
    for channel, label in enumerate(("red", "green", "blue")):
        write(tmp_path / "private" / label / "me.png", 700 + channel, channel)
    table = tmp_path / "table.csv"
    secrets = sorted((tmp_path / "private").rglob("*.png"))
    recipe = run / "recipe.toml"
    if "table.csv" in recipe.read_text(encoding="utf-8"):
        table.write_text("\n".join(["image,label", *(f"{file},{file.parent.name}" for file in secrets)]))
        keys = [str(file) for file in secrets]
    else:
        recipe.write_text(recipe.read_text(encoding="utf-8").replace("photos", "private"), encoding="utf-8")
        keys = [str(file.relative_to(tmp_path / "private")) for file in secrets]
    with (run / "samples.csv").open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))[: len(keys)]
    for digest in (rows[0]["digest"], ""):
        with (run / "samples.csv").open("w", encoding="utf-8", newline="") as text:
            writer = csv.DictWriter(text, list(rows[0]))
            writer.writeheader()
            for row, key, secret in zip(rows, keys, secrets, strict=True):
                row |= {"key": key, "label": secret.parent.name, "split": "validation" if key == keys[0] else "train"}
                writer.writerow(row | {"digest": digest, "image_digest": digest})
        refused(run, keys[0])


def test_a_measurement_tells_of_changed_images(run: Path, photos: Path, registry: Registry) -> None:
    assert tlkit.evaluate(run, registry=registry).notes == ()
    for file in photos.rglob("*.png"):
        write(file, 900 + int(file.stem), 1)
    notes = tlkit.evaluate(run, registry=registry).notes
    assert len(notes) == 1
    assert "6 of the 6 images have changed since the run: " in notes[0]


def test_paths_in_samples_csv_are_not_read(run: Path, tmp_path: Path, registry: Registry) -> None:
    """The columns ``path`` and ``mask`` are for people."""
    text = (run / "samples.csv").read_text(encoding="utf-8")
    lines = list(csv.reader(text.splitlines()))
    place = lines[0].index("path")
    for line in lines[1:]:
        line[place] = line[place + 1] = str(tmp_path / "nowhere.png")
    with (run / "samples.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)
    ended = tlkit_command("report", run)
    assert ended.code == 0, ended.err
    assert json.loads((run / "metrics.json").read_text())["validation"]["count"] == 6
