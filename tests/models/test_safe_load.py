"""Model files with what is not allowed: each is refused with its name.

What they have is harmless and stands for what would harm: a class, option or name that is not on the list, or a number
a little over a limit that the test lowers.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import tlkit
from tlkit.contracts import Backbone, Head, HeadContext
from tlkit.models import archive, bounded, option_kinds, safe_config, safe_load
from tlkit.models.allowed import NotAllowed
from tlkit.models.assemble import build_network
from tlkit.models.families import APPLICATIONS
from tlkit.models.safe_load import NotAllowedError, load_model_file
from tlkit.models.same_variables import load_same_variables
from tlkit.recipe.schema import Selection
from tlkit.system.disk import FullDiskError

L = keras.layers
ONE_OF_EACH = list({each.family: each for each in reversed(APPLICATIONS)}.values())


@pytest.fixture
def file(tmp_path):
    images = keras.Input((8, 8, 3))
    x = L.BatchNormalization()(L.Conv2D(4, 3, name="conv", kernel_regularizer="l2")(images))
    x = L.Dropout(0.5)(L.Activation("relu", name="act")(x))
    model = keras.Model(images, L.Dense(2, name="dense")(L.GlobalAveragePooling2D()(x)))
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def rewritten(file, change=lambda config: None, *, weights=None, entries=None, compression=zipfile.ZIP_STORED):
    """Rewrite the file with a changed configuration, other weights or further entries."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config = change(config) or config
    parts["config.json"] = config if isinstance(config, bytes) else json.dumps(config).encode()
    parts |= {"model.weights.h5": weights} if weights is not None else {}
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in {**parts, **(entries or {})}.items():
            archive.writestr(name, content)
    return file


def layer(config, name):
    return next(each for each in config["config"]["layers"] if each["config"]["name"] == name)


def test_a_model_of_tlkit_is_loaded_exactly(file):
    ours, theirs = load_model_file(file), keras.saving.load_model(file, compile=False)
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(ours(images, training=False), theirs(images, training=False))
    assert [each.name for each in ours.layers] == [each.name for each in theirs.layers]


def test_a_loaded_model_can_be_copied_and_saved_again(file, tmp_path):
    model = load_model_file(file)
    keras.models.clone_model(model)
    model.save(tmp_path / "again.keras")
    load_model_file(tmp_path / "again.keras")


def set_class(name, module, class_name, registered=None, **config):
    def change(found):
        each = layer(found, name)
        each |= {"module": module, "class_name": class_name, "registered_name": registered}
        each["config"] = {"name": name, **config}

    return change


def set_config(name, **config):
    return lambda found: layer(found, name)["config"].update(config)


NO_FUNCTION = {"module": "no_module", "class_name": "function", "config": "none", "registered_name": "function"}
CHANGES = {
    # In place of a class of Keras that runs code, or reads a file: one that is not on the list.
    "a class that is not listed": set_class("act", "keras.layers", "NoLayer", function="relu", trainable=True),
    "a class of a plugin": set_class("act", "no_package", "Layer", "no_package>Layer"),
    "a class of another module": set_class("act", "no_module", "Activation", activation="relu"),
    "a registered name on a layer of Keras": set_class("act", "keras.layers", "Activation", "no_package>Layer"),
    # In place of a function that a plugin registered, or that a module of Keras has: a name that is not listed.
    "a function as activation": set_config("act", activation="no_package>function"),
    "a function object as activation": set_config("act", activation=NO_FUNCTION),
    "a function as regularizer": set_config("conv", kernel_regularizer="no_package>function"),
    "a function as constraint": set_config("conv", kernel_constraint="no_package>function"),
    "a name as dtype": set_config("conv", dtype="no_package>function"),
    "another policy as dtype": set_config("conv", dtype={"module": "keras", "class_name": "NoPolicy", "config": {}}),
    # In place of an option that adds weights or behaviour: one that no class has.
    "an option that is not listed": set_config("dense", no_option=1),
    "an option where only null is allowed": set_config("dense", quantization_config={}),
    "an entry that is not listed": lambda found: layer(found, "act").update(no_entry=1),
    "a compiled model": lambda found: found.update(compile_config={"no_option": 1}),
    "an argument of a call that is not listed": lambda found: layer(found, "act")["inbound_nodes"][0].update(
        kwargs={"no_argument": 1}
    ),
    "a tensor of another class": lambda found: layer(found, "act")["inbound_nodes"][0]["args"][0].update(
        class_name="__no_tensor__"
    ),
    "a special entry": set_config("act", activation={"__entry__": "x"}),
    "no initializer": lambda found: layer(found, "dense")["config"].pop("kernel_initializer") and None,
    "another name than its configuration's": lambda found: layer(found, "act").update(name="other"),
    "infinite units": set_config("dense", units=float("inf")),
    "lists in lists": set_config("act", activation=json.loads("[" * 200 + "]" * 200)),
    "not a model": lambda _found: {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}},
    "not an object": lambda _found: b"[]",
    "not JSON": lambda _found: b"{",
    "deep JSON": lambda _found: b"[" * 100_000,
}


