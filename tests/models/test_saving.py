"""Saving a model: the file is loaded again and compared before it takes its place."""

from __future__ import annotations

import io
import re
import zipfile

import h5py
import keras
import numpy as np
import pytest

from tlkit.errors import RunError
from tlkit.models import lite_check, saving
from tlkit.models.allowed import NotAllowed
from tlkit.models.convert import NotConvertibleError, convert_to_litert
from tlkit.models.litert import LiteRTNetwork
from tlkit.models.outputs import logits_model
from tlkit.models.safe_load import load_model_file
from tlkit.models.saving import SavedModel, Trained, save_model
from tlkit.models.tasks import learning_task
from tlkit.runs.folder import RunFolder

TASK = learning_task("classification", "single", 2)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


@pytest.fixture
def model():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(images))
    made = keras.Model(images, keras.layers.Activation("linear", name="logits")(x))
    made.compile("adam", "mse")
    made.fit(IMAGES.astype(np.float32), np.zeros((3, 2)), verbose=0)
    return made


def save(folder, model, precision="float32"):
    return save_model(folder, Trained(model, TASK, IMAGES, precision, "epoch 7 (best val_loss)"))


def test_a_saved_model_gives_the_same_logits_and_has_no_optimizer(folder, model):
    assert save(folder, model) == SavedModel(needs_trust=None, needs_tensorflow=None)
    loaded = load_model_file(folder.model)
    images = IMAGES.astype(np.float32)
    np.testing.assert_allclose(logits_model(loaded)(images), model(images), rtol=1e-5)
    with zipfile.ZipFile(folder.model) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
        assert "optimizer" not in weights
    assert {file.name for file in folder.path.iterdir()} == {"model.keras", "model.tflite", "checksums.txt"}


def test_a_model_whose_logits_are_not_finite_does_not_replace_an_earlier_one(folder, model):
    folder.model.write_text("earlier")
    model.layers[-2].kernel.assign(np.full((3, 2), np.inf))
    with pytest.raises(RunError, match=r"diverged\. The weights of epoch 7 \(best val_loss\) are in .*checkpoints"):
        save(folder, model)
    assert folder.model.read_text() == "earlier"


@pytest.mark.parametrize(("factor", "precision", "saved"), [(1.01, "float32", False), (1.01, "mixed_float16", True)])
def test_a_file_that_reloads_to_other_logits_is_not_the_model(folder, model, monkeypatch, factor, precision, saved):
    def changed(file, **options):
        loaded = load_model_file(file, **options)
        kernel = loaded.get_layer(model.layers[-2].name).kernel
        kernel.assign(kernel * factor)
        return loaded

    monkeypatch.setattr(saving, "load_model_file", changed)
    if saved:
        save(folder, model, precision)
    else:
        with pytest.raises(RunError, match=r"the reloaded model's logits differ .* by up to \d"):
            save(folder, model, precision)
    assert folder.model.exists() is saved


# The LiteRT file ----------------------------------------------------------------------------------------------------


def test_the_lite_file_gives_the_same_logits(folder, model):
    save(folder, model)
    [logits] = LiteRTNetwork(folder.lite.read_bytes())(IMAGES)
    np.testing.assert_allclose(logits, model(IMAGES.astype(np.float32)), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "changed", "why"),
    [
        ("available_memory", lambda: 10**8, "converting it takes about .* of memory, and .* are free"),
        ("convert_to_litert", "raises", "LiteRT has not all of its operations"),
        ("convert_to_litert", "another", "logits differ from the trained model's by up to"),
        ("check_lite", "raises", "not allowed"),
    ],
)
def test_an_earlier_lite_file_is_removed_where_none_can_be_written(folder, model, monkeypatch, name, changed, why):
    save(folder, model)
    if changed == "raises":
        error = NotConvertibleError("no operation") if name == "convert_to_litert" else NotAllowed("not allowed")

        def changed(*_args):
            raise error

    elif changed == "another":
        other = keras.models.clone_model(model)
        content = convert_to_litert(other)
        changed = lambda _model: content  # noqa: E731
    monkeypatch.setattr(lite_check if name == "check_lite" else saving, name, changed)
    assert re.search(why, save(folder, model).needs_tensorflow)
    assert {file.name for file in folder.path.iterdir()} == {"model.keras"}


def test_a_model_of_lower_precision_has_no_lite_file(folder, model):
    assert save(folder, model, "mixed_bfloat16").needs_tensorflow == "it computes in mixed_bfloat16"


def test_without_litert_the_model_is_saved_all_the_same(folder, model, monkeypatch):
    monkeypatch.setattr(type(saving.LITERT), "version", None)
    assert save(folder, model).needs_tensorflow == "ai-edge-litert is not installed"
    assert {file.name for file in folder.path.iterdir()} == {"model.keras"}
