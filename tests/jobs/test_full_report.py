"""``tlkit report --full``, and what ``predict --unknown`` and ``--sets`` make of it."""

from __future__ import annotations

import csv
import json
import shutil
import struct
from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors.numpy
from command_line import tlkit_command
from evaluate_fakes import BLUE, GREEN, RED, make_card, save_run_with_data
from PIL import Image
from recipe_text import recipe_text

import tlkit
from tlkit.evaluation.limits import read_limits
from tlkit.registry.discovery import make_registry
from tlkit.runs.folder import RunFolder

L = keras.layers
COLORS = {"red": RED, "green": GREEN, "blue": BLUE}
FROZEN = "phase,layer,variable,should_change,changed\nhead,map,kernel,no,no\nhead,dense,kernel,yes,yes\n"


def photo(color: tuple[int, int, int], seed: int) -> Image.Image:
    """Return a photograph of a colour that is about that of a class."""
    random = np.random.default_rng(seed)
    shade = np.array(color) + random.normal(size=3) * 25 + random.normal(size=(8, 8, 3)) * 5
    return Image.fromarray(shade.clip(0, 255).astype(np.uint8))


def model() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(3, 1, use_bias=False, name="map")(inputs)
    x = L.GlobalAveragePooling2D(name="global_average_pooling2d")(x)  # the name that Keras would give
    made = keras.Model(inputs, L.Dense(3, use_bias=False, name="dense")(x))
    made.set_weights([np.eye(3, dtype=np.float32)[None, None] / 30, np.eye(3, dtype=np.float32)])
    return made


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder with a full report."""
    folder = tmp_path_factory.mktemp("full")
    for name, color in COLORS.items():
        (folder / "data" / name).mkdir(parents=True)
        for number in range(12):
            photo(color, number + 100 * len(name)).save(folder / "data" / name / f"{number}.png")
    text = recipe_text(
        data={"name": "folder", "path": folder / "data"}, input={"image_size": 8, "batch_size": 4, "validation": 0.4}
    )
    run = save_run_with_data(folder / "run", model(), make_card(), text, make_registry(environ={}))
    run.freeze.write_text(FROZEN, encoding="utf-8")
    run.history.write_text("phase,epoch,loss,val_loss,learning_rate\nhead,1,0.5,0.5,0.001\n", encoding="utf-8")
    done = tlkit_command("report", run.path, "--full")
    assert done.code == 0, done.err
    return run.path


@pytest.fixture
def run(reported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reported, tmp_path / "run"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for name, color in COLORS.items():
        photo(color, 5).save(tmp_path / "photos" / f"{name}.png")
    photo((120, 125, 122), 5).save(tmp_path / "photos" / "grey.png")
    (tmp_path / "photos" / "broken.png").write_bytes(b"no image")
    return tmp_path / "photos"


def test_the_report_shows_where_the_model_looked_and_what_it_does_not_know(reported: Path) -> None:
    page = (reported / "report.html").read_text(encoding="utf-8")
    for text in ("Where the model looked", "Right: validation", "predict --unknown", "predict --sets"):
        assert text in page
    assert "validation images and training images, each compared without itself (36)" in page
    assert "limits.safetensors" in (reported / "checksums.txt").read_text(encoding="utf-8")


def test_a_report_that_is_not_full_has_none_of_it(run: Path) -> None:
    done = tlkit_command("report", run)
    assert done.code == 0
    assert "without --full the report shows neither" in done.out
    assert "Where the model looked" not in (run / "report.html").read_text(encoding="utf-8")


def test_predict_says_which_images_are_unknown_and_by_which_rule(run: Path, photos: Path, tmp_path: Path) -> None:
    done = tlkit_command("predict", run, photos, "--unknown", "0.05", "--sets", "0.9", "--out", tmp_path / "p.csv")
    assert done.code == 0, done.err
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = {Path(row["path"]).stem: row for row in csv.DictReader(file)}
    assert {name: row["unknown"] for name, row in rows.items()} == {
        "red": "no",
        "green": "no",
        "blue": "no",
        "grey": "yes",
    }
    assert float(rows["grey"]["p_value"]) == pytest.approx(1 / 37, abs=1e-5)
    assert rows["red"]["set"] == "red"
    assert "1 of 4 unknown: less like each class than 95 % of" in done.out
    assert "set: in 90 % of such images the true label is one of the set" in done.out
    assert "--unknown takes the features of model.keras, so TensorFlow predicts" in done.err


def test_model_with_the_names_that_keras_gives_is_judged_in_a_new_process(run: Path, photos: Path) -> None:
    keras.backend.clear_session()  # so that Keras gives the same names again
    [found] = tlkit.load(run, unknown=0.05).predict(photos / "grey.png")
    assert found.unknown is True


@pytest.mark.slow
def test_workers_of_a_cluster_say_the_same(run: Path, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    for number in range(40):
        photo(list(COLORS.values())[number % 3] if number % 4 else (120, 125, 122), number).save(
            photos / f"{number}.png"
        )
    said = {}
    for place, options in (("alone", ()), ("spread", ("--cluster", "local"))):
        own = ("--unknown", "0.05", "--sets", "0.9", "--out", tmp_path / f"{place}.csv", *options)
        done = tlkit_command("predict", run, photos, *own)
        assert done.code == 0, done.err
        assert ("joined: process" in done.err) == bool(options)
        said[place] = done.out.replace(place, "")
    assert "of 44 unknown" in said["alone"]
    assert said["spread"] == said["alone"]
    assert (tmp_path / "spread.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()


def test_json_and_the_table_have_it_too(run: Path, photos: Path) -> None:
    done = tlkit_command("predict", run, photos, "--json", "--unknown", "0.05", "--sets", "0.9")
    said = {Path(each["path"]).stem: each for each in json.loads(done.out)["predictions"]}
    assert said["grey"]["unknown"] is True
    assert said["red"]["set"] == ["red"]
    assert said["broken"]["unknown"] is None
    plain = json.loads(tlkit_command("predict", run, photos, "--json").out)["predictions"][0]
    assert not {"unknown", "p_value", "set"} & set(plain)
    table = tlkit_command("predict", run, photos / "grey.png", "--unknown", "0.05")
    assert "yes" in table.out
    assert "p-value" in table.out


def test_sets_alone_are_given_by_the_engine_that_is_fastest(run: Path, photos: Path) -> None:
    [found] = tlkit.load(run, sets=0.9).predict(photos / "blue.png")
    assert found.label_set == ("blue",)
    assert found.unknown is None is found.p_value


def test_images_in_memory_of_several_batches_get_what_belongs_to_them(run: Path, photos: Path) -> None:
    names = ["red", "grey", "blue", "grey", "green"]
    predictor = tlkit.load(run, unknown=0.05)
    found = predictor.predict([Image.open(photos / f"{name}.png") for name in names], batch_size=2)
    assert [each.unknown for each in found] == [name == "grey" for name in names]
    assert [each.label for each in found if not each.unknown] == ["red", "blue", "green"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--unknown", "0.01"), "--unknown 0.01: 36 held-out images allow 0.0271 at least"),
        (("--sets", "0.99"), "held-out images allow"),
        (("--unknown", "0.05", "--engine", "litert"), "takes the features of model.keras"),
        (("--sets", "0.9", "--tiles", "64"), "--sets is for whole pictures; it can't go with --tiles"),
    ],
)
def test_what_so_few_images_or_another_engine_cannot_tell_is_refused(run, photos, options, message) -> None:
    done = tlkit_command("predict", run, photos, *options)
    assert done.code == 2
    assert message in done.err


def test_without_a_full_report_the_message_says_how_to_make_one(run: Path, photos: Path) -> None:
    (run / "limits.safetensors").unlink()
    done = tlkit_command("predict", run, photos, "--unknown", "0.05")
    assert done.code == 2
    assert f"tlkit report {run} --full writes it" in done.err


def test_limits_of_another_model_are_refused(run: Path, photos: Path) -> None:
    other = model()
    other.set_weights([each * 2 for each in other.get_weights()])
    other.save(run / "model.keras")
    (run / "checksums.txt").unlink()
    with pytest.raises(tlkit.DataError, match=r"is of another model\.keras .*--full writes it again"):
        tlkit.load(run, sets=0.9)


def test_a_backbone_that_trained_is_measured_on_validation_images_alone(run: Path) -> None:
    (run / "freeze.csv").write_text(FROZEN.replace("no,no", "yes,yes"), encoding="utf-8")
    assert tlkit_command("report", run, "--full").code == 0
    limits = read_limits(RunFolder(run))
    assert limits.distances_of == limits.scores_of == "validation images"
    assert len(limits.distances) == len(limits.scores) < 20


def rewritten(path: Path, texts: dict[str, str] | None = None, **arrays: np.ndarray) -> bytes:
    """Return the file with other arrays or texts."""
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
    values = {**safetensors.numpy.load(content), **arrays}
    return safetensors.numpy.save(values, {**header["__metadata__"], **(texts or {})})


@pytest.mark.parametrize(
    "change",
    [
        lambda path: b"",
        lambda path: path.read_bytes()[:-7],
        lambda path: b"\xff" * 64,
        lambda path: struct.pack("<Q", 1 << 60) + b"{}",
        lambda path: rewritten(path, distances=np.full((3, 3), 0.5, np.float32)),
        lambda path: rewritten(path, center=np.full(3, np.nan, np.float32)),
        lambda path: rewritten(path, center=np.zeros(9, np.float32)),
        lambda path: rewritten(path, other=np.zeros(9, np.float32)),
        lambda path: rewritten(path, scores=np.zeros(9, np.int64)),
        lambda path: rewritten(path, {"temperature": "nan"}),
        lambda path: rewritten(path, scores=np.full(9, 7.0, np.float32)),
        lambda path: safetensors.numpy.save({"scores": np.zeros(9, np.float32)}),
    ],
)
def test_a_file_that_tlkit_did_not_write_is_refused(run: Path, change) -> None:
    path = run / "limits.safetensors"
    path.write_bytes(change(path))
    (run / "checksums.txt").unlink()
    with pytest.raises(tlkit.RunError, match=r"limits\.safetensors: .*tlkit did not write it"):
        tlkit.load(run, sets=0.9)


def test_a_link_is_neither_read_nor_followed(run: Path, tmp_path: Path) -> None:
    for name in ("model.keras", "limits.safetensors"):
        (run / name).rename(tmp_path / name)
        (run / name).symlink_to(tmp_path / name)
        with pytest.raises(tlkit.RunError, match=f"{name}: .*a link"):
            tlkit.load(run, sets=0.9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: rewritten(path, {"layer": "elsewhere"}), 'has no layer "elsewhere"'),
        (
            lambda path: rewritten(path, center=np.zeros(5, np.float32), directions=np.eye(5, dtype=np.float16)),
            'layer "map" has 3 features and the file means of 5',
        ),
    ],
)
def test_features_that_the_model_lacks_are_refused(run: Path, photos: Path, change, message) -> None:
    path = run / "limits.safetensors"
    path.write_bytes(change(path))
    (run / "checksums.txt").unlink()
    with pytest.raises(tlkit.RunError, match=rf"limits\.safetensors: .*{message}"):
        tlkit.load(run, unknown=0.05).predict(photos / "red.png")


def test_masks_folds_and_several_labels_are_refused(run: Path) -> None:
    folder = RunFolder(run)
    for changes, options, message in (
        ({"label_kind": "multi"}, {"sets": 0.9}, "several labels"),
        ({"task": "segmentation"}, {"unknown": 0.05}, "this one predicts masks"),
        (
            {"folds": ("fold-1",)},
            {"unknown": 0.05, "sets": 0.9},
            "--unknown and --sets: is for the model of a single run",
        ),
    ):
        folder.write_json(folder.card, make_card(**changes).model_dump(mode="json"))
        with pytest.raises(tlkit.DataError, match=message):
            tlkit.load(run, **options)