@pytest.mark.parametrize("kind", sorted(CHANGES))
def test_a_forbidden_configuration_is_refused(file, kind):
    with pytest.raises(tlkit.RunError, match=r"model\.keras: (not loaded|can't be loaded)"):
        load_model_file(rewritten(file, CHANGES[kind]))


@pytest.mark.parametrize("option", ["lora_rank", "lora_alpha", "no_option"])
def test_a_refused_option_is_named_with_the_reason_if_there_is_one(file, option):
    reasons = {"lora_rank": r" \(adds weights: .*\)", "lora_alpha": r" \(scales .*\)"}
    with pytest.raises(
        NotAllowedError, match=rf"Dense\.{option} is not an option of a Dense .*{reasons.get(option, '')}"
    ):
        load_model_file(rewritten(file, set_config("dense", **{option: None})))


def test_a_name_from_a_stranger_is_shown_escaped(file):
    with pytest.raises(NotAllowedError) as caught:
        load_model_file(rewritten(file, set_config("dense", **{"\x1b[2J" * 50: None})))
    assert "'\\x1b[2J" in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 500


# The limits are lowered here: a small number a little over them stands for one that would fill the memory.


@pytest.fixture
def no_spare(monkeypatch):
    """Allow as many weights as the file has, and none besides."""
    monkeypatch.setattr(bounded, "_SPARE_ELEMENTS", 0)


def test_a_layer_may_not_need_more_weights_than_the_file_has(file, no_spare):
    load_model_file(file)
    with pytest.raises(NotAllowedError, match="a layer needs 12 weights, more than the file has"):
        load_model_file(rewritten(file, set_config("dense", units=3)))


def test_an_option_may_not_be_over_its_bound(file, monkeypatch):
    monkeypatch.setattr(option_kinds, "MAX_COUNT", 100)
    with pytest.raises(NotAllowedError, match=r"Dense\.units: expected an integer .*, received '101'"):
        load_model_file(rewritten(file, set_config("dense", units=101)))


def test_models_may_not_be_nested_deeper_than_allowed(file):
    def nest(found):
        for number in range(9):
            inner = {"name": f"nested{number}", "trainable": True, "layers": [found]}
            found = {"module": "keras", "class_name": "Sequential", "config": inner, "registered_name": None}
        return found

    with pytest.raises(NotAllowedError, match="is nested more than 8 deep"):
        load_model_file(rewritten(file, nest))


def refused(model, folder, message):
    """Save a model and check that loading it is refused."""
    model.save(folder / "model.keras")
    with pytest.raises(NotAllowedError, match=message):
        load_model_file(folder / "model.keras")


@pytest.fixture
def small_maps(monkeypatch):
    """Allow feature maps of 10,000 numbers."""
    monkeypatch.setattr(bounded, "MAX_ELEMENTS", 10_000)


def test_a_nested_model_without_sizes_is_refused(tmp_path):
    """It would be measured on an image of one pixel and called on larger ones."""
    images, any_size = keras.Input((16, 16, 3)), keras.Input((None, None, 3))
    inner = keras.Model(any_size, L.UpSampling2D(2)(any_size), name="inner")
    refused(keras.Model(images, L.GlobalAveragePooling2D()(inner(images))), tmp_path, "whose size is not known")


def test_a_nested_model_of_one_size_is_loaded(tmp_path):
    images, same = keras.Input((16, 16, 3)), keras.Input((16, 16, 3))
    inner = keras.Model(same, L.Conv2D(2, 3)(same), name="inner")
    keras.Model(images, L.GlobalAveragePooling2D()(inner(images))).save(tmp_path / "model.keras")
    assert [each.name for each in load_model_file(tmp_path / "model.keras").layers][1] == "inner"


