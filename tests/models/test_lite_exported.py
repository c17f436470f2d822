"""Exported LiteRT files with what is not allowed are refused before the runtime sees them.

What they have is harmless and stands for what would harm: another type, scale, option or size than the file had.
"""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from tlkit_exporters import tlkit_exporters
from tlkit_exporters.litert_file import packed, parsed

import tlkit
from tlkit.models import lite_check
from tlkit.models.lite_exported import check_litert_file

L = keras.layers
SIZE = (16, 16)
[LITERT] = [each for each in tlkit_exporters() if each.name == "litert"]


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Return quantization → the file of a model with most kinds of operations."""
    keras.utils.set_random_seed(1)
    images = keras.Input((*SIZE, 3))
    x = L.ZeroPadding2D(1)(L.Rescaling(1 / 127.5, -1.0)(images))
    x = L.BatchNormalization()(L.Conv2D(40, 3, strides=2)(x))
    x = L.MaxPooling2D()(L.DepthwiseConv2D(3, padding="same")(L.ReLU()(x)))
    gate = L.Conv2D(40, 1, activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(x))
    x = L.Conv2DTranspose(40, 2, strides=2)(L.Multiply()([x, gate]))
    x = L.UpSampling2D(2, interpolation="bilinear")(L.Concatenate()([x, L.Dense(2)(x)]))
    model = keras.Model(images, L.Conv2D(3, 1, name="logits")(x))

    def answer(images):
        logits = model(tf.cast(images, tf.float32), training=False)
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    spec = tf.TensorSpec((None, *SIZE, 3), tf.uint8, name="images")
    function = tf.function(answer, input_signature=[spec], autograph=False)
    photos = np.random.default_rng(0).integers(0, 256, (8, *SIZE, 3)).astype(np.uint8)
    found = {}
    for quantize in (None, *LITERT.quantizations):
        folder = tmp_path_factory.mktemp("export")
        context = tlkit.ExportContext(model, function, None, SIZE, "uint8", quantize, photos, {"a": "b"}, folder)
        LITERT.write(context, folder / "model.tflite", tlkit.Options())
        found[quantize] = (folder / "model.tflite").read_bytes()
    return found


def check(content, folder):
    (folder / "model.tflite").write_bytes(content)
    check_litert_file(folder / "model.tflite")


@pytest.mark.parametrize("quantize", [None, *LITERT.quantizations])
def test_a_file_of_tlkit_is_allowed(quantize, contents, tmp_path):
    check(contents[quantize], tmp_path)


def operation(model, name):
    code = getattr(schema.BuiltinOperator, name)
    return next(
        each for each in model.subgraphs[0].operators if model.operatorCodes[each.opcodeIndex].builtinCode == code
    )


def read(model, name, position):
    return model.subgraphs[0].tensors[operation(model, name).inputs[position]]


def made(model, name):
    return model.subgraphs[0].tensors[operation(model, name).outputs[0]]


def set_code(model, name, **values):
    vars(model.operatorCodes[operation(model, name).opcodeIndex]).update(values)


def free_height(model):
    shape = made(model, "CONV_2D").shapeSignature
    made(model, "CONV_2D").shapeSignature = np.array([shape[0], -1, *shape[2:]], np.int32)


def scales(tensor, values):
    tensor.quantization.scale = np.array(values, np.float32)
    tensor.quantization.zeroPoint = np.zeros(len(values), np.int64)


def count_more(model):
    model.buffers[read(model, "STRIDED_SLICE", 2).buffer].data = np.frombuffer(np.int32(3).tobytes(), np.uint8)


def take_another_size(model):
    for position, value in ((1, 1), (2, 2)):
        buffer = model.buffers[read(model, "STRIDED_SLICE", position).buffer]
        buffer.data = np.frombuffer(np.int32(value).tobytes(), np.uint8)


CHANGES = {
    "an operation that is not listed": (None, lambda model: set_code(model, "SOFTMAX", builtinCode=32), "CUSTOM"),
    "a custom operation": (None, lambda model: set_code(model, "SOFTMAX", customCode=b"no_op"), "not allowed"),
    "a later version": (None, lambda model: set_code(model, "SOFTMAX", version=13), "version 13"),
    "a free height": (None, free_height, "other sizes"),
    "another type of images": (None, lambda model: setattr(made(model, "CAST"), "type", 9), "types"),
    "half a constant": ("float16", lambda model: setattr(read(model, "DEQUANTIZE", 0), "type", 0), "bytes"),
    "quantized weights without scales": (
        "int8",
        lambda model: setattr(read(model, "CONV_2D", 1), "quantization", None),
        "types",
    ),
    "a scale of zero": ("int8", lambda model: scales(made(model, "CONV_2D"), [0.0]), "scale"),
    "a scale that is no number": ("int8", lambda model: scales(made(model, "CONV_2D"), [np.nan]), "scale"),
    "a scale beyond the kernels": ("int8", lambda model: scales(made(model, "CONV_2D"), [1e-9]), "times its output"),
    "more scales than channels": ("int8", lambda model: scales(read(model, "CONV_2D", 1), np.ones(41)), "41 scales"),
    "scales of a feature map": ("int8", lambda model: scales(made(model, "MAX_POOL_2D"), np.ones(40)), "fit"),
    "16 bits into 8": ("int16x8", lambda model: setattr(made(model, "MAX_POOL_2D"), "type", 9), "types"),
    "a slice of several sizes": (None, count_more, "fit it"),
    "a count of something else": (None, take_another_size, "fit it|not a constant"),
    "another name of an output": (
        None,
        lambda model: setattr(model.signatureDefs[0].outputs[0], "name", b"others"),
        "names other",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_allowed_is_refused_by_name(change, contents, tmp_path):
    quantize, make, why = CHANGES[change]
    model = parsed(contents[quantize])
    make(model)
    with pytest.raises(tlkit.DataError, match=why):
        check(packed(model), tmp_path)


def test_a_file_that_takes_too_much_memory_is_refused(contents, tmp_path, monkeypatch):
    monkeypatch.setattr(lite_check, "MAX_LIVE_BYTES", 10_000)
    with pytest.raises(tlkit.DataError, match="more than 10000"):
        check(contents["int8"], tmp_path)


def test_damaged_files_are_refused_or_computed(contents, tmp_path):
    """Each changed byte is refused, or changes a number that the runtime computes with."""
    rng = random.Random(0)
    refused = 0
    for quantize in (None, "float16", "int8"):
        for _ in range(60):
            content = bytearray(contents[quantize])
            content[rng.randrange(len(content))] = rng.randrange(256)
            try:
                check(bytes(content), tmp_path)
            except tlkit.DataError:
                refused += 1
    assert refused > 5
