"""Predicting pictures in tiles."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from command_line import tlkit_command
from evaluate_fakes import BLUE, GREEN, RED, color_model, make_card, plain_image, save_run
from PIL import Image

from tlkit.data.images.rows import PictureRows
from tlkit.errors import DataError
from tlkit.evaluation.predictor import Predictor
from tlkit.evaluation.tiled import TiledPredictor
from tlkit.evaluation.tiling import Tiles
from tlkit.runs.folder import RunFolder

TILE, OVERLAP, REACH = 48, 24, 6
"""A network that sees 6 pixels to each side: 13, which is less than the overlap."""


def seeing_model(size: tuple[int, int], seed: int = 1) -> Any:
    """Return a model of three 5 x 5 convolutions for images of a size, with the same weights for each size."""
    import keras

    rng = np.random.default_rng(seed)
    images = keras.Input((*size, 3))
    values = keras.layers.Rescaling(1 / 255)(images)
    for filters, last in ((6, False), (6, False), (3, True)):
        values = keras.layers.Conv2D(filters, 5, padding="same", activation=None if last else "relu")(values)
    model = keras.Model(images, values)
    model.set_weights([rng.normal(0, 0.5, weights.shape) for weights in model.get_weights()])
    return model


def segmentation(size: tuple[int, int]) -> Predictor:
    return Predictor(make_card(task="segmentation", image_size=size), seeing_model(size))


def photograph(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def blended(tiled: TiledPredictor, image: np.ndarray) -> np.ndarray:
    out = np.full((*image.shape[:2], 3), np.nan, np.float32)
    with PictureRows(Image.fromarray(image)) as picture:
        for block in tiled.blocks(picture):
            height, width = block.probabilities.shape[:2]
            out[block.top : block.top + height, block.left : block.left + width] = block.probabilities
    return out


@pytest.mark.parametrize("size", [(130, 171), (48, 200), (49, 72), (150, 48)])
def test_tiles_are_blended_to_the_prediction_of_the_whole_picture(size: tuple[int, int]) -> None:
    image = photograph(*size)
    [whole] = segmentation(size).predict(image, pixel_probabilities=True)
    out = blended(TiledPredictor(segmentation((TILE, TILE)), None, OVERLAP), image)
    assert whole.pixel_probabilities is not None
    assert np.abs(out - whole.pixel_probabilities).max() < 1e-5


def test_an_overlap_that_is_too_small_leaves_seams() -> None:
    image = photograph(130, 171)
    [whole] = segmentation((130, 171)).predict(image, pixel_probabilities=True)
    out = blended(TiledPredictor(segmentation((TILE, TILE)), None, REACH), image)
    assert whole.pixel_probabilities is not None
    assert np.abs(out - whole.pixel_probabilities).max() > 0.01


@pytest.mark.parametrize(("size", "overlap"), [(10, 0), (10, 3), (16, 8), (16, 15), (1, 0), (50, 46)])
def test_the_weights_of_all_tiles_add_up_to_one_for_every_length(size: int, overlap: int) -> None:
    for length in range(1, 130):
        spans = Tiles((size, size), overlap).spans(length, 0)
        total = np.zeros(length)
        for span in spans:
            assert span.start <= span.first < span.last <= span.start + size
            total[span.first : span.last] += span.weights()
        assert np.allclose(total, 1, atol=1e-6)


def test_a_picture_that_is_smaller_than_a_tile_is_predicted() -> None:
    out = blended(TiledPredictor(segmentation((TILE, TILE)), None, OVERLAP), photograph(7, 60))
    assert np.isfinite(out).all()
    assert out.sum(-1) == pytest.approx(1)


def test_tiles_larger_than_the_models_images_are_resized() -> None:
    predictor = Predictor(
        make_card(task="segmentation", image_size=(8, 8), bands=(2, 1, 0)), color_model((8, 8), pixels=True)
    )
    image = np.concatenate([plain_image(RED, (64, 40)), plain_image(GREEN, (64, 40))], 1)
    out = blended(TiledPredictor(predictor, 32, 8), image)
    assert (out[:, :36].argmax(-1) == 0).all()  # the colours of a tile are not exchanged again
    assert (out[:, 44:].argmax(-1) == 1).all()


@pytest.mark.parametrize(
    ("tiles", "overlap", "message"),
    [
        (32, 32, "overlap: expected 0 to 31 pixels, less than a tile of 32 x 32; received 32"),
        (20_000, 64, "tiles: expected 1 to 16384 pixels, received 20000"),
    ],
)
def test_tiles_that_can_not_be_are_refused(tiles: int, overlap: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        TiledPredictor(segmentation((8, 8)), tiles, overlap)


# The command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Return a TIFF of 60 x 100 pixels in tiles of 16: red at the left, green in the middle, blue at the right."""
    parts = [plain_image(color, (60, width)) for color, width in ((RED, 40), (GREEN, 30), (BLUE, 30))]
    tifffile.imwrite(tmp_path / "big.tif", np.concatenate(parts, 1), tile=(16, 16), photometric="rgb")
    return tmp_path / "big.tif"