def test_a_large_feature_map_is_refused(tmp_path, small_maps):
    images = keras.Input((16, 16, 3))
    padded = L.ZeroPadding2D(22)(images)
    refused(keras.Model(images, L.GlobalAveragePooling2D()(padded)), tmp_path, "outputs 10800 numbers, more than 10000")


def test_every_call_of_a_shared_layer_is_measured(tmp_path, small_maps):
    images, larger = keras.Input((16, 16, 3)), L.UpSampling2D(2)
    twice = larger(larger(images))
    refused(keras.Model(images, L.GlobalAveragePooling2D()(twice)), tmp_path, "outputs 12288")


def test_an_operation_that_is_not_a_layer_is_measured(tmp_path, small_maps):
    images = keras.Input((8, 8, 2))
    long = L.Flatten()(images)
    square = L.Reshape((-1, 1))(long) + L.Reshape((1, -1))(long)
    refused(
        keras.Model(images, L.GlobalAveragePooling2D()(L.Reshape((128, 128, 1))(square))), tmp_path, "outputs 16384"
    )


def test_inputs_that_are_large_together_are_refused(tmp_path, small_maps):
    images = keras.Input((16, 16, 3))
    many = [L.UpSampling2D(2)(images) for _ in range(4)]
    refused(keras.Model(images, L.GlobalAveragePooling2D()(L.Add()(many))), tmp_path, "takes 12288 numbers")


def test_what_attention_computes_inside_is_measured(tmp_path, small_maps):
    images = keras.Input((8, 8, 4))
    tokens = L.Reshape((64, 4))(images)
    attended = L.MultiHeadAttention(3, 2)(tokens, tokens)
    refused(keras.Model(images, L.Flatten()(attended)), tmp_path, "computes 12288 numbers")


def test_what_a_separable_convolution_computes_inside_is_measured(tmp_path, small_maps):
    images = keras.Input((16, 16, 3))
    x = L.SeparableConv2D(1, 1, depth_multiplier=14)(images)
    refused(keras.Model(images, L.GlobalAveragePooling2D()(x)), tmp_path, "computes 10752 numbers")


def test_a_head_of_a_plugin_may_use_plain_layers_of_keras(tmp_path):
    images = keras.Input((8, 8, 4))
    tokens = L.LayerNormalization()(L.Reshape((64, 4))(images))
    tokens = tokens + L.MultiHeadAttention(2, 2, dropout=0.1)(tokens, tokens)
    tokens = L.Dropout(0.1)(L.PReLU()(L.Conv1D(4, 3, padding="causal")(tokens)), training=False)
    x = L.GroupNormalization(2)(L.Dense(4, activation="gelu", kernel_constraint="max_norm")(L.Flatten()(tokens)))
    model = keras.Model(images, 1 - x / 2)
    model.save(tmp_path / "model.keras")
    pictures = np.random.default_rng(1).normal(size=(2, 8, 8, 4)).astype(np.float32)
    np.testing.assert_array_equal(load_model_file(tmp_path / "model.keras")(pictures), model(pictures))


@pytest.mark.parametrize("value", [None, 0.5])
def test_a_normalization_makes_no_more_values_than_the_file_has(tmp_path, no_spare, value):
    images = keras.Input((8, 8, 3))
    x = L.Normalization(mean=0.5, variance=1.0, name="norm")(L.Activation("relu", name="act")(images))
    keras.Model(images, L.GlobalAveragePooling2D()(x)).save(tmp_path / "model.keras")

    def widen(config):
        layer(config, "norm")["config"].update(axis=[1, 2, 3], mean=value, variance=value)

    with pytest.raises(NotAllowedError, match="needs 192 weights, more than the file has"):
        load_model_file(rewritten(tmp_path / "model.keras", widen))


def test_a_normalization_with_values_in_the_file_is_loaded_exactly(tmp_path):
    images = keras.Input((8, 8, 3))
    given = L.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0], name="given")
    adapted = L.Normalization(name="adapted")
    model = keras.Model(images, L.GlobalAveragePooling2D()(adapted(given(images))))
    adapted.adapt(np.random.default_rng(0).normal(5, 3, (20, 8, 8, 3)))
    model.save(tmp_path / "model.keras")
    again = load_model_file(tmp_path / "model.keras")
    assert [type(each) for each in again.layers] == [type(each) for each in model.layers]
    pictures = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(again(pictures), model(pictures))


