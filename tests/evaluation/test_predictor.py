"""Predicting files, and writing the predictions."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from evaluate_fakes import BLUE, GREEN, RED, color_model, make_card, plain_image, save_run
from PIL import Image

from tlkit.errors import DataError, RunError
from tlkit.evaluation.found_images import FoundImage, find_images
from tlkit.evaluation.inference import Inference
from tlkit.evaluation.predictor import Predictor
from tlkit.report.colors import GREY
from tlkit.report.prediction_files import check_target, write_predictions
from tlkit.report.prediction_masks import output_names
from tlkit.runs.folder import RunFolder


def save(path: Path, color: tuple[int, int, int], size: tuple[int, int] = (10, 14)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(plain_image(color, size)).save(path)
    return path


def reopened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    save(folder / "red.png", RED)
    save(folder / "sub" / "green.PNG", GREEN)
    save(folder / "sub" / "deep" / "blue.bmp", BLUE)
    save(folder / ".hidden" / "red.png", RED)
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    return folder


def write(predictor: Predictor, paths: object, out: Path, **options) -> int:
    found = find_images(paths)
    predictions = predictor.predict_files([each.path for each in found], batch_size=2)
    return write_predictions(predictions, found, predictor.card, out, **options)


# Predicting -------------------------------------------------------------------------------------------------------


def test_a_saved_run_predicts_a_folder_at_any_depth(tmp_path: Path, images: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    save_run(RunFolder(run), color_model(), make_card())
    predictor = Predictor.open(run)
    predictions = {each.path.name: each for each in predictor.predict(images, batch_size=2)}
    assert {name: each.label for name, each in predictions.items()} == {
        "red.png": "red",
        "green.PNG": "green",
        "blue.bmp": "blue",
    }
    assert sum(predictions["red.png"].probabilities.values()) == pytest.approx(1)
    assert predictor.classes == ("red", "green", "blue")


def test_a_single_path_may_be_a_string(images: Path) -> None:
    predictor = Predictor(make_card(), color_model())
    assert [each.label for each in predictor.predict(str(images / "red.png"))] == ["red"]


def test_binary_predictions_have_both_probabilities(images: Path) -> None:
    predictor = Predictor(make_card(classes=("other", "red"), label_kind="binary"), color_model(binary=True))
    [prediction] = predictor.predict(images / "red.png")
    assert prediction.label == "red"
    assert prediction.probability == prediction.probabilities["red"] > 0.99
    assert prediction.probabilities["other"] == pytest.approx(1 - prediction.probabilities["red"])


def test_multi_label_predictions_name_every_label(images: Path) -> None:
    predictor = Predictor(make_card(label_kind="multi"), color_model())
    [prediction] = predictor.predict(images / "red.png")
    assert prediction.label == "red|green|blue"
    assert prediction.labels == ("red", "green", "blue")
    assert prediction.probability is None


def test_an_undecodable_file_is_named_and_the_others_are_predicted(images: Path) -> None:
    (images / "a_broken.png").write_bytes(b"\x89PNG and no more")
    predictor = Predictor(make_card(), color_model())
    predictions = predictor.predict(images)
    assert [each.path.name for each in predictions if each.error] == ["a_broken.png"]
    assert "a_broken.png" in predictions[0].error
    assert [each.label for each in predictions if not each.error] == ["red", "green", "blue"]


def test_a_path_that_does_not_exist_is_named(images: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such file or folder"):
        Predictor(make_card(), color_model()).predict([images, images / "nowhere"])


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images found"):
        find_images(tmp_path)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_a_mask_has_the_size_and_position_of_the_original_image(tmp_path: Path, resize: str) -> None:
    picture = plain_image(RED, (24, 40))
    picture[:, 20:] = GREEN
    Image.fromarray(picture).save(tmp_path / "half.png")
    predictor = Predictor(make_card(task="segmentation", resize=resize), color_model(pixels=True))
    [prediction] = predictor.predict(tmp_path / "half.png")
    assert prediction.mask.shape == (24, 40)
    assert prediction.mask.dtype == np.uint8
    assert (prediction.mask[:, :17] == 0).all()
    assert (prediction.mask[:, 23:] == 1).all()


def test_an_image_is_rotated_by_its_exif_orientation_before_prediction(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(plain_image(RED, (10, 20))).save(tmp_path / "side.jpg", exif=exif)
    predictor = Predictor(make_card(task="segmentation"), color_model(pixels=True))
    assert predictor.predict(tmp_path / "side.jpg")[0].mask.shape == (20, 10)


# Run folders ------------------------------------------------------------------------------------------------------


def test_a_damaged_model_file_is_a_run_error(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    save_run(folder, color_model(), make_card())
    content = folder.model.read_bytes()
    folder.model.write_bytes(content[: len(content) // 2])
    with pytest.raises(RunError, match=r"model\.keras: can't be loaded"):
        Predictor.open(tmp_path)


def test_a_model_that_does_not_match_its_card_is_a_run_error(tmp_path: Path) -> None:
    save_run(RunFolder(tmp_path), color_model(), make_card(classes=("a", "b", "c", "d")))
    with pytest.raises(RunError, match="4 logits"):
        Predictor.open(tmp_path)


def test_a_folder_that_is_not_a_run_folder_is_a_run_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        Predictor.open(tmp_path)


# Files ------------------------------------------------------------------------------------------------------------


def test_classification_is_written_as_csv(tmp_path: Path, images: Path) -> None:
    assert write(Predictor(make_card(), color_model()), images, tmp_path / "new" / "p.csv") == 3
    with (tmp_path / "new" / "p.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", "probability", "red", "green", "blue"]
    assert rows[0]["path"] == str(images / "red.png")
    assert rows[0]["probability"] == rows[0]["red"]


def test_an_existing_file_is_overwritten_only_on_request(tmp_path: Path, images: Path) -> None:
    out = tmp_path / "p.csv"
    out.write_text("mine", encoding="utf-8")
    predictor = Predictor(make_card(), color_model())
    with pytest.raises(DataError, match="already exists and was not changed"):
        write(predictor, images, out)
    assert out.read_text(encoding="utf-8") == "mine"
    write(predictor, images, out, overwrite=True)
    assert out.read_text(encoding="utf-8").startswith("path,label")


def test_segmentation_is_written_as_palette_masks_overlays_and_classes(tmp_path: Path, images: Path) -> None:
    card = make_card(task="segmentation")
    out = tmp_path / "out"
    assert write(Predictor(card, color_model(pixels=True)), images, out) == 3
    mask = reopened(out / "masks" / "sub" / "green.png")
    assert mask.mode == "P"
    assert mask.size == (14, 10)
    assert np.unique(np.asarray(mask)).tolist() == [1]
    assert mask.convert("RGB").getpixel((0, 0)) == card.colors[1]
    assert tuple(mask.getpalette()[255 * 3 :]) == GREY
    assert reopened(out / "overlays" / "sub" / "deep" / "blue.png").size == (14, 10)
    assert (out / "classes.csv").read_text(encoding="utf-8").splitlines()[1] == "0,red,0,20,30"


def test_images_with_the_same_stem_do_not_overwrite_each_other(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", RED)
    save(tmp_path / "in" / "a.jpg", GREEN)
    save(tmp_path / "in" / "b.png", RED)
    out = tmp_path / "out"
    assert write(Predictor(make_card(task="segmentation"), color_model(pixels=True)), tmp_path / "in", out) == 3
    assert {path.name for path in (out / "masks").iterdir()} == {"a.png.png", "a.jpg.png", "b.png"}


def test_output_names_are_unique_on_file_systems_that_ignore_case() -> None:
    names = ["a.jpg", "A.png", "a.jpg.png", "b/a.jpg", "A.PNG", "a"]
    unique = output_names([FoundImage(Path(name), name) for name in names])
    assert len({name.casefold() for name in unique}) == len(names)


def test_images_of_the_same_name_in_two_folders_get_separate_masks(tmp_path: Path) -> None:
    folders = [tmp_path / "x", tmp_path / "y"]
    for folder in folders:
        save(folder / "a.png", RED)
    out = tmp_path / "out"
    write(Predictor(make_card(task="segmentation"), color_model(pixels=True)), folders, out)
    assert (out / "masks" / "x" / "a.png").is_file()
    assert (out / "masks" / "y" / "a.png").is_file()


def test_an_existing_mask_is_reported_before_anything_is_written(tmp_path: Path, images: Path) -> None:
    out = tmp_path / "out"
    save(out / "masks" / "red.png", BLUE)
    with pytest.raises(DataError, match="already exists"):
        check_target(find_images(images), make_card(task="segmentation"), out, overwrite=False)
    assert [path.name for path in out.iterdir()] == ["masks"]


def test_masks_can_not_be_written_to_a_csv_file(tmp_path: Path, images: Path) -> None:
    with pytest.raises(DataError, match="need a folder"):
        check_target(find_images(images), make_card(task="segmentation"), tmp_path / "masks.csv", overwrite=False)


def test_a_model_that_needs_more_memory_than_available_is_named(tmp_path: Path, images: Path, monkeypatch) -> None:
    def exhausted(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[16,1,1]")

    monkeypatch.setattr(Inference, "probabilities", exhausted)
    predictor = Predictor(make_card(), color_model())
    message = r"tiny: a layer .* for 3 images of 8×8 pixels; .* fewer images at a time than 4"
    with pytest.raises(RunError, match=message):
        predictor.predict(images, batch_size=4)
