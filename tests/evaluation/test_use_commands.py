"""``tlkit evaluate`` and ``tlkit predict`` on a finished run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from evaluate_fakes import BLUE, GREEN, RED, color_model, make_card, plain_image, save_run
from PIL import Image
from recipe_text import recipe_text

from tlkit.cli import cli
from tlkit.errors import DataError, RunError
from tlkit.runs.folder import RunFolder

COLORS = {"red": RED, "green": GREEN, "blue": BLUE}


def make_data(folder: Path, names: dict[str, tuple[int, int, int]], count: int) -> Path:
    for name, color in names.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            shade = np.clip(plain_image(color).astype(int) + number, 0, 255).astype(np.uint8)
            Image.fromarray(shade).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run folder whose data has two validation and three training images per class."""
    data = make_data(tmp_path / "data", COLORS, 5)
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    save_run(folder, color_model(), make_card())
    text = recipe_text(
        data={"name": "folder", "path": data}, input={"image_size": 8, "batch_size": 4, "validation": 0.4}
    )
    folder.recipe.write_text(text, encoding="utf-8")
    from tlkit.data.prepare import open_data
    from tlkit.data.settings import DataSettings
    from tlkit.discovery import make_registry
    from tlkit.recipe.load import load_recipe

    recipe = load_recipe(folder.recipe, make_registry())
    (tmp_path / "cache").mkdir()
    opened = open_data(DataSettings(recipe.data, recipe.input, recipe.task, seed=0), tmp_path / "cache")
    opened.write_samples_csv(folder.samples)
    return folder.path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=True)


def test_evaluate_uses_the_validation_split_if_there_is_no_test_split(run: Path, tmp_path: Path) -> None:
    result = call("evaluate", run, "--out", tmp_path / "metrics.json")
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "metrics.json").read_bytes())
    assert list(metrics) == ["validation"]
    assert metrics["validation"]["accuracy"] == 1.0
    assert metrics["validation"]["count"] == 6
    assert "accuracy" in result.output


def test_evaluate_measures_the_requested_split(run: Path, tmp_path: Path) -> None:
    arguments = ("evaluate", run, "--split", "train", "--out", tmp_path / "m.json")
    assert call(*arguments).exit_code == 0
    assert isinstance(call(*arguments).exception, DataError)
    assert call(*arguments, "--overwrite").exit_code == 0
    assert json.loads((tmp_path / "m.json").read_bytes())["train"]["count"] == 9
    assert isinstance(call("evaluate", run, "--split", "test").exception, DataError)


def test_evaluate_accepts_other_data_with_fewer_classes_in_another_order(run: Path, tmp_path: Path) -> None:
    data = make_data(tmp_path / "other", {"blue": BLUE, "red": RED}, 2)
    result = call("evaluate", run, "--data", data, "--out", tmp_path / "m.json")
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "m.json").read_bytes())["data"]
    assert metrics["count"] == 4
    assert metrics["accuracy"] == 1.0
    assert metrics["per_class"]["green"]["support"] == 0


def test_evaluate_names_classes_the_model_was_not_trained_on(run: Path, tmp_path: Path) -> None:
    data = make_data(tmp_path / "other", {"blue": BLUE, "violet": RED}, 2)
    error = call("evaluate", run, "--data", data).exception
    assert isinstance(error, DataError)
    assert "violet" in str(error)


def test_evaluate_without_samples_csv_is_a_run_error(run: Path) -> None:
    RunFolder(run).samples.unlink()
    error = call("evaluate", run).exception
    assert isinstance(error, RunError)
    assert "samples.csv" in str(error)


def test_predict_writes_a_table_and_names_files_it_could_not_read(run: Path, tmp_path: Path) -> None:
    images = tmp_path / "data" / "red"
    (images / "broken.png").write_bytes(b"no image")
    result = call("predict", run, images, "--out", tmp_path / "p.csv")
    assert result.exit_code == 0, result.output
    assert "5 images predicted; 1 could not be decoded" in result.output
    assert "broken.png" in result.output
    assert len((tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()) == 6


def test_predict_does_not_overwrite_an_existing_table(run: Path, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("mine", encoding="utf-8")
    assert isinstance(call("predict", run, tmp_path / "data", "--out", tmp_path / "p.csv").exception, DataError)
    assert call("predict", run, tmp_path / "data", "--out", tmp_path / "p.csv", "--overwrite").exit_code == 0
