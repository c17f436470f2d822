"""LiteRT files with what is not allowed are refused before the runtime sees them.

What they have is harmless and stands for what would harm: another operation, option or number than the file had, or a
number a little over a limit that the test lowers.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

import flatbuffers
import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from lite_networks import lite_files
from saved_models import ONE_OF_EACH, applications, small_models

from tlkit.models import convert, lite_check
from tlkit.models.allowed import NotAllowed
from tlkit.models.convert import convert_to_litert
from tlkit.models.lite_check import check_lite
from tlkit.models.litert import LiteRTNetwork, UnusableNetworkError

L = keras.layers
SIZE, UNITS, RANK = (16, 16), 3, 4
IMAGES = np.random.default_rng(0).uniform(0, 255, (1, *SIZE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    """Return a model with most kinds of operations."""
    images = keras.Input((*SIZE, 3))
    x = L.ZeroPadding2D(1)(L.Rescaling(1 / 127.5, -1.0)(images))
    x = L.BatchNormalization()(L.Conv2D(4, 3, strides=2, name="conv")(x))
    x = L.MaxPooling2D()(L.DepthwiseConv2D(3, padding="same")(L.ReLU()(x)))
    gate = L.Conv2D(4, 1, activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(x))
    x = L.Conv2DTranspose(4, 2, strides=2)(L.Multiply()([x, gate]))
    x = L.UpSampling2D(2, interpolation="bilinear")(L.Concatenate()([x, L.Dense(2)(x)]))
    return keras.Model(images, L.Conv2D(UNITS, 1, name="logits")(x))


@pytest.fixture(scope="module")
def content(model):
    """Return its file."""
    return convert_to_litert(model)


@pytest.fixture(scope="module")
def large(model):
    """Return its file as that of a large model, which has a signature."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "_CONSTANT_BYTES", 0)
        return convert_to_litert(model)


def check(content):
    check_lite(content, SIZE, UNITS, RANK)


def test_a_file_of_tlkit_is_allowed(content, large):
    for each in (content, large):
        check(each)
        assert LiteRTNetwork(each)(IMAGES)[0].shape == (1, *SIZE, UNITS)


