"""Model files that were made to do harm: each is refused with its name, and has no effect."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import tempfile
import zipfile

import h5py
import keras
import numpy as np
import pytest

import tlkit
from tlkit.contracts import Backbone, Head, HeadContext
from tlkit.models import safe_config, safe_load
from tlkit.models.assemble import build_network
from tlkit.models.families import APPLICATIONS
from tlkit.models.fold import fold_batch_norm
from tlkit.models.safe_load import NotAllowedError, load_model_file
from tlkit.recipe.schema import Selection
from tlkit.system.disk import FullDiskError

L = keras.layers
traces = []
ONE_OF_EACH = list({each.family: each for each in reversed(APPLICATIONS)}.values())


def gadget(x):
    """Stand in for a function that a plugin registered."""
    traces.append("gadget")
    return x


@pytest.fixture
def registered():
    """Register the gadget as a plugin would; returns its name."""
    name = "evil>gadget"
    keras.saving.get_custom_objects()[name] = gadget
    traces.clear()
    yield name
    del keras.saving.get_custom_objects()[name]


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
    fold_batch_norm(model)
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


LAMBDA = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}
DATASET = {"module": "keras.datasets.mnist", "class_name": "function", "config": "load_data", "registered_name": "x"}
GADGET = {"module": "builtins", "class_name": "function", "config": "evil>gadget", "registered_name": "function"}
CHANGES = {
    "a lambda": set_class("act", "keras.layers", "Lambda", function=LAMBDA, trainable=True),
    "a function of keras as a lambda's": set_class("act", "keras.layers", "Lambda", function=DATASET),
    "a registered layer": set_class("act", "evil", "Gadget", "evil>gadget"),
    "a registered name on a layer of Keras": set_class(
        "act", "keras.layers", "Activation", "evil>gadget", activation="relu"
    ),
    "a registered function as activation": set_config("act", activation="evil>gadget"),
    "a function object as activation": set_config("act", activation=GADGET),
    "a registered function as regularizer": set_config("conv", kernel_regularizer="evil>gadget"),
    "a registered function as constraint": set_config("conv", kernel_constraint="evil>gadget"),
    "a registered dtype": set_config("conv", dtype="evil>gadget"),
    "a saved model of TensorFlow": set_class("act", "keras.layers", "TFSMLayer", filepath="/tmp", call_endpoint="x"),
    "another module": set_class("act", "os", "system", command="true"),
    "a tensor of bytes": set_config("act", activation={"__bytes__": "x"}),
    "a wide layer": set_config("dense", units=2_000_000_000),
    "a wider layer": set_config("dense", units=2**40),
    "a wide layer without an initializer": lambda found: [
        layer(found, "dense")["config"].update(units=10**6),
        layer(found, "dense")["config"].pop("kernel_initializer"),
    ][:0],
    "infinite units": set_config("dense", units=float("inf")),
    "an output that fills the memory": set_class(
        "act", "keras.layers", "ZeroPadding2D", padding=[[100_000, 100_000], [100_000, 100_000]]
    ),
    "too deep": lambda found: set_config("act", activation=json.loads("[" * 200 + "]" * 200))(found),
    "not a model": lambda _found: {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}},
    "not an object": lambda _found: b"[]",
    "not JSON": lambda _found: b"{",
    "deep JSON": lambda _found: b"[" * 100_000,
}


@pytest.mark.parametrize("kind", sorted(CHANGES))
def test_a_forbidden_configuration_is_refused(file, registered, kind):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(tlkit.RunError, match=r"model\.keras: (not loaded|can't be loaded)"):
        load_model_file(rewritten(file, CHANGES[kind]))
    assert traces == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def refused(model, folder, message):
    """Save a model and check that loading it is refused before it takes memory."""
    model.save(folder / "model.keras")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotAllowedError, match=message):
        load_model_file(folder / "model.keras")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_nested_model_without_sizes_is_refused(tmp_path):
    """It would be measured on an image of one pixel and called on larger ones."""
    images, any_size = keras.Input((16, 16, 3)), keras.Input((None, None, 3))
    inner = keras.Model(any_size, L.UpSampling2D(800)(any_size), name="inner")
    refused(keras.Model(images, L.GlobalAveragePooling2D()(inner(images))), tmp_path, "whose size is not known")


def test_a_nested_model_of_one_size_is_loaded(tmp_path):
    images, same = keras.Input((16, 16, 3)), keras.Input((16, 16, 3))
    inner = keras.Model(same, L.Conv2D(2, 3)(same), name="inner")
    keras.Model(images, L.GlobalAveragePooling2D()(inner(images))).save(tmp_path / "model.keras")
    assert [each.name for each in load_model_file(tmp_path / "model.keras").layers][1] == "inner"


def test_every_call_of_a_shared_layer_is_measured(tmp_path):
    images, larger = keras.Input((16, 16, 3)), L.UpSampling2D(40)
    refused(keras.Model(images, L.GlobalAveragePooling2D()(larger(larger(images)))), tmp_path, "outputs 1966080000")


def test_an_operation_that_is_not_a_layer_is_measured(tmp_path):
    images = keras.Input((16, 16, 3))
    long = L.Flatten()(L.UpSampling2D(8)(images))
    square = L.Reshape((-1, 1))(long) + L.Reshape((1, -1))(long)
    refused(keras.Model(images, L.GlobalAveragePooling2D()(L.Reshape((49152, 49152, 1))(square))), tmp_path, "outputs")


def test_inputs_that_fill_the_memory_together_are_refused(tmp_path):
    images = keras.Input((16, 16, 3))
    many = [L.UpSampling2D(160)(images) for _ in range(20)]
    refused(keras.Model(images, L.GlobalAveragePooling2D()(L.Add()(many))), tmp_path, "takes 393216000 numbers")


@pytest.mark.parametrize("value", [None, 0.5])
def test_a_normalization_makes_no_more_values_than_the_file_has(tmp_path, value):
    images = keras.Input((8, 8, 3))
    x = L.Normalization(mean=0.5, variance=1.0, name="norm")(L.Activation("relu", name="act")(images))
    keras.Model(images, L.GlobalAveragePooling2D()(x)).save(tmp_path / "model.keras")

    def widen(config):
        set_class("act", "keras.layers", "UpSampling2D", size=[500, 500], interpolation="nearest")(config)
        layer(config, "norm")["config"].update(axis=[1, 2, 3], mean=value, variance=value)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotAllowedError, match="needs 48000000 weights, more than the file has"):
        load_model_file(rewritten(tmp_path / "model.keras", widen))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


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


def test_layer_scales_make_no_more_values_than_the_file_has(file):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotAllowedError, match="needs 65536 weights, more than the file has"):
        load_model_file(rewritten(file, lambda config: scales(config, 3000, 65536)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_layers_of_every_module_are_counted(file, monkeypatch):
    monkeypatch.setattr(safe_config, "MAX_OBJECTS", 50)
    load_model_file(file)
    with pytest.raises(NotAllowedError, match="more than 50 layers and other objects"):
        load_model_file(rewritten(file, lambda config: scales(config, 50, 1)))


def test_a_full_disk_is_not_reported_as_a_damaged_model(file, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(FullDiskError, match=r"is full \(.* [kMG]B free\)\. Make room, or .* with TMPDIR") as caught:
        load_model_file(file)
    assert tempfile.gettempdir() in str(caught.value)
    assert caught.value.exit_code == 74


def test_an_initializer_is_not_run_whatever_it_names(file, registered):
    rewritten(file, set_config("dense", kernel_initializer="evil>gadget", bias_initializer=GADGET))
    load_model_file(file)
    assert traces == []


@pytest.mark.parametrize(
    "name", ["../evil.py", "/tmp/evil.py", "assets/evil.pkl", "model.weights.npz", "config.json/../x"], ids=str
)
def test_unexpected_archive_entries_are_refused(file, tmp_path, name):
    with pytest.raises(tlkit.RunError, match="expected the entries"):
        load_model_file(rewritten(file, entries={name: b"evil"}))
    assert {each.name for each in tmp_path.iterdir()} == {"model.keras"}


def test_a_zip_bomb_is_refused_before_it_is_unpacked(file):
    rewritten(file, weights=bytes(300_000_000), compression=zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(tlkit.RunError, match="is compressed"):
        load_model_file(file)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_huge_configuration_is_refused_before_it_is_read(file, monkeypatch):
    monkeypatch.setitem(safe_load._ENTRIES, "config.json", 1000)
    with pytest.raises(tlkit.RunError, match=r"config\.json has \d+ bytes; expected at most 1000"):
        load_model_file(file)


def test_a_keras_name_that_a_plugin_registered_is_refused(file):
    class Dense(L.Dense):
        def __init__(self, *arguments, **options):
            traces.append("Dense")
            super().__init__(*arguments, **options)

    traces.clear()
    keras.saving.get_custom_objects()["Dense"] = Dense
    try:
        with pytest.raises(tlkit.RunError, match="has a Dense, and a plugin registered something of its own"):
            load_model_file(file)
    finally:
        del keras.saving.get_custom_objects()["Dense"]
    assert traces == []


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
    weights["layers/stolen"] = h5py.ExternalLink("/etc/passwd", "/")


def soft_link(weights):
    weights["layers/again"] = h5py.SoftLink("/layers")


def objects(weights):
    weights.create_dataset("layers/text", data=["pickle"], dtype=h5py.string_dtype())


def external_storage(weights):
    weights.create_dataset("layers/raw", (100,), "uint8", external=[("/etc/passwd", 0, 100)])


def a_claim_without_bytes(weights):
    weights.create_dataset("layers/empty", (10**6, 10**6), "float32", chunks=(1000, 1000))


def virtual(weights):
    layout = h5py.VirtualLayout((10,), "float32")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(10,))
    weights.create_virtual_dataset("layers/virtual", layout)


@pytest.mark.parametrize(
    "change", [external_link, soft_link, objects, external_storage, a_claim_without_bytes, virtual]
)
def test_weights_are_plain_arrays_inside_the_file(file, tmp_path, change):
    with pytest.raises(tlkit.RunError, match="the weights"):
        load_model_file(changed_weights(file, tmp_path, change))


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