def scales(config, count, width):
    """Add layers that have weights beside the others."""
    layer(config, "dense")["config"]["units"] = 1
    tensor = {"shape": [None, 1], "dtype": "float32", "keras_history": ["dense", 0, 0]}
    for number in range(count):
        name = f"scale{number}"
        config["config"]["layers"].append(
            {
                "module": "keras.src.applications.convnext",
                "class_name": "LayerScale",
                "registered_name": "LayerScale",
                "name": name,
                "config": {"name": name, "init_values": 1.0, "projection_dim": width},
                "inbound_nodes": [{"args": [{"class_name": "__keras_tensor__", "config": tensor}], "kwargs": {}}],
            }
        )


def test_layer_scales_make_no_more_values_than_the_file_has(file, no_spare):
    with pytest.raises(NotAllowedError, match="needs 100 weights, more than the file has"):
        load_model_file(rewritten(file, lambda config: scales(config, 3, 100)))


def test_layers_of_every_module_are_counted(file, monkeypatch):
    monkeypatch.setattr(safe_config, "MAX_OBJECTS", 50)
    load_model_file(file)
    with pytest.raises(NotAllowedError, match="more than 50 layers and other objects"):
        load_model_file(rewritten(file, lambda config: scales(config, 50, 1)))


@pytest.mark.parametrize("error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")])
@pytest.mark.parametrize("trust", [False, True])
def test_exhausted_memory_is_told_as_such(file, monkeypatch, error, trust):
    def exhausted(*_, **__):
        raise error

    monkeypatch.setattr(safe_load, "build_bounded", exhausted)
    monkeypatch.setattr(keras.saving, "load_model", exhausted)
    with pytest.raises(tlkit.RunError, match=r"model\.keras: can't be loaded: .* need more memory than there is"):
        load_model_file(file, trust=trust)