def rewritten(content, change):
    """Return a file with a change of the schema's objects."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    change(model)
    builder = flatbuffers.Builder(len(content) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def operation(model, name):
    code = getattr(schema.BuiltinOperator, name)
    graph = model.subgraphs[0]
    return next(each for each in graph.operators if model.operatorCodes[each.opcodeIndex].builtinCode == code)


def tensor_of(model, name, position):
    return model.subgraphs[0].tensors[operation(model, name).inputs[position]]


def set_constant(name, position, values):
    def change(model):
        buffer = model.buffers[tensor_of(model, name, position).buffer]
        buffer.data = np.frombuffer(np.asarray(values, "<i4").tobytes(), np.uint8)

    return change


def set_code(**values):
    return lambda model: vars(model.operatorCodes[0]).update(values)


def set_operation(name, **values):
    return lambda model: vars(operation(model, name)).update(values)


def set_options(name, **values):
    return lambda model: vars(operation(model, name).builtinOptions).update(values)


def set_tensor(name, position, **values):
    return lambda model: vars(tensor_of(model, name, position)).update(values)


def output_of(name, **values):
    return lambda model: vars(model.subgraphs[0].tensors[operation(model, name).outputs[0]]).update(values)


def set_graph(**values):
    return lambda model: vars(model.subgraphs[0]).update(values)


def twice(name):
    return lambda model: model.subgraphs[0].operators.append(operation(model, name))


def no_operations(model):
    model.subgraphs[0].operators = []


def two_graphs(model):
    model.subgraphs.append(model.subgraphs[0])


def shorter(model):
    buffer = model.buffers[tensor_of(model, "CONV_2D", 1).buffer]
    buffer.data = buffer.data[:-4]


CHANGES = {
    # In place of operations with code or resources of their own: one that no file of tlkit has.
    "another operation": (set_code(builtinCode=schema.BuiltinOperator.SIN, deprecatedBuiltinCode=0), "SIN"),
    "an operation without a name": (set_code(builtinCode=9999), "9999"),
    "a custom operation": (set_code(builtinCode=schema.BuiltinOperator.CUSTOM, customCode="No"), "CUSTOM"),
    "a custom name": (set_code(customCode="No"), "which is not allowed"),
    "a later version": (set_code(version=99), "version 99"),
    "custom options": (set_operation("CONV_2D", customOptions=[1]), "options that are not allowed"),
    "later options": (set_operation("CONV_2D", largeCustomOptionsSize=1), "options that are not allowed"),
    "intermediate tensors": (set_operation("CONV_2D", intermediates=[0]), "options that are not allowed"),
    "options of another operation": (
        set_operation("CONV_2D", builtinOptionsType=schema.BuiltinOptions.Pool2DOptions,
                      builtinOptions=schema.Pool2DOptionsT()),
        "options of another operation",
    ),
    "two graphs": (two_graphs, "not one graph"),
    "no graph": (lambda model: model.subgraphs.clear(), "not one graph"),
    "another version of the format": (lambda model: setattr(model, "version", 4), "another version"),
    # Numbers of what is not there.
    "a tensor that is not there": (set_operation("CONV_2D", inputs=[0, 1, 9999]), "not in the file"),
    "a negative tensor": (set_operation("CONV_2D", inputs=[0, 1, -2]), "not in the file"),
    "a kind that is not there": (set_operation("CONV_2D", opcodeIndex=9999), "not in the file"),
    "a constant that is not there": (set_tensor("CONV_2D", 1, buffer=9999), "not in the file"),
    "an output that is not there": (set_graph(outputs=[9999]), "not in the file"),
    "a missing input": (set_operation("CONV_2D", inputs=[0]), "has 1 inputs"),
    "an input left out": (set_operation("CONV_2D", inputs=[-1, 1, 2]), "lacks an input"),
    "no operations": (no_operations, "never computed"),
    "a cycle": (lambda model: model.subgraphs[0].operators.reverse(), "before it is computed"),
    "an operation twice": (twice("CONV_2D"), "writes a tensor that has a value"),
    # Sizes that the runtime would believe.
    "a constant that is too short": (shorter, "which does not fit its shape"),
    "a constant outside the graph": (lambda model: vars(model.buffers[2]).update(offset=8, size=8), "outside"),
    "a negative size": (set_tensor("CONV_2D", 0, shape=[1, -16, -16, 3]), "no fixed shape"),
    "an unknown size": (set_tensor("CONV_2D", 0, shapeSignature=[-1, 16, 16, 3]), "no fixed shape"),
    "another shape": (output_of("CONV_2D", shape=[1, 8, 8, 99]), "computes"),
    "another type": (output_of("CONV_2D", type=schema.TensorType.INT32), "something else than float32"),
    "a type that is not listed": (output_of("CONV_2D", type=schema.TensorType.STRING), "which is not allowed"),
    "a variable": (output_of("CONV_2D", isVariable=True), "is a variable"),
    "a larger padding": (set_constant("PAD", 1, [0, 0, 1, 99, 1, 1, 0, 0]), "computes"),
    "a negative padding": (set_constant("PAD", 1, [0, 0, 1, -1, 1, 3, 0, 0]), "don't fit it"),
    "a larger resize": (set_constant("RESIZE_BILINEAR", 1, [99, 99]), "computes"),
    "a larger transposed convolution": (set_constant("TRANSPOSE_CONV", 0, [1, 99, 99, 4]), "don't fit it"),
    "a stride of 0": (set_options("CONV_2D", strideH=0), "don't fit it"),
    "a large stride": (set_options("CONV_2D", strideH=1 << 20), "don't fit it"),
    "a dilation of 0": (set_options("CONV_2D", dilationHFactor=0), "don't fit it"),
    "a pooling of nothing": (set_options("MAX_POOL_2D", filterHeight=0), "don't fit it"),
    "a multiplier of 0": (set_options("DEPTHWISE_CONV_2D", depthMultiplier=0), "don't fit it"),
    "another axis": (set_options("CONCATENATION", axis=9), "don't fit it"),
    "an unknown activation": (set_options("CONV_2D", fusedActivationFunction=99), "no known activation"),
    "an axis that is not there": (set_constant("MEAN", 1, [1, 9]), "don't fit it"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_allowed_is_refused_by_name(change, content):
    make, why = CHANGES[change]
    with pytest.raises(NotAllowed, match=why):
        check(rewritten(content, make))


def signature(change):
    return lambda model: change(model.signatureDefs[0])


SIGNATURES = {
    "another tensor": lambda each: vars(each.outputs[0]).update(tensorIndex=9999),
    "another name": lambda each: vars(each.outputs[0]).update(name="no_output"),
    "another graph": lambda each: vars(each).update(subgraphIndex=1),
    "fewer outputs": lambda each: each.outputs.clear(),
    "another input": lambda each: vars(each.inputs[0]).update(tensorIndex=9999),
}


@pytest.mark.parametrize("change", SIGNATURES)
def test_a_signature_must_be_that_of_the_graph(change, large):
    with pytest.raises(NotAllowed, match="signature"):
        check(rewritten(large, signature(SIGNATURES[change])))


@pytest.mark.parametrize(
    ("limit", "value", "why"),
    [
        ("MAX_ELEMENTS", 700, "numbers, more than 700"),
        ("MAX_LIVE_BYTES", 10_000, r"takes \d+ bytes, more than 10000"),
        ("MAX_PARTS", 10, "expected at most 10"),
    ],
)
def test_what_is_larger_than_a_limit_is_refused(limit, value, why, content, monkeypatch):
    monkeypatch.setattr(lite_check, limit, value)
    with pytest.raises(NotAllowed, match=why):
        check(content)


def test_the_pointers_of_a_large_window_count_as_memory(content, monkeypatch):
    monkeypatch.setattr(lite_check, "MAX_LIVE_BYTES", 30_000)
    check(content)
    with pytest.raises(NotAllowed, match=r"MAX_POOL_2D\) takes \d+ bytes, more than 30000"):
        check(rewritten(content, set_options("MAX_POOL_2D", filterHeight=16, filterWidth=16, padding=0)))


@pytest.mark.parametrize(
    ("size", "units", "rank", "why"),
    [((16, 17), 3, 4, "it takes"), (SIZE, 2, 4, "it outputs"), (SIZE, 3, 2, "it outputs")],
)
def test_inputs_and_outputs_must_be_those_of_the_card(size, units, rank, why, content):
    with pytest.raises(NotAllowed, match=why):
        check_lite(content, size, units, rank)


def test_a_name_that_is_not_utf_8_is_damage(content):
    with pytest.raises(NotAllowed, match="it is damaged"):
        check(rewritten(content, lambda model: vars(model.subgraphs[0].tensors[0]).update(name=b"\xb9")))


@pytest.mark.parametrize("length", [0, 3, 7, 8, 40, 1000])
def test_a_file_that_ends_early_is_refused(length, content):
    with pytest.raises(NotAllowed, match="damaged"):
        check(content[:length])


def flips(content, count, seed=0):
    """Yield contents with a flipped bit, several, a changed byte, and four bytes overwritten, in turn."""
    draw = random.Random(seed)
    for number in range(count):
        changed = bytearray(content)
        place = draw.randrange(len(content) - 4)
        if number % 4 < 2:
            for _ in range(1 if number % 4 == 0 else draw.randint(2, 10)):
                bit = draw.randrange(8 * len(content))
                changed[bit // 8] ^= 1 << bit % 8
        elif number % 4 == 2:
            changed[place] ^= draw.randint(1, 255)
        else:
            changed[place : place + 4] = draw.randbytes(4)
        yield bytes(changed)


def outcomes(content, count, seed):
    """Count what becomes of changed files whose checksum would be right. Other weights give other numbers."""
    counts = Counter()
    expected = LiteRTNetwork(content, 1)(IMAGES)[0]
    for changed in flips(content, count, seed):
        try:
            check(changed)
            [logits] = LiteRTNetwork(changed, 1)(IMAGES)
        except NotAllowed:
            counts["refused"] += 1
        except (RuntimeError, UnusableNetworkError):
            counts["refused by LiteRT"] += 1
        else:
            assert logits.shape == expected.shape
            counts["same" if np.array_equal(logits, expected) else "other numbers"] += 1
    return counts


CODE = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
import test_lite_check
print(test_lite_check.outcomes(Path({file!r}).read_bytes(), {count}, {seed}))
"""


