"""The known traps of converters: the gate refuses what each of them writes, and leaves nothing behind.

Each format is given the same network, which ``savedmodel`` exports rightly: its BatchNormalization has statistics that
are not those of a batch, behind a ``Resizing``, and its kernels have channels of very different sizes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trap_exporters
from evaluate_fakes import make_card, save_run_with_data
from PIL import Image
from recipe_text import recipe_text
from tiny_run import COLORS, write_tinted

import tlkit
from tlkit.data.images.decode import fit_image
from tlkit.registry import Registry
from tlkit.runs.exports import Export, read_exports
from tlkit.runs.folder import RunFolder

SIZE = (13, 16)


def network(photos: Path) -> Any:
    """Return a network that knows the classes of photos, with everything that converters are known to get wrong."""
    import keras

    keras.utils.set_random_seed(3)
    images = keras.Input((*SIZE, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(images)
    x = keras.layers.Conv2D(32, 3, padding="same", name="conv")(x)
    x = keras.layers.Resizing(7, 9, name="resize")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Conv2D(1024, 1, activation="relu", name="wide")(x)  # so that weights are most of a file
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(images, keras.layers.Dense(3, name="logits")(x))
    random = np.random.default_rng(0)
    scales = 10.0 ** random.uniform(-3, 1, 32)
    for name, ratio in (("conv", scales), ("depthwise", 1 / scales)):
        layer = model.get_layer(name)
        kernel, *rest = layer.get_weights()
        layer.set_weights([kernel * (ratio if name == "conv" else ratio[None, None, :, None]), *rest])
    bn = model.get_layer("bn")
    gamma, _, _, _ = bn.get_weights()
    bn.set_weights([gamma, scales * random.normal(0, 0.3, 32), scales * random.normal(0, 0.3, 32), gamma])
    files = sorted(photos.rglob("*.png"))
    given = np.stack([fit_image(np.array(Image.open(each)), SIZE, "crop") for each in files]).astype(np.float32)
    features = np.asarray(keras.Model(images, x)(given, training=False))
    wanted = 6.0 * np.eye(3)[[sorted(COLORS).index(each.parent.name) for each in files]] - 2.0
    means = features.mean(0)
    kernel = np.linalg.lstsq(features - means, wanted - wanted.mean(0), rcond=1e-4)[0]
    model.get_layer("logits").set_weights([kernel, wanted.mean(0) - means @ kernel])
    return model


@pytest.fixture(scope="module")
def formats() -> Registry:
    return tlkit.plugins(trap_exporters.FILE)


@pytest.fixture
def run(tmp_path: Path, registry: Registry) -> Path:
    photos = write_tinted(tmp_path / "photos", 20)
    text = recipe_text(
        data={"name": "folder", "path": photos},
        input={"image_size": list(SIZE), "batch_size": 4, "validation": 0.5},
    )
    card = make_card(image_size=SIZE, resize="crop", classes=tuple(sorted(COLORS)))
    return save_run_with_data(tmp_path / "run", network(photos), card, text, registry).path


def refused(run: Path, formats: Registry, name: str, **asked: Any) -> Export:
    """Export a run, see that it is refused and that nothing is left, and return what was found."""
    with pytest.raises(tlkit.RunError, match="refused, and nothing was left behind"):
        tlkit.export(run, format=name, registry=formats, **asked)
    assert not (run / "exports").exists()
    assert not list(run.parent.glob(".tlkit-export-*"))
    [row] = read_exports(RunFolder(run))
    assert not row.passed
    return row


def test_the_network_itself_can_be_exported(run, formats):
    [row] = tlkit.export(run, format="savedmodel", registry=formats).exports
    assert row.passed
    assert row.agreement == 1.0
    assert row.metric_keras == 1.0


def test_a_resizing_that_leaks_training_mode_is_refused(run, formats):
    row = refused(run, formats, "leaking")
    assert row.largest_difference is not None
    assert row.largest_difference > 0.01


def test_openvino_in_float16_is_refused_as_float32(run, formats):
    row = refused(run, formats, "float16-openvino")
    assert row.precision == "float32", "what the runtime computes in says nothing about what the file holds"


def test_int8_with_one_scale_for_all_channels_is_refused(run, formats):
    row = refused(run, formats, "per-tensor", quantize="int8")
    assert "of its classes are the same; expected at least 97%" in row.reason


def test_a_litert_file_without_weights_is_refused(run, formats):
    row = refused(run, formats, "without-weights")
    assert row.reason