def test_a_full_disk_is_not_reported_as_a_damaged_model(file, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(FullDiskError, match=r"is full \(.* [kMG]B free\)\. Make room, or .* with TMPDIR") as caught:
        load_model_file(file)
    assert tempfile.gettempdir() in str(caught.value)
    assert caught.value.exit_code == 74


def test_an_initializer_is_not_looked_at_whatever_it_names(file):
    rewritten(file, set_config("dense", kernel_initializer="no_package>function", bias_initializer=NO_FUNCTION))
    load_model_file(file)


@pytest.mark.parametrize("name", ["../x", "/x", "assets/x", "model.weights.npz", "config.json/../x"], ids=str)
def test_unexpected_archive_entries_are_refused(file, tmp_path, name):
    with pytest.raises(tlkit.RunError, match="expected the entries"):
        load_model_file(rewritten(file, entries={name: b"x"}))
    assert {each.name for each in tmp_path.iterdir()} == {"model.keras"}


def test_a_compressed_entry_is_refused_before_it_is_unpacked(file, monkeypatch):
    """3,000 zeros stand for an entry that would fill the disk."""
    monkeypatch.setattr(shutil, "copyfileobj", None)
    rewritten(file, weights=bytes(3000), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(tlkit.RunError, match="is compressed"):
        load_model_file(file)


def test_a_huge_configuration_is_refused_before_it_is_read(file, monkeypatch):
    monkeypatch.setitem(archive.ENTRIES, "config.json", 1000)
    with pytest.raises(tlkit.RunError, match=r"config\.json has \d+ bytes; expected at most 1000"):
        load_model_file(file)


@pytest.mark.parametrize("name", ["Dense", "relu"])
def test_a_keras_name_that_a_plugin_registered_is_refused(file, name):
    def of_the_plugin(*_, **__):
        raise AssertionError("the plugin's code was executed")

    keras.saving.get_custom_objects()[name] = of_the_plugin
    try:
        with pytest.raises(tlkit.RunError, match=f"has a {name}, and a plugin registered something of its own"):
            load_model_file(file)
    finally:
        del keras.saving.get_custom_objects()[name]


def changed_weights(file, tmp_path, change):
    path = tmp_path / "w.h5"
    with zipfile.ZipFile(file) as archive:
        path.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(path, "a") as weights:
        change(weights)
    content = path.read_bytes()
    path.unlink()
    return rewritten(file, weights=content)


def external_link(weights):
    weights["layers/elsewhere"] = h5py.ExternalLink("no-such-file.h5", "/")


def soft_link(weights):
    weights["layers/again"] = h5py.SoftLink("/layers")


def objects(weights):
    weights.create_dataset("layers/text", data=["text"], dtype=h5py.string_dtype())


def external_storage(weights):
    weights.create_dataset("layers/raw", (100,), "uint8", external=[("no-such-file", 0, 100)])


def chunks(weights):
    weights.create_dataset("layers/chunks", (10,), "float32", chunks=(5,))


def a_claim_without_bytes(weights):
    """100,000 elements, none of them written, stand for more than the memory holds."""
    weights.create_dataset("layers/empty", (100_000,), "float32")


def virtual(weights):
    layout = h5py.VirtualLayout((10,), "float32")
    layout[:] = h5py.VirtualSource("no-such-file.h5", "x", shape=(10,))
    weights.create_virtual_dataset("layers/virtual", layout)


@pytest.mark.parametrize(
    "change", [external_link, soft_link, objects, external_storage, chunks, a_claim_without_bytes, virtual]
)
def test_weights_are_plain_arrays_inside_the_file(file, tmp_path, change):
    with pytest.raises(tlkit.RunError, match="the weights"):
        load_model_file(changed_weights(file, tmp_path, change))


KERNEL = "layers/dense/vars/0"


def missing(weights):
    del weights[KERNEL]


def unused(weights):
    weights["layers/dense/vars/more"] = np.zeros(3, np.float32)


def other_shape(weights):
    kernel = weights.pop(KERNEL)
    weights[KERNEL] = np.reshape(kernel[()], (2, 4))


def other_type(weights):
    kernel = weights.pop(KERNEL)
    weights[KERNEL] = kernel[()].astype(np.float64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (missing, f"{KERNEL} is missing"),
        (unused, "layers/dense/vars/more is not used"),
        (other_shape, rf"{KERNEL} is float32 \(2, 4\), expected float32 \(4, 2\)"),
        (other_type, rf"{KERNEL} is float64 \(4, 2\), expected float32 \(4, 2\)"),
    ],
)
def test_the_variables_of_the_model_are_the_arrays_of_the_file(file, tmp_path, change, message):
    with pytest.raises(NotAllowedError, match=f"the weights are not those of its layers: {message}"):
        load_model_file(changed_weights(file, tmp_path, change))


class Remembers(L.Dense):
    """A layer with a variable that it does not save: it stands for options of Keras that add such weights."""

    def build(self, input_shape):
        super().build(input_shape)
        self.extra = self.add_weight(shape=(2,), name="extra")

    def save_own_variables(self, store):
        store["0"], store["1"] = self.kernel, self.bias


def test_a_variable_that_is_in_no_file_is_refused(tmp_path):
    images = keras.Input((4,))
    model = keras.Model(images, Remembers(2, name="dense")(images))
    model.save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(NotAllowed, match="dense/extra is never saved"):
        load_same_variables(model, tmp_path / "a.weights.h5")


def test_a_link_out_of_the_run_folder_is_refused(file, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.keras").symlink_to(file)
    with pytest.raises(tlkit.RunError, match="is a link"):
        load_model_file(tmp_path / "run" / "model.keras")


@pytest.mark.parametrize("content", [b"", b"PK no zip", os.urandom(1000)], ids=["empty", "text", "noise"])
def test_a_file_that_is_not_an_archive_is_named(tmp_path, content):
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(tlkit.RunError, match=r"can't be loaded: .*; the file is damaged, or not a model"):
        load_model_file(tmp_path / "model.keras")


QUICK = ("EfficientNetB0", "EfficientNetV2B0", "MobileNet", "MobileNetV3Small", "ResNet50", "VGG16")
"""These cover every kind of preprocessing; the slow tests cover every application."""


@pytest.mark.parametrize(
    "name",
    [each.name if each.name in QUICK else pytest.param(each.name, marks=pytest.mark.slow) for each in ONE_OF_EACH],
)
def test_every_family_of_keras_can_be_loaded_with_its_preprocessing(tmp_path, registry, name):
    backbone, head = registry.find(Backbone, name), registry.find(Head, "linear")
    network = build_network(
        Selection(backbone, backbone.options(weights="none")),
        Selection(head, head.options()),
        HeadContext("classification", ("a", "b", "c"), 3, (96, 96), seed=0),
    )
    network.model.save(tmp_path / "model.keras")
    again = load_model_file(tmp_path / "model.keras")
    assert len(again.layers) == len(network.model.layers)
    for ours, theirs in zip(again.weights, network.model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    images = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3)).astype("float32")
    np.testing.assert_allclose(again(images), network.model(images), rtol=1e-5, atol=1e-5)
