"""The end of a saved model: probabilities in the file, logits inside tlkit."""

from __future__ import annotations

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from run_folders import MODEL_CARD

import tlkit
from tlkit.models.outputs import logits_model, with_probabilities
from tlkit.models.safe_load import load_model_file
from tlkit.models.saving import Trained, save_model
from tlkit.models.tasks import learning_task
from tlkit.runs.folder import RunFolder

TASKS = {
    "single": ("classification", "single", 3),
    "binary": ("classification", "binary", 2),
    "multi": ("classification", "multi", 3),
    "segmentation": ("segmentation", "single", 3),
}
SIZE = 8
IMAGES = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
PLAIN_KERAS = """
import sys
sys.modules.update(dict.fromkeys(("tlkit", "tlkit_heads", "tlkit_augment"), None))  # an import of them fails
import keras, numpy
for folder in sys.argv[2:]:
    model = keras.saving.load_model(folder + "/model.keras")
    numpy.save(folder + "/probabilities.npy", model.predict(numpy.load(sys.argv[1]).astype("float32"), verbose=0))
    print(model.output_names, model.output.dtype, model.output.shape)
"""


def network(kind, policy="float32", name=None):
    """Return a model that ends with logits as tlkit's networks do."""
    task = learning_task(*TASKS[kind])
    images = keras.Input((SIZE, SIZE, 3), name="images")
    x = keras.layers.Rescaling(1 / 50, dtype=policy)(images)
    x = x if kind == "segmentation" else keras.layers.GlobalAveragePooling2D(dtype=policy)(x)
    x = keras.layers.Dense(task.units, kernel_initializer="glorot_normal", dtype=policy, name=name)(x)
    return keras.Model(images, keras.layers.Activation("linear", dtype="float32", name="logits")(x)), task


def saved(path, kind, policy="float32"):
    model, task = network(kind, policy)
    path.mkdir()
    save_model(RunFolder(path), Trained(model, task, IMAGES, policy, "epoch 1 (best val_loss)"))
    return path, model, task


@pytest.mark.parametrize("kind", TASKS)
def test_a_saved_model_outputs_the_probabilities_of_its_task(tmp_path, kind):
    path, model, task = saved(tmp_path / kind, kind)
    loaded = load_model_file(path / "model.keras")
    images = IMAGES.astype(np.float32)
    expected = np.asarray(task.probabilities(model(images, training=False)))
    np.testing.assert_allclose(np.asarray(loaded(images)), expected, rtol=1e-6)
    assert expected.shape[-1] == task.classes
    logits = logits_model(loaded)
    assert logits.output_shape[-1] == task.units
    np.testing.assert_array_equal(np.asarray(logits(images)), np.asarray(model(images)))


@pytest.mark.parametrize("kind", TASKS)
def test_probabilities_are_float32_in_mixed_precision(kind):
    model, task = network(kind, "mixed_bfloat16")
    assert model.layers[-2].compute_dtype == "bfloat16"
    shares = np.asarray(with_probabilities(model, task)(IMAGES.astype(np.float32)))
    assert shares.dtype == np.float32
    if kind != "multi":
        np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-6)


def test_a_model_that_ends_with_logits_is_taken_as_it_is():
    model, _ = network("single")
    assert logits_model(model) is model
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert logits_model(other) is other


def test_a_layer_of_a_plugin_may_have_the_name_of_the_output():
    model, task = network("binary", name="probabilities_first")
    assert with_probabilities(model, task).output_names == ["tlkit_probabilities"]


def test_extending_a_model_leaves_it_as_it_was():
    model, task = network("binary")
    names, images = [layer.name for layer in model.layers], tf.constant(IMAGES, tf.float32)
    before = np.asarray(model(images))
    with_probabilities(model, task)
    assert [layer.name for layer in model.layers] == names
    np.testing.assert_array_equal(np.asarray(model(images)), before)


def test_plain_keras_without_tlkit_gets_the_probabilities_of_predict(tmp_path):
    folders = {kind: saved(tmp_path / kind, kind)[0] for kind in TASKS}
    np.save(tmp_path / "images.npy", IMAGES)
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    arguments = [sys.executable, "-c", PLAIN_KERAS, str(tmp_path / "images.npy"), *map(str, folders.values())]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "['probabilities'] float32 (None, 3)",
        "['probabilities'] float32 (None, 2)",
        "['probabilities'] float32 (None, 3)",
        "['probabilities'] float32 (None, 8, 8, 3)",
    ]
    for kind, folder in folders.items():
        task, label_kind, classes = TASKS[kind]
        names = list("abc")[:classes]
        card = {**MODEL_CARD, "task": task, "label_kind": label_kind, "classes": names, "image_size": [SIZE, SIZE]}
        (folder / "model.json").write_text(
            json.dumps({**card, "colors": [[0, 0, number] for number in range(classes)]})
        )
        predictions = tlkit.load(folder).predict([tmp_path / f"{number}.png" for number in range(len(IMAGES))])
        theirs = np.load(folder / "probabilities.npy")
        if kind == "segmentation":
            np.testing.assert_array_equal([each.mask for each in predictions], theirs.argmax(-1))
        else:
            ours = [list(each.probabilities.values()) for each in predictions]
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
