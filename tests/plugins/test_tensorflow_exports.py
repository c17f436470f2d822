"""The formats that TensorFlow and LiteRT run: a model written, opened, and compared with the Keras model."""

from __future__ import annotations

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from export_context import METADATA, RECIPES, expected, export_context, network, pictures
from tlkit_exporters import tlkit_exporters

import tlkit

EXPORTERS = {each.name: each for each in tlkit_exporters()}
NAMES = ("savedmodel", "keras", "litert")
QUICK = ("cnn", "standardize", "unet_bilinear", "unet_transpose")
SLOW = [each for each in RECIPES if each not in QUICK]
TOLERANCE = 5e-4
"""Relative to the largest: converters fold BatchNormalization, and random weights make much of small differences."""


def written(name, model, folder, **context):
    """Return the path of an exported model."""
    exporter = EXPORTERS[name]
    (folder / "export").mkdir()
    path = folder / "export" / f"model{exporter.suffix}"
    exporter.write(export_context(model, folder, **context), path, tlkit.Options())
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    if exporter.check is not None:
        exporter.check(path)
    return path


def check_answers(opened, model, kind="single", count=3):
    images = pictures(count, tuple(model.input.shape[1:3]), seed=2)
    answers, right = opened.run(images), expected(model, images, kind)
    assert set(answers) == set(right)
    for name, values in right.items():
        assert answers[name].dtype == np.float32
        np.testing.assert_allclose(answers[name], values, atol=TOLERANCE * max(1, np.abs(values).max()), err_msg=name)


@pytest.mark.parametrize("recipe", [*QUICK, *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW)])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_answers_as_the_keras_model(name, recipe, tmp_path):
    model = network(recipe)
    opened = EXPORTERS[name].open(written(name, model, tmp_path), 1)
    check_answers(opened, model)
    assert opened.metadata == METADATA
    assert opened.precision == "float32"


@pytest.mark.parametrize("kind", ["binary", "multi"])
@pytest.mark.parametrize("name", NAMES)
def test_the_probabilities_are_those_of_the_kind_of_labels(name, kind, tmp_path):
    model = network("cnn", kind=kind)
    metadata = {**METADATA, "card": json.dumps({"label_kind": kind})}
    path = written(name, model, tmp_path, kind=kind, metadata=metadata)
    check_answers(EXPORTERS[name].open(path, 1), model, kind)


@pytest.mark.parametrize("input_type", ["uint8", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_the_snippet_needs_no_tlkit(name, input_type, tmp_path):
    model = network("cnn")
    path = written(name, model, tmp_path, input_type=input_type)
    images = pictures(1, RECIPES["cnn"].size)
    found = {"FILE": str(path), "images": images.astype(input_type)}
    assert "tlkit" not in {line.split()[1] for line in EXPORTERS[name].snippet.splitlines() if "import" in line}
    exec(EXPORTERS[name].snippet, found)
    np.testing.assert_allclose(found["probabilities"], expected(model, images)["probabilities"], atol=1e-5)
    assert found["metadata"] == METADATA


@pytest.mark.parametrize("name", ["savedmodel", "litert"])
def test_images_of_the_other_type_are_refused_by_the_runtime(name, tmp_path):
    path = written(name, network("cnn"), tmp_path, input_type="uint8")
    found = {"FILE": str(path), "images": pictures(1, RECIPES["cnn"].size) / np.float32(255)}
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        exec(EXPORTERS[name].snippet, found)


@pytest.mark.parametrize("quantize", EXPORTERS["litert"].quantizations)
@pytest.mark.parametrize("input_type", ["uint8", "float32"])
def test_a_quantized_litert_file_says_the_same(quantize, input_type, tmp_path):
    model = network("unet_transpose")
    path = written("litert", model, tmp_path, quantize=quantize, input_type=input_type)
    images = pictures(4, RECIPES["unet_transpose"].size, seed=1)
    answers, right = EXPORTERS["litert"].open(path, 1).run(images), expected(model, images)
    agree = np.mean(answers["logits"].argmax(-1) == right["logits"].argmax(-1))
    assert agree > 0.98
    assert np.abs(answers["logits"] - right["logits"]).max() > 0 or quantize == "dynamic"


def test_a_quantization_needs_images(tmp_path):
    with pytest.raises(tlkit.DataError, match="int8 needs images"):
        written("litert", network("cnn"), tmp_path, quantize="int8", images=np.zeros((0, 24, 32, 3), np.uint8))


def test_litert_takes_several_images_at_once(tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    model = network("unet_transpose")
    path = written("litert", model, tmp_path)
    images = pictures(3, RECIPES["unet_transpose"].size)
    predict = Interpreter(str(path)).get_signature_runner("serving_default")
    right = expected(model, images)
    for start, stop in ((0, 3), (1, 2), (0, 2)):
        answers = predict(images=images[start:stop])
        np.testing.assert_allclose(answers["logits"], right["logits"][start:stop], atol=1e-4)
    [given] = Interpreter(str(path)).get_input_details()
    assert list(given["shape_signature"]) == [-1, *RECIPES["unet_transpose"].size, 3]


class Odd(keras.layers.Layer):
    """A layer that no other program has, whose operation LiteRT lacks."""

    def call(self, values):
        return keras.ops.arccosh(keras.ops.abs(values) + 1)


@pytest.mark.parametrize(("name", "reason"), [("keras", "layers of a plugin"), ("litert", "can't express")])
def test_what_a_format_can_not_express_is_refused(name, reason, tmp_path):
    images = keras.Input((8, 8, 3))
    logits = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(Odd()(images)))
    with pytest.raises(tlkit.DataError, match=reason):
        written(name, keras.Model(images, logits), tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_someone_else_is_refused(name, tmp_path):
    path = tmp_path / f"model{EXPORTERS[name].suffix}"
    if EXPORTERS[name].member:
        path.mkdir()
        (path / EXPORTERS[name].member).write_bytes(b"PK or TFL3" * 9)
    else:
        path.write_bytes(b"PK or TFL3" * 9)
    if EXPORTERS[name].check is not None:
        with pytest.raises(tlkit.DataError, match=str(path)):
            EXPORTERS[name].check(path)
    with pytest.raises(tlkit.DataError, match=str(path)):
        EXPORTERS[name].open(path, 1)


def test_a_savedmodel_without_texts_is_refused(tmp_path):
    path = written("savedmodel", network("cnn"), tmp_path)
    shutil.rmtree(path / "assets.extra")
    with pytest.raises(tlkit.DataError, match="no texts of tlkit"):
        EXPORTERS["savedmodel"].open(path, 1)
