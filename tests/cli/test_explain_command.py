"""``tlkit explain`` and ``tlkit.explain``."""

from __future__ import annotations

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
from command_line import tlkit_command
from evaluate_fakes import BLUE, RED, make_card, save_run
from PIL import Image

import tlkit
from tlkit.runs.folder import RunFolder

L = keras.layers


def model(*, pixels: bool = False) -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    x = L.Conv2D(3, 1, use_bias=False, name="map")(inputs)
    head = L.Conv2D(3, 1, use_bias=False) if pixels else L.Dense(3, use_bias=False)
    made = keras.Model(inputs, head(x) if pixels else head(L.GlobalAveragePooling2D()(x)))
    kernel = np.eye(3, dtype=np.float32)
    made.set_weights([kernel[None, None] / 30, kernel[None, None] if pixels else kernel])
    return made


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    save_run(RunFolder(tmp_path / "run"), model(), make_card(image_size=(16, 16)))
    return tmp_path / "run"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name, color in (("red.png", RED), ("sub/blue.jpg", BLUE)):
        pixels = np.full((30, 40, 3), 40, np.uint8)
        pixels[:15] = color
        Image.fromarray(pixels).save(folder / name)
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "explain.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_picture_of_each_image_and_a_table_are_written(run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = tlkit_command("explain", run, photos, "--out", out)
    assert done.code == 0, done.err
    first, second = rows(out)
    assert [first["class"], second["class"]] == ["red", "blue"]
    assert (first["image"], second["picture"]) == ("red.png", "sub/blue.png")
    assert first["layer"] == "map"
    assert float(first["rank_correlation"]) > 0.3
    with Image.open(out / second["picture"]) as picture:
        assert picture.width > 3 * 200
    assert "2 images explained" in done.out


def test_a_method_may_be_chosen(run: Path, photos: Path, tmp_path: Path) -> None:
    widths = {}
    for method in ("grad-cam", "occlusion"):
        out = tmp_path / method
        assert tlkit_command("explain", run, photos / "red.png", "--out", out, "--method", method).code == 0
        [row] = rows(out)
        assert row["rank_correlation"] == ""
        assert row["layer"] == ("map" if method == "grad-cam" else "")
        with Image.open(out / "red.png") as picture:
            widths[method] = picture.width
    assert widths["grad-cam"] == widths["occlusion"]


def test_a_file_that_is_no_image_is_named_and_the_others_explained(run: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_text("no image", encoding="utf-8")
    done = tlkit_command("explain", run, photos, "--out", tmp_path / "out")
    assert done.code == 0
    assert "broken.jpg" in done.err
    assert "2 images explained; 1 set aside" in done.out
    assert tlkit_command("explain", run, photos / "broken.jpg", "--out", tmp_path / "none").code == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--class", "rad"), 'has no class "rad"; did you mean "red"?'),
        (("--layer", "mop"), '--layer: no layer "mop"'),
    ],
)
def test_a_wrong_name_is_refused_before_anything_is_written(run, photos, tmp_path, options, message) -> None:
    done = tlkit_command("explain", run, photos, "--out", tmp_path / "out", *options)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "out").exists()


def test_pictures_that_exist_are_only_replaced_on_request(run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "red.png").write_text("mine", encoding="utf-8")
    done = tlkit_command("explain", run, photos, "--out", out)
    assert done.code == 2
    assert "already exists" in done.err
    assert (out / "red.png").read_text(encoding="utf-8") == "mine"
    assert tlkit_command("explain", run, photos, "--out", out, "--overwrite").code == 0


def test_the_python_function_returns_maps_at_the_size_of_the_model(run: Path, photos: Path) -> None:
    with Image.open(photos / "red.png") as opened:
        [from_file, from_memory] = tlkit.explain(run, [photos / "red.png", opened.copy()])
    assert from_file.maps.grad_cam.shape == from_file.maps.occlusion.shape == (16, 16)
    assert from_file.size == (30, 40)
    assert from_memory.path is None
    np.testing.assert_allclose(from_memory.maps.grad_cam, from_file.maps.grad_cam)
    with pytest.raises(tlkit.DataError, match="method: expected one of both, grad-cam, occlusion"):
        tlkit.explain(run, photos, method="saliency")


def test_a_class_that_a_mask_lacks_sets_the_image_aside(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "masks").mkdir()
    card = make_card(task="segmentation", image_size=(16, 16), classes=("red", "green", "blue"))
    save_run(RunFolder(tmp_path / "masks"), model(pixels=True), card)
    [found, missing] = (
        tlkit.explain(tmp_path / "masks", photos / "red.png", class_name=name)[0] for name in ("red", "blue")
    )
    assert found.maps.grad_cam[:7].min() > found.maps.grad_cam[9:].max()
    assert missing.maps is None
    assert 'no pixel is predicted as "blue"' in missing.error


def test_the_folds_of_a_cross_validation_are_explained_together(tmp_path: Path, photos: Path) -> None:
    for name in ("fold-1", "fold-2"):
        (tmp_path / "folds" / name).mkdir(parents=True)
        save_run(RunFolder(tmp_path / "folds" / name), model(), make_card(image_size=(16, 16)))
    together = RunFolder(tmp_path / "folds")
    card = make_card(image_size=(16, 16), folds=("fold-1", "fold-2"))
    together.write_json(together.card, card.model_dump(mode="json"))
    [one] = tlkit.explain(tmp_path / "folds" / "fold-1", photos / "red.png")
    [both] = tlkit.explain(tmp_path / "folds", photos / "red.png")
    np.testing.assert_allclose(both.maps.grad_cam, one.maps.grad_cam, atol=1e-6)