def saved(tmp_path: Path, card: Any, model: Any) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    save_run(RunFolder(folder), model, card)
    return folder


def test_a_segmentation_in_tiles_writes_the_mask_that_a_whole_prediction_would(tmp_path: Path, picture: Path) -> None:
    run = saved(tmp_path, make_card(task="segmentation", image_size=(16, 16)), color_model((16, 16), pixels=True))
    result = tlkit_command("predict", run, picture, "--tiles", "16", "--overlap", "4", "--out", tmp_path / "out")
    assert result.code == 0, result.err
    with Image.open(tmp_path / "out" / "masks" / "big.png") as mask:
        assert mask.mode == "P"
        assert mask.getpalette()[:6] == [0, 20, 30, 10, 20, 30]
        expected = np.repeat([0, 1, 2], [40, 30, 30])
        assert (np.asarray(mask) == expected).all()
    with Image.open(tmp_path / "out" / "overlays" / "big.png") as overlay:
        assert overlay.size == (100, 60)
    again = tlkit_command("predict", run, picture, "--tiles", "16", "--out", tmp_path / "out")
    assert "already exists" in again.err
    printed = tlkit_command("predict", run, picture, "--tiles", "model")
    assert "100 × 60" in printed.out
    assert "red 40.0%, green 30.0%, blue 30.0%" in printed.out


def test_a_classification_in_tiles_writes_a_row_for_each_picture_and_tile(tmp_path: Path, picture: Path) -> None:
    run = saved(tmp_path, make_card(image_size=(20, 20)), color_model((20, 20)))
    result = tlkit_command("predict", run, picture, "--tiles", "20", "--overlap", "0", "--out", tmp_path / "out.csv")
    assert result.code == 0, result.err
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        whole, *tiles = csv.DictReader(file)
    assert [whole[each] for each in ("left", "top", "right", "bottom", "label")] == ["0", "0", "100", "60", "red"]
    assert len(tiles) == 15
    assert [each["label"] for each in tiles[:2]] == ["red", "red"]
    assert [tiles[4][each] for each in ("left", "top", "right", "bottom", "label")] == ["80", "0", "100", "20", "blue"]
    mean = np.mean([float(each["green"]) for each in tiles])
    assert float(whole["green"]) == pytest.approx(mean, abs=1e-5)
    document = tlkit_command("predict", run, picture, "--tiles", "20", "--overlap", "0", "--json")
    document = json.loads(document.out)["predictions"]
    assert [each["label"] for each in document[0]["tiles"]] == [each["label"] for each in tiles]


def test_a_label_of_one_tile_is_a_label_of_the_picture_where_there_may_be_several(
    tmp_path: Path, picture: Path
) -> None:
    run = saved(tmp_path, make_card(image_size=(20, 20), label_kind="multi"), color_model((20, 20)))
    result = tlkit_command("predict", run, picture, "--tiles", "20", "--overlap", "0", "--json")
    assert json.loads(result.out)["predictions"][0]["labels"] == ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--overlap", "3"], "--overlap is for --tiles, which is missing"),
        (["--tiles", "0"], "expected a number of pixels, such as 512, or model; received '0'"),
        (["--tiles", "12", "--sets", "0.9"], "--sets is for whole pictures; it can't go with --tiles"),
        (["--tiles", "12", "--overlap", "12"], "overlap: expected 0 to 11 pixels"),
    ],
)
def test_the_options_are_checked(tmp_path: Path, picture: Path, options: list[str], message: str) -> None:
    run = saved(tmp_path, make_card(), color_model())
    result = tlkit_command("predict", run, picture, *options)
    assert result.code
    assert message in " ".join(result.err.split())


def test_a_damaged_picture_is_set_aside_and_leaves_no_mask(tmp_path: Path, picture: Path) -> None:
    content = bytearray(picture.read_bytes())
    (tmp_path / "cut.tif").write_bytes(content[: len(content) // 2])
    run = saved(tmp_path, make_card(task="segmentation", image_size=(16, 16)), color_model((16, 16), pixels=True))
    files = (picture, tmp_path / "cut.tif")
    result = tlkit_command("predict", run, *files, "--tiles", "16", "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "1 image predicted" in result.out
    assert [each.name for each in (tmp_path / "out" / "masks").iterdir()] == ["big.png"]
