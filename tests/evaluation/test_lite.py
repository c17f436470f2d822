"""Predicting by the LiteRT file of a run: the same answers without TensorFlow, or the Keras model and a note."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from evaluate_fakes import make_card
from lite_runs import saved_run
from PIL import Image

import tlkit
from tlkit.evaluation import lite_engines, predictor
from tlkit.evaluation.ensemble import open_predictor
from tlkit.evaluation.given_images import GivenImage
from tlkit.evaluation.lite_engines import LiteFile
from tlkit.evaluation.predictor import Predictor
from tlkit.models.engines import Engine
from tlkit.models.lite_check import check_lite
from tlkit.runs.checksums import NAME
from tlkit.runs.folder import RunFolder

CARDS = {
    "single": make_card(),
    "binary": make_card(classes=("other", "red"), label_kind="binary"),
    "multi": make_card(label_kind="multi"),
    "segmentation": make_card(task="segmentation", resize="pad"),
}


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(1)
    for number, size in enumerate([(10, 14), (30, 20), (8, 8)]):
        Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG and no more")
    return folder


def assert_same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.path, ours.label, ours.error) == (theirs.path, theirs.label, theirs.error)
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-5)
        if theirs.mask is not None:
            np.testing.assert_array_equal(ours.mask, theirs.mask)
            np.testing.assert_allclose(ours.pixel_probabilities, theirs.pixel_probabilities, atol=1e-5)


def uses_tensorflow(predictor):
    return predictor._lite is None


@pytest.mark.parametrize("kind", CARDS)
def test_both_files_of_a_run_give_the_same_answers(kind, tmp_path, photos):
    folder = saved_run(tmp_path / "run", CARDS[kind])
    ours, theirs = Predictor.open(folder.path), Predictor.open(folder.path, trust=True)
    assert (uses_tensorflow(ours), uses_tensorflow(theirs)) == (False, True)
    pixels = kind == "segmentation"
    predicted = [each.predict(photos, batch_size=2, pixel_probabilities=pixels) for each in (ours, theirs)]
    assert_same(*predicted)
    assert len(predicted[0]) == 4
    np.testing.assert_array_equal(ours.model.get_weights()[0], theirs.model.get_weights()[0])


@pytest.mark.parametrize(("count", "batch_size", "here"), [(1, 16, True), (3, 1, True), (3, 16, False)])
def test_one_image_at_a_time_is_predicted_in_the_calling_thread(count, batch_size, here, tmp_path, photos, monkeypatch):
    monkeypatch.setattr(predictor, "usable_processors", lambda: 2)
    threads = []

    class Watched(GivenImage):
        def to_size(self, *given):
            threads.append(threading.current_thread())
            return super().to_size(*given)

    saved_run(tmp_path / "run", CARDS["single"])
    images = [Watched(photos / "0.png", "")] * count
    found = list(Predictor.open(tmp_path / "run").predict_given(images, batch_size))
    assert [each.error for each in found] == [None] * count
    assert len(threads) == count
    assert all((each is threading.current_thread()) == here for each in threads)


@pytest.mark.parametrize("kind", CARDS)
def test_the_folds_of_a_cross_validation_give_the_mean_without_tensorflow(kind, tmp_path, photos):
    card = CARDS[kind]
    folds = [saved_run(tmp_path / "cv" / f"fold-{seed}", card, seed) for seed in (1, 2, 3)]
    together = RunFolder(tmp_path / "cv")
    together.write_card(
        card.model_copy(update={"folds": tuple(each.path.name for each in folds)}).model_dump(mode="json")
    )
    ours, theirs = open_predictor(together.path), open_predictor(together.path, trust=True)
    assert (uses_tensorflow(ours), uses_tensorflow(theirs)) == (False, True)
    pixels = kind == "segmentation"
    assert_same(*(each.predict(photos, pixel_probabilities=pixels) for each in (ours, theirs)))
    folds[1].lite.unlink()
    assert uses_tensorflow(open_predictor(together.path))


CODE = """
import sys
from tlkit.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert end.code in (0, None), end.code
import tlkit
assert tlkit.load({run!r}).predict({photos!r})
heavy = [name for name in ("tensorflow", "keras", "h5py", "sklearn", "matplotlib") if name in sys.modules]
assert not heavy, heavy
"""


@pytest.mark.parametrize("kind", ["single", "segmentation"])
def test_predicting_imports_neither_tensorflow_nor_keras(kind, tmp_path, photos):
    run, out = saved_run(tmp_path / "run", CARDS[kind]).path, tmp_path / ("out.csv" if kind == "single" else "out")
    for arguments in (["--json"], [], ["--out", str(out)]):
        code = CODE.format(arguments=["predict", str(run), str(photos), *arguments], run=str(run), photos=str(photos))
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, ended.stderr
        if arguments == ["--json"]:
            assert len(json.loads(ended.stdout)["predictions"]) == 4
    assert out.exists()


def replace_model(folder):
    other = saved_run(folder.path.with_name("other"), CARDS["single"], seed=7)
    folder.model.write_bytes(other.model.read_bytes())


def flip(folder):
    content = bytearray(folder.lite.read_bytes())
    content[len(content) // 2] ^= 1
    folder.lite.write_bytes(content)


def forge(folder, file, content):
    """Replace a file, and its line in checksums.txt."""
    before = folder.checksums.read_text()
    old = hashlib.sha256((folder.path / file).read_bytes()).hexdigest()
    (folder.path / file).write_bytes(content)
    folder.checksums.write_text(before.replace(old, hashlib.sha256(content).hexdigest()))


def other_size(folder):
    other = saved_run(folder.path.with_name("other"), make_card(image_size=(12, 12)))
    forge(folder, "model.tflite", other.lite.read_bytes())


def link(folder):
    target = folder.lite.rename(folder.path.with_name("elsewhere.tflite"))
    folder.lite.symlink_to(target)


CHANGES = {
    "another model.keras": (replace_model, f"was not made of this model.keras, by {NAME}"),
    "a flipped bit": (flip, "has another checksum"),
    "no checksums": (lambda folder: folder.checksums.unlink(), "was not made of this model.keras"),
    "no file of the format": (lambda folder: forge(folder, "model.tflite", b"no model"), "not a LiteRT file"),
    "half a file": (lambda folder: forge(folder, "model.tflite", folder.lite.read_bytes()[:900]), "damaged, or not"),
    "another size": (other_size, r"takes \[\(1, 12, 12, 3\)\]; expected \[\(1, 8, 8, 3\)\]"),
    "a link": (link, "is a link"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_keras_model_answers_where_the_lite_file_does_not_fit(change, tmp_path, photos):
    folder = saved_run(tmp_path / "run", CARDS["single"])
    make, why = CHANGES[change]
    make(folder)
    predictor = Predictor.open(folder.path)
    assert uses_tensorflow(predictor)
    [note] = predictor.notes
    assert str(folder.lite) in note
    assert re.search(why, note), note
    assert_same(predictor.predict(photos), Predictor.open(folder.path, trust=True).predict(photos))


def test_the_command_says_why_the_keras_model_answers(tmp_path, photos):
    folder = saved_run(tmp_path / "run", CARDS["single"])
    flip(folder)
    arguments = ["-m", "tlkit", "predict", str(folder.path), str(photos)]
    ended = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "note: " in ended.stderr
    assert "model.keras is used instead" in " ".join(ended.stderr.split())


def test_a_run_without_a_lite_file_works_as_before(tmp_path, photos):
    folder = saved_run(tmp_path / "run", CARDS["single"])
    expected = Predictor.open(folder.path).predict(photos)
    folder.lite.unlink()
    predictor = Predictor.open(folder.path)
    assert uses_tensorflow(predictor)
    assert predictor.notes == ()
    assert_same(predictor.predict(photos), expected)


def test_a_lite_file_alone_is_no_run(tmp_path):
    folder = saved_run(tmp_path / "run", CARDS["single"])
    folder.model.unlink()
    with pytest.raises(tlkit.RunError, match=r"model\.keras: no such file"):
        Predictor.open(Path(folder.path))


@pytest.mark.parametrize("kind", ["single", "segmentation"])
def test_every_engine_that_is_asked_for_gives_the_same_answers(kind, tmp_path, photos):
    pytest.importorskip("openvino")
    run = saved_run(tmp_path / "run", CARDS[kind]).path
    opened = {name: tlkit.load(run, engine=name) for name in ("tensorflow", "litert", "openvino")}
    found = {name: each.predict(photos, pixel_probabilities=kind == "segmentation") for name, each in opened.items()}
    assert [each.engine for each in opened.values()] == ["TensorFlow", "LiteRT", "OpenVINO"]
    assert_same(found["litert"], found["tensorflow"])
    assert_same(found["openvino"], found["tensorflow"])


def quickly_repaid(monkeypatch):
    """Let OpenVINO save time on a few images."""
    monkeypatch.setattr(lite_engines, "_START_SECONDS", 0)
    monkeypatch.setattr(lite_engines, "_COMPILE_SECONDS", 1e-15)


def test_openvino_computes_as_many_images_as_repay_it_and_litert_fewer(tmp_path, photos, monkeypatch):
    pytest.importorskip("openvino")
    predictor = Predictor.open(saved_run(tmp_path / "run", CARDS["single"]).path)
    predictor.predict(photos)
    assert predictor.engine == "LiteRT"
    quickly_repaid(monkeypatch)
    predictor.predict(photos)
    assert predictor.engine == "OpenVINO"
    predictor.predict(photos / "0.png")
    assert (predictor.engine, predictor.notes) == ("OpenVINO", ())
    monkeypatch.setattr(lite_engines, "_START_SECONDS", 1)
    predictor.predict(photos)
    assert predictor.engine == "LiteRT"


def test_only_networks_of_plain_convolutions_repay_openvino(tmp_path):
    card = CARDS["single"]
    content = saved_run(tmp_path / "run", card).lite.read_bytes()
    file = LiteFile(content, check_lite(content, card.image_size, len(card.classes), 2))
    assert [file.repays_openvino(count) for count in (1, 10**9)] == [False, True]
    others = [dataclasses.replace(each, kind="DEPTHWISE_CONV_2D") for each in file.operations]
    assert not LiteFile(content, others).repays_openvino(10**9)


def test_litert_computes_what_openvino_computes_otherwise(tmp_path, photos, monkeypatch):
    pytest.importorskip("openvino")
    folder = saved_run(tmp_path / "run", CARDS["single"])
    expected = Predictor.open(folder.path).predict(photos)
    quickly_repaid(monkeypatch)
    monkeypatch.setattr(lite_engines, "largest_difference", lambda _ours, _theirs: 0.5)
    predictor = Predictor.open(folder.path)
    assert predictor.predict(photos) == expected
    assert predictor.engine == "LiteRT"
    assert predictor.predict(photos) == expected
    [note] = predictor.notes
    assert "LiteRT computes the images, not OpenVINO: their logits differ by 0.5" in note
    asked = tlkit.load(folder.path, engine="openvino")
    for _ in range(2):
        with pytest.raises(tlkit.RunError, match=r"engine: their logits differ by 0\.5 .* expected another engine"):
            asked.predict(photos)


def test_an_engine_that_can_not_be_used_is_an_error(tmp_path, monkeypatch):
    folder = saved_run(tmp_path / "run", CARDS["single"])
    with pytest.raises(tlkit.DataError, match="engine: expected auto, litert, openvino or tensorflow; received 'onnx'"):
        tlkit.load(folder.path, engine="onnx")
    with pytest.raises(tlkit.DataError, match="loaded with trust is computed by tensorflow; received 'litert'"):
        tlkit.load(folder.path, engine="litert", trust=True)
    folder.lite.unlink()
    with pytest.raises(
        tlkit.RunError, match=r'model\.tflite: no such file; engine "litert" needs it; expected engine "t'
    ):
        tlkit.load(folder.path, engine="litert")
    monkeypatch.setattr(Engine, "version", property(lambda engine: None if engine.name == "openvino" else "1"))
    with pytest.raises(
        tlkit.DataError, match=r'"openvino" needs the package openvino.*pip install "tlkit\[openvino\]"'
    ):
        tlkit.load(folder.path, engine="openvino")
