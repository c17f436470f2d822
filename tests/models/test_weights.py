"""Loading weights into the flat graph: from published files, the user's files and earlier runs."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import keras
import numpy as np
import pytest
from keras import applications
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from tlkit import Backbone, BackboneContext, DataError, PretrainedFile
from tlkit.models import plugin, weights

# Keras 3.15 converts TensorFlow's variables in a way that NumPy 2 will drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

RECORDS = {record.name: record for record in plugin.tlkit_backbones()}


def build(name: str, size: int = 32, **options: Any) -> tuple[Any, Backbone, Any]:
    record = RECORDS[name]
    chosen = record.options(**options)
    images = keras.Input((size, size, 3), name="images")
    built = record.build(images, BackboneContext((size, size), 0), chosen)
    return keras.Model(images, built.features[max(built.features)]), record, chosen


def loaded(name: str, size: int = 32, **options: Any) -> Any:
    model, record, chosen = build(name, size, **options)
    assert weights.load_backbone_weights(model, record, chosen)
    return model


def pixels(size: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (2, size, size, 3)).astype("float32")


def randomize(model: Any) -> None:
    """Randomize biases and BatchNorm, so that a missing or swapped tensor shows; kernels are random already."""
    rng = np.random.default_rng(1)
    for variable in model.weights:
        if len(variable.shape) > 1:
            continue
        value = rng.normal(0, 0.05, variable.shape)
        if any(word in variable.name for word in ("variance", "gamma")):
            value = np.abs(value) + 0.9
        variable.assign(value.astype(variable.dtype))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    # The statistics of real activations, so that the features of two images differ.
    model(rng.uniform(-1, 1, (8, *model.input_shape[1:])).astype("float32"), training=True)


def write_legacy(model: Any, path: Path) -> Path:
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)
    return path


def features(model: Any, images: np.ndarray) -> np.ndarray:
    outputs = np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-3 * np.abs(outputs).max()
    return outputs


@pytest.mark.parametrize(
    ("name", "size", "module"),
    [
        ("ResNet50", 64, applications.resnet50),
        ("VGG16", 32, applications.vgg16),
        ("Xception", 75, applications.xception),
        ("MobileNetV2", 32, applications.mobilenet_v2),
        ("DenseNet121", 32, applications.densenet),
        ("ConvNeXtTiny", 32, applications.convnext),
    ],
)
@pytest.mark.parametrize("layout", ["legacy", "keras3"])
def test_a_keras_file_gives_the_features_of_the_keras_model(
    name: str, size: int, module: Any, layout: str, tmp_path: Path
) -> None:
    theirs = getattr(applications, name)(include_top=False, weights=None, input_shape=(size, size, 3))
    randomize(theirs)
    if layout == "legacy":
        path = write_legacy(theirs, tmp_path / "weights.h5")
    else:
        path = tmp_path / "own.weights.h5"
        theirs.save_weights(path)
    ours = loaded(name, size, weights=str(path))
    expected = features(theirs, module.preprocess_input(pixels(size)))
    np.testing.assert_allclose(features(ours, pixels(size)), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def efficientnet(mean: Any, variance: Any) -> Any:
    """Return Keras's EfficientNetB0 without its second rescaling, with random weights and a given Normalization."""
    model = applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    randomize(model)
    layer = next(each for each in model.layers if isinstance(each, keras.layers.Normalization))
    layer.adapt_mean.assign(mean)
    layer.adapt_variance.assign(variance)
    layer.finalize_state()
    return model


