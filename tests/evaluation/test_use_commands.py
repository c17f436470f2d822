"""``tlkit evaluate`` and ``tlkit predict`` on a finished run."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from command_line import tlkit_command
from evaluate_fakes import BLUE, GREEN, RED, color_model, make_card, plain_image, save_run, save_run_with_data
from PIL import Image
from recipe_text import recipe_text

from tlkit.cli import cli
from tlkit.errors import DataError, RunError
from tlkit.registry import Registry
from tlkit.runs.folder import RunFolder
from tlkit.runs.samples import SampleRow, SamplesFile

COLORS = {"red": RED, "green": GREEN, "blue": BLUE}


def make_data(folder: Path, names: dict[str, tuple[int, int, int]], count: int) -> Path:
    for name, color in names.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            shade = np.clip(plain_image(color).astype(int) + number, 0, 255).astype(np.uint8)
            Image.fromarray(shade).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def run(tmp_path: Path, registry: Registry) -> Path:
    """Return a run folder whose data has two validation and three training images per class."""
    data = make_data(tmp_path / "data", COLORS, 5)
    text = recipe_text(
        data={"name": "folder", "path": data}, input={"image_size": 8, "batch_size": 4, "validation": 0.4}
    )
    return save_run_with_data(tmp_path / "run", color_model(), make_card(), text, registry).path


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
    assert "5 images predicted by TensorFlow; 1 could not be decoded" in result.output
    assert "broken.png" in result.output
    assert len((tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()) == 6


def test_predict_does_not_overwrite_an_existing_table(run: Path, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("mine", encoding="utf-8")
    assert isinstance(call("predict", run, tmp_path / "data", "--out", tmp_path / "p.csv").exception, DataError)
    assert call("predict", run, tmp_path / "data", "--out", tmp_path / "p.csv", "--overwrite").exit_code == 0


# Printed predictions ------------------------------------------------------------------------------------------------


def test_predict_without_out_prints_a_table(run: Path, tmp_path: Path) -> None:
    printed = tlkit_command("predict", run, tmp_path / "data" / "red" / "0.png", tmp_path / "data" / "blue" / "0.png")
    assert printed.code == 0
    rows = [[cell.strip() for cell in line.split("│")] for line in printed.out.splitlines() if "png" in line]
    assert [(row[1], row[2]) for row in rows] == [
        (str(tmp_path / "data" / "red" / "0.png"), "red"),
        (str(tmp_path / "data" / "blue" / "0.png"), "blue"),
    ]
    assert all(float(row[3]) > 0.9 for row in rows)


def test_top_names_the_most_probable_classes(run: Path, tmp_path: Path) -> None:
    printed = tlkit_command("predict", run, tmp_path / "data" / "green" / "0.png", "--top", 2)
    labels = [line.split("│")[2].strip() for line in printed.out.splitlines() if line.startswith("│")]
    assert labels[0] == "green"
    assert len(labels) == 2


def test_predictions_as_json_have_the_same_keys_for_an_image_that_failed(run: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "data" / "red" / "0.png", tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    printed = tlkit_command("predict", run, good, bad, "--json")
    assert printed.code == 0
    document = json.loads(printed.out)
    assert list(document) == ["run", "name", "task", "label_kind", "classes", "predictions"]
    first, second = document["predictions"]
    assert list(first) == list(second) == ["path", "error", "label", "labels", "probability", "probabilities"]
    assert (first["label"], first["labels"], first["error"]) == ("red", ["red"], None)
    assert list(first["probabilities"]) == ["red", "green", "blue"]
    assert "bad.png: not an image" in second["error"]
    assert second["label"] is second["probabilities"] is None
    top = json.loads(tlkit_command("predict", run, good, "--json", "--top", 1).out)
    assert list(top["predictions"][0]["probabilities"]) == ["red"]


def test_a_segmentation_prints_the_share_of_the_pixels(tmp_path: Path) -> None:
    picture = plain_image(RED, (10, 20))
    picture[:, 15:] = GREEN
    Image.fromarray(picture).save(tmp_path / "a.png")
    (tmp_path / "seg").mkdir()
    card = make_card(task="segmentation", image_size=(10, 20))
    save_run(RunFolder(tmp_path / "seg"), color_model((10, 20), pixels=True), card)
    assert "20 × 10 │ red 75.0%, green 25.0% │" in tlkit_command("predict", tmp_path / "seg", tmp_path / "a.png").out
    document = json.loads(tlkit_command("predict", tmp_path / "seg", tmp_path / "a.png", "--json").out)
    assert document["predictions"] == [
        {
            "path": str(tmp_path / "a.png"),
            "error": None,
            "width": 20,
            "height": 10,
            "shares": {"red": 0.75, "green": 0.25, "blue": 0.0},
        }
    ]


def test_nothing_that_can_be_decoded_ends_with_2_and_still_prints_the_document(run: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    printed = tlkit_command("predict", run, tmp_path / "bad.png", "--json")
    assert printed.code == 2
    assert "the file is empty" in json.loads(printed.out)["predictions"][0]["error"]
    assert "no image could be decoded" in printed.err


def test_paths_are_read_from_standard_input(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / "data" / name / "0.png" for name in COLORS]
    for text in ("\n".join(map(str, paths)) + "\n", "\0".join(map(str, paths)) + "\0"):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        document = json.loads(tlkit_command("predict", run, "-", "--json").out)
        assert [each["label"] for each in document["predictions"]] == ["red", "green", "blue"]


@pytest.mark.parametrize("option", [("--json",), ("--top", "2")])
def test_options_for_printing_do_not_go_with_out(run: Path, tmp_path: Path, option: tuple[str, ...]) -> None:
    printed = tlkit_command("predict", run, tmp_path / "data", *option, "--out", tmp_path / "p.csv")
    assert printed.code == 2
    assert f"{option[0]} is for what is printed" in printed.err


def test_predict_says_what_it_left_out_and_what_looks_like_a_mask(run: Path, tmp_path: Path) -> None:
    folder = make_data(tmp_path / "mixed", {"red": RED}, 1)
    Image.fromarray(plain_image(GREEN)).save(folder / "red" / "0_mask.png")
    (folder / "notes.txt").write_text("x")
    printed = tlkit_command("predict", run, folder)
    assert printed.code == 0
    assert "note: left out, because their names are not those of images: 1 .txt" in printed.err
    assert "1 of the images look like masks of others by their names, and are predicted: red/0_mask.png" in printed.err


def test_predict_says_that_images_are_those_that_the_run_trained_on(run: Path, tmp_path: Path) -> None:
    printed = tlkit_command("predict", run, tmp_path / "data")
    assert printed.code == 0
    assert "the run trained on 9 of the 15 images, so their predictions are too good" in printed.err
    Image.fromarray(plain_image(RED)).save(tmp_path / "new.png")
    assert "trained on" not in tlkit_command("predict", run, tmp_path / "new.png").err


def test_predict_says_that_images_are_masks_of_the_run_and_needs_no_samples_csv(run: Path, tmp_path: Path) -> None:
    folder = RunFolder(run)
    mask = tmp_path / "data" / "red" / "0.png"
    rows = [SampleRow("a", path="elsewhere.png", mask=str(mask), split="validation", status="used")]
    SamplesFile(folder.samples).write(rows)
    assert "1 of the images are masks of the run's own data" in tlkit_command("predict", run, mask.parent).err
    folder.samples.write_text("damaged")
    assert tlkit_command("predict", run, mask).code == 0


def test_evaluate_reads_what_set_says_about_other_data(run: Path, tmp_path: Path) -> None:
    rows = [f"{name}/{number}.png,{name}" for name in COLORS for number in range(2)]
    table = tmp_path / "data" / "table.csv"
    table.write_text("\n".join(["file,colour", *rows]) + "\n")
    options = ("data.name=csv", "data.image=file", "data.label=colour")
    printed = tlkit_command("evaluate", run, "--data", table, *(f"--set={each}" for each in options))
    assert printed.code == 0, printed.err
    assert "data: 6 images" in printed.out
    assert "reading images: 6 images" in printed.err
    wrong = tlkit_command("evaluate", run, "--data", table, "--set", "head.dropout=0.1")
    assert wrong.code == 2
    assert "head: expected a key of the data" in wrong.err