def in_another_process(content, tmp_path, count, seed=0):
    """Flip in a process of its own, since a crash or a hang would end this one."""
    file = tmp_path / "model.tflite"
    file.write_bytes(content)
    code = CODE.format(path=sys.path, file=str(file), count=count, seed=seed)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout


def test_some_flips_neither_crash_nor_hang(content, large, tmp_path):
    for each in (content, large):
        print(in_another_process(each, tmp_path, 50))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_thousands_of_flips_neither_crash_nor_hang(content, large, tmp_path, seed):
    for each in (content, large):
        print(f"\n{in_another_process(each, tmp_path, 2500, seed)}")


def assert_allowed_and_alike(models):
    for model, content in lite_files(models):
        shape = model.output_shape
        check_lite(content, model.input_shape[1:3], shape[-1], len(shape))
        image = np.random.default_rng(0).uniform(0, 255, (1, *model.input_shape[1:])).astype(np.float32)
        expected = np.asarray(model(image, training=False))
        [logits] = LiteRTNetwork(content, 1)(image)
        np.testing.assert_allclose(logits, expected, atol=1e-4 * max(1.0, float(np.abs(expected).max())))


@pytest.mark.slow
def test_the_networks_of_our_builders_and_heads_are_allowed_and_answer_alike():
    assert_allowed_and_alike(small_models())


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_the_networks_of_keras_applications_are_allowed_and_answer_alike(name):
    assert_allowed_and_alike(applications([name]))