@pytest.mark.parametrize(
    ("mean", "variance"),
    [
        ((0, 0, 0), (1, 1, 1)),
        ((0.485, 0.456, 0.406), (0.229**2, 0.224**2, 0.225**2)),
    ],
)
@pytest.mark.parametrize("layout", ["legacy", "keras3"])
def test_efficientnet_with_other_numbers_than_the_published_is_loaded_as_it_is(
    tmp_path: Path, layout: str, mean: Any, variance: Any
) -> None:
    keras.utils.set_random_seed(0)
    theirs = efficientnet(mean, variance)
    path = tmp_path / "own.weights.h5"
    theirs.save_weights(path) if layout == "keras3" else write_legacy(theirs, path)
    expected = features(theirs, pixels(32))
    ours = features(loaded("EfficientNetB0", weights=str(path)), pixels(32))
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_a_published_efficientnet_in_half_precision_is_rescaled_as_well(tmp_path: Path) -> None:
    half = efficientnet(*np.array([(0.485, 0.456, 0.406), (0.229, 0.224, 0.225)], np.float16))
    model = loaded("EfficientNetB0", weights=str(write_legacy(half, tmp_path / "half.h5")))
    layer = next(each for each in model.layers if isinstance(each, keras.layers.Normalization))
    np.testing.assert_allclose(np.ravel(layer.variance), np.square((0.229, 0.224, 0.225)), rtol=4e-3)


def test_efficientnet_computes_what_keras_computes_with_its_imagenet_graph(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)  # some random kernels amplify float32 rounding beyond the tolerance
    template = efficientnet((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    path = write_legacy(template, tmp_path / "efficientnetb0_notop.h5")
    with mock.patch("keras.src.utils.file_utils.get_file", return_value=str(path)):
        theirs = applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(32, 32, 3))
    ours = loaded("EfficientNetB0", weights=str(path))
    expected = features(theirs, pixels(32))
    assert not np.allclose(features(template, pixels(32)), expected, rtol=1e-2)
    np.testing.assert_allclose(features(ours, pixels(32)), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())

    ours.save(tmp_path / "saved.keras")
    again = keras.saving.load_model(tmp_path / "saved.keras", compile=False)
    np.testing.assert_array_equal(features(again, pixels(32)), features(ours, pixels(32)))


def test_random_weights_are_not_called_pretrained() -> None:
    model, record, options = build("small_encoder")
    assert options.weights == "none"
    assert not weights.load_backbone_weights(model, record, options)


# What does not fit ------------------------------------------------------------------------------------------------


def test_a_file_of_another_width_names_tensors_and_both_shapes(tmp_path: Path) -> None:
    other = applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.5)
    legacy = write_legacy(other, tmp_path / "other.h5")
    other.save_weights(tmp_path / "other.weights.h5")
    for path in (legacy, tmp_path / "other.weights.h5"):
        with pytest.raises(DataError) as caught:
            loaded("MobileNetV2", weights=str(path), alpha=1.0)
        message = str(caught.value)
        assert str(path) in message
        assert "Conv1/kernel" in message
        assert "expected shape (3, 3, 3, 32)" in message
        assert "(3, 3, 3, 16)" in message
        assert "more" in message.splitlines()[-1]
        assert len(message.splitlines()) == 10


def test_a_file_with_the_top_names_the_unexpected_tensors(tmp_path: Path) -> None:
    whole = applications.MobileNet(include_top=True, weights=None, alpha=0.25)
    legacy = write_legacy(whole, tmp_path / "whole.h5")
    whole.save_weights(tmp_path / "whole.weights.h5")
    for path in (legacy, tmp_path / "whole.weights.h5"):
        with pytest.raises(DataError, match=r"without its top[\s\S]*unexpected, shape \(1, 1, 256, 1000\)"):
            loaded("MobileNet", weights=str(path), alpha=0.25)


def test_a_file_with_too_few_tensors_names_the_missing_ones(tmp_path: Path) -> None:
    shallow, _, _ = build("small_encoder", filters=(4,))
    legacy = write_legacy(shallow, tmp_path / "shallow.h5")
    shallow.save_weights(tmp_path / "shallow.weights.h5")
    for path in (legacy, tmp_path / "shallow.weights.h5"):
        with pytest.raises(DataError, match=r"block2_conv1/kernel: missing"):
            loaded("small_encoder", filters=(4, 8), weights=str(path))


def test_a_missing_path_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file or folder: .*nowhere\.h5; expected \"imagenet\""):
        loaded("small_encoder", weights=str(tmp_path / "nowhere.h5"))


