"""Predicting files, and writing the predictions."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from evaluate_fakes import BLUE, GREEN, RED, color_model, make_card, plain_image, save_run
from PIL import Image

from tlkit.errors import DataError, RunError
from tlkit.evaluation.found_images import find_images
from tlkit.evaluation.inference import Inference
from tlkit.evaluation.predictor import Predictor
from tlkit.report.colors import GREY
from tlkit.report.mask_files import unique_stems
from tlkit.report.prediction_files import check_target, write_predictions
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


# Images in memory -------------------------------------------------------------------------------------------------


def encoded(picture: np.ndarray, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def test_files_bytes_pictures_and_arrays_give_the_same_prediction(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 20, 3)).astype(np.uint8)
    file = tmp_path / "a.png"
    file.write_bytes(encoded(picture))
    given = [str(file), file, encoded(picture), io.BytesIO(encoded(picture)), Image.open(file), picture, [picture]]
    predictor = Predictor(make_card(), color_model())
    [expected] = predictor.predict(file)
    for each in given:
        [prediction] = predictor.predict(each)
        assert prediction.probabilities == expected.probabilities
    del given[3], given[-1]
    mixed = predictor.predict((each for each in given), batch_size=2)
    assert [each.probabilities for each in mixed] == [expected.probabilities] * 5
    assert [each.path for each in mixed] == [file, file, None, None, None]


@pytest.mark.parametrize(
    ("shape", "count"),
    [((9, 7), 1), ((9, 7, 1), 1), ((9, 7, 3), 1), ((9, 7, 4), 1), ((4, 9, 7, 3), 4), ((2, 9, 7, 1), 2)],
)
def test_arrays_of_these_shapes_are_predicted(shape: tuple[int, ...], count: int) -> None:
    predictor = Predictor(make_card(task="segmentation"), color_model(pixels=True))
    predictions = predictor.predict(np.full(shape, 200, np.uint8))
    assert [each.mask.shape for each in predictions] == [(9, 7)] * count


def test_a_transparent_array_is_blended_with_white_as_a_file_is(tmp_path: Path) -> None:
    pixels = np.dstack([plain_image(RED, (10, 10)), np.full((10, 10), 90, np.uint8)])
    Image.fromarray(pixels).save(tmp_path / "a.png")
    predictor = Predictor(make_card(), color_model())
    assert predictor.predict(pixels)[0].probabilities == predictor.predict(tmp_path / "a.png")[0].probabilities


def test_an_array_of_16_bits_is_read_as_a_file_by_the_range_of_the_model(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (20, 30)).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    predictor = Predictor(make_card(task="segmentation", value_range=(0, 4095)), color_model(pixels=True))
    [expected] = predictor.predict(tmp_path / "a.png", pixel_probabilities=True)
    for each in (values, values[..., None], Image.open(tmp_path / "a.png")):
        [prediction] = predictor.predict(each, pixel_probabilities=True)
        np.testing.assert_array_equal(prediction.pixel_probabilities, expected.pixel_probabilities)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((4, 4, 3)), r"the image: .* received float64 .*\(image \* 255\)"),
        (np.full((4, 4, 3), 200, np.float32), r"received float32 \(4, 4, 3\); convert it"),
        (np.zeros((4, 4, 3), np.uint16), "received uint16"),
        (np.zeros((4, 4, 2), np.uint8), r"received shape \(4, 4, 2\)"),
        (np.zeros((5, 40, 40), np.uint8), "several grey images as a list"),
        (np.zeros((0, 4, 3), np.uint8), "received shape"),
        (7, "the image: expected a path, bytes, .* received int"),
        ([RED, None], r"images\[0\]: expected a path, bytes, .* received tuple"),
        (io.StringIO("text"), "binary mode"),
    ],
)
def test_what_is_no_image_is_an_error(value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Predictor(make_card(), color_model()).predict(value)


def test_bytes_that_can_not_be_decoded_have_an_error_with_their_place() -> None:
    predictions = Predictor(make_card(), color_model()).predict([plain_image(RED), b"no image"])
    assert [each.label for each in predictions] == ["red", None]
    assert predictions[1].error.startswith("images[1]: not an image")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("loaded", [False, True])
def test_a_picture_is_turned_by_its_exif_orientation_as_a_file_is_and_left_as_it_is(kind: str, loaded: bool) -> None:
    colors = plain_image(RED, (40, 80))
    colors[:, 40:] = GREEN
    colors[:20, :40] = BLUE
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(colors, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    predictor = Predictor(make_card(task="segmentation"), color_model(pixels=True))
    picture = Image.open(io.BytesIO(content))
    if loaded:
        picture.load()
    size = picture.size
    [expected, turned] = [each.mask for each in predictor.predict([content, picture])]
    assert expected.shape == (80, 40)
    np.testing.assert_array_equal(turned, expected)
    assert picture.size == size


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "RGBX"])
def test_a_picture_of_any_mode_is_predicted(mode: str) -> None:
    [prediction] = Predictor(make_card(), color_model()).predict(Image.new("RGB", (20, 10), GREEN).convert(mode))
    assert prediction.error is None
    assert prediction.label == "green" or mode in ("1", "L", "LA", "I", "F")


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_the_probabilities_of_pixels_have_the_size_of_the_image(resize: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (24, 40, 3)).astype(np.uint8)
    predictor = Predictor(make_card(task="segmentation", resize=resize), color_model(pixels=True))
    [prediction] = predictor.predict(picture, pixel_probabilities=True)
    assert prediction.pixel_probabilities.shape == (24, 40, 3)
    assert prediction.pixel_probabilities.dtype == np.float32
    np.testing.assert_allclose(prediction.pixel_probabilities.sum(-1), 1, atol=1e-5)
    assert (prediction.pixel_probabilities.argmax(-1) == prediction.mask).all()
    assert predictor.predict(picture)[0].pixel_probabilities is None
    assert sum(prediction.shares.values()) == pytest.approx(1)
    with pytest.raises(DataError, match="pixel_probabilities"):
        Predictor(make_card(), color_model()).predict(picture, pixel_probabilities=True)


def test_a_generator_of_images_is_read_as_it_is_predicted() -> None:
    made = []

    def images():
        for number in range(1000):
            made.append(number)
            yield plain_image(RED)

    predictions = Predictor(make_card(), color_model()).predict_batches(images(), batch_size=2)
    assert next(predictions).label == "red"
    assert len(made) < 100


# Finding images ---------------------------------------------------------------------------------------------------


def test_a_url_of_this_machine_is_an_error_that_says_so() -> None:
    with pytest.raises(DataError, match=r"file://photos/a\.jpg: is on this machine"):
        find_images("file://photos/a.jpg")


def test_a_name_in_another_unicode_form_is_found(tmp_path: Path) -> None:
    file = save(tmp_path / unicodedata.normalize("NFD", "Café.png"), RED)
    assert [each.path for each in find_images(tmp_path / unicodedata.normalize("NFC", "Café.png"))] == [file]


def test_a_table_stands_for_the_images_that_it_lists(tmp_path: Path, images: Path) -> None:
    table = images / "list.csv"
    table.write_text("number;path\n1;red.png\n2;sub/green.PNG\n", encoding="utf-8")
    assert [each.name for each in find_images(table)] == ["red.png", "sub/green.PNG"]
    table.write_text("path\nnone.png\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"list\.csv:2: .*none\.png: no such file"):
        find_images(table)
    table.write_text("x,y\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"list\.csv:1: no column named image, .* the header has x, y"):
        find_images(table)


def test_a_folder_without_images_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.heix").write_bytes(b"x")
    (tmp_path / "b.heix").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no images found; .*; there are 2 \.heix"):
        find_images(tmp_path)


def test_output_names_differ_in_more_than_their_unicode_form() -> None:
    names = [unicodedata.normalize(form, "Café.jpg") for form in ("NFC", "NFD")]
    unique = unique_stems(names)
    assert len({unicodedata.normalize("NFC", name) for name in unique}) == 2


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
    unique = unique_stems(names)
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