def test_a_file_that_is_not_hdf5_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.h5").write_text("<html>404</html>", encoding="utf-8")
    with pytest.raises(DataError, match=r"page\.h5: not an HDF5 file"):
        loaded("small_encoder", weights=str(tmp_path / "page.h5"))


@pytest.mark.parametrize("name", ["own.weights.h5", "own.h5"])
def test_a_truncated_file_is_named(tmp_path: Path, name: str) -> None:
    model, _, _ = build("small_encoder")
    file = tmp_path / name
    if name == "own.h5":
        write_legacy(model, file)
    else:
        model.save_weights(file)
    file.write_bytes(file.read_bytes()[:-3000])
    with pytest.raises(DataError, match=rf"backbone\.weights: .*{re.escape(name)}: can't be read: .*truncated"):
        loaded("small_encoder", weights=str(file))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no device of that name here")
def test_a_device_is_not_a_weights_file() -> None:
    with pytest.raises(DataError, match=r"is neither a file nor a folder: /dev/zero"):
        loaded("small_encoder", weights="/dev/zero")


@pytest.mark.parametrize("kind", ["link", "external", "virtual"])
def test_weights_stored_in_another_file_are_not_read(tmp_path: Path, kind: str) -> None:
    model, _, _ = build("small_encoder")
    file = write_legacy(model, tmp_path / "own.h5")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["kernel"] = np.ones(9, np.float32)
    with h5py.File(file, "r+") as changed:
        if kind == "link":
            changed["more"] = h5py.ExternalLink("other.h5", "kernel")
        elif kind == "external":
            changed.create_dataset("more", (4,), "float32", external=[(str(tmp_path / "other.h5"), 0, 16)])
        else:
            layout = h5py.VirtualLayout((9,), "float32")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "kernel", shape=(9,))
            changed.create_virtual_dataset("more", layout)
    with pytest.raises(
        DataError, match=r"own\.h5: not loaded: the weights' /more (is a link|is stored in another file)"
    ):
        loaded("small_encoder", weights=str(file))


def test_a_keras_3_file_with_another_extension_must_be_renamed(tmp_path: Path) -> None:
    model, _, _ = build("small_encoder")
    model.save_weights(tmp_path / "own.weights.h5")
    (tmp_path / "own.weights.h5").rename(tmp_path / "own.h5")
    with pytest.raises(DataError, match=r"rename it"):
        loaded("small_encoder", weights=str(tmp_path / "own.h5"))


# An earlier run ---------------------------------------------------------------------------------------------------


def test_the_backbone_of_an_earlier_run_is_loaded_by_layer_name(tmp_path: Path) -> None:
    trained, _, _ = build("small_encoder")
    randomize(trained)
    pooled = keras.layers.GlobalAveragePooling2D(name="head_pooling")(trained.output)
    logits = keras.layers.Dense(7, name="head_logits")(pooled)
    keras.Model(trained.input, logits).save(tmp_path / "model.keras")
    ours = loaded("small_encoder", weights=str(tmp_path))
    np.testing.assert_allclose(features(ours, pixels(32)), features(trained, pixels(32)), rtol=1e-5)


def test_a_run_with_another_backbone_says_which_layers_differ(tmp_path: Path) -> None:
    build("small_encoder", filters=(4, 8))[0].save(tmp_path / "model.keras")
    with pytest.raises(DataError, match=r"block1_conv1: expected \[\(3, 3, 3, 16\)\], received \[\(3, 3, 3, 4\)\]"):
        loaded("small_encoder", weights=str(tmp_path))


def test_a_folder_that_is_not_a_run_and_a_damaged_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no model\.keras"):
        loaded("small_encoder", weights=str(tmp_path))
    (tmp_path / "model.keras").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=r"model\.keras: can't be loaded"):
        loaded("small_encoder", weights=str(tmp_path))


# ImageNet ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "file_name", "digest"),
    [
        ("VGG16", {}, "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", "md5:"),
        ("ResNet50", {}, "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", "md5:"),
        ("Xception", {}, "xception_weights_tf_dim_ordering_tf_kernels_notop.h5", "md5:"),
        ("EfficientNetB0", {}, "efficientnetb0_notop.h5", "md5:"),
        ("ConvNeXtTiny", {}, "convnext_tiny_notop.h5", "sha256:"),
        (
            "MobileNetV2",
            {"alpha": 0.35, "weights_size": 96},
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5",
            None,
        ),
        ("MobileNet", {"alpha": 0.25, "weights_size": 128}, "mobilenet_2_5_128_tf_no_top.h5", None),
    ],
)
def test_the_published_file_is_the_one_that_keras_would_download(
    name: str, options: dict[str, Any], file_name: str, digest: str | None
) -> None:
    record = RECORDS[name]
    assert record.pretrained is not None
    file = record.pretrained(record.options(**options))
    assert file.url.startswith("https://")
    assert file.url.endswith(file_name) or name in ("EfficientNetB0",)
    assert file.file_name == file_name
    assert file.digest is None if digest is None else str(file.digest).startswith(digest)


def test_a_variant_without_published_weights_says_so() -> None:
    record = RECORDS["MobileNetV3Small"]
    assert record.pretrained is not None
    with pytest.raises(DataError, match=r"MobileNetV3Small has no ImageNet weights for .*0\.75"):
        record.pretrained(record.options(alpha=0.75, minimalistic=True))


def test_a_backbone_without_published_weights_says_so() -> None:
    with pytest.raises(DataError, match=r'"small_encoder" has no published weights'):
        loaded("small_encoder", weights="imagenet")


def test_a_failed_download_names_url_file_and_recipe_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str, folder: Path, file_name: str, digest: str | None, *, what: str) -> Path:
        raise DataError(f"{what}: {url} is not available ({digest}); put it at {folder / file_name}")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "download", fail)
    with pytest.raises(DataError) as caught:
        loaded("VGG16", weights="imagenet")
    message = str(caught.value)
    assert "https://storage.googleapis.com" in message
    assert str(tmp_path / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5") in message
    assert "backbone.weights" in message


def test_a_published_file_in_keras_home_is_used_and_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.35)
    randomize(theirs)
    record = RECORDS["MobileNetV2"]
    assert record.pretrained is not None
    file = record.pretrained(record.options(alpha=0.35))
    (tmp_path / "models").mkdir()
    write_legacy(theirs, tmp_path / "models" / file.file_name)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    ours = loaded("MobileNetV2", alpha=0.35, weights="imagenet")
    expected = features(theirs, applications.mobilenet_v2.preprocess_input(pixels(32)))
    np.testing.assert_allclose(features(ours, pixels(32)), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_a_file_in_keras_home_with_the_right_digest_is_not_downloaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    cached = tmp_path / "models" / "w.h5"
    cached.write_bytes(b"weights")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    digest = f"md5:{hashlib.md5(b'weights').hexdigest()}"
    file = PretrainedFile("http://127.0.0.1:1/w.h5", "w.h5", digest)
    assert weights.published_file(file, "mine") == cached


# Real weights -----------------------------------------------------------------------------------------------------


@pytest.fixture
def real_data() -> Path:
    folder = os.environ.get("TLKIT_TEST_DATA")
    if not folder:
        pytest.skip("TLKIT_TEST_DATA is not set")
    return Path(folder)


@pytest.mark.real_data
@pytest.mark.parametrize("source", ["imagenet", "mobilenet_v2_0.35_224_no_top.weights.h5"])
def test_real_mobilenet_v2_gives_the_features_of_keras(
    source: str, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(real_data / "keras_home"))
    official = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    theirs = applications.MobileNetV2(
        alpha=0.35,
        weights=str(real_data / "keras_home" / "models" / official),
        include_top=False,
        input_shape=(224, 224, 3),
    )
    path = source if source == "imagenet" else str(real_data / "weights" / source)
    ours = loaded("MobileNetV2", 224, alpha=0.35, weights=path)
    expected = features(theirs, applications.mobilenet_v2.preprocess_input(pixels(224)))
    np.testing.assert_allclose(features(ours, pixels(224)), expected, rtol=1e-3, atol=1e-4)
