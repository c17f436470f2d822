"""The four most used backbones, from weights files in Keras's official layout to a model loaded in another process."""

from __future__ import annotations

import json
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest

import tlkit


def write_official(model: keras.Model, path) -> None:
    """Write weights in the layout of Keras's published ``…_notop.h5`` files: one group per layer, in order."""
    with h5py.File(path, "w") as file:
        names = []
        for layer in model.layers:
            group = file.create_group(layer.name)
            weights = [*layer.trainable_weights, *layer.non_trainable_weights]
            keys = [f"{layer.name}/{number}:{weight.name}:0" for number, weight in enumerate(weights)]
            for key, weight in zip(keys, weights, strict=True):
                group.create_dataset(key, data=np.asarray(keras.ops.convert_to_numpy(weight)))
            group.attrs["weight_names"] = [key.encode() for key in keys]
            names.append(layer.name.encode())
        file.attrs["layer_names"] = names


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ResNet50", "VGG16", "Xception", "EfficientNetB0"])
def test_official_weights_train_in_two_phases_and_reload_in_another_process(
    name, class_folders, write_recipe, tmp_path, registry
):
    photos = class_folders({"a": 6, "b": 6, "c": 6}, size=(80, 80))
    published = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(75, 75, 3))
    weights = tmp_path / f"{name.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    write_official(published, weights)
    recipe = write_recipe(
        data={"name": "folder", "path": photos},
        input={"image_size": 75, "batch_size": 4, "validation": 0.34},
        backbone={"name": name, "weights": weights},
        schedule={"name": "two_phase", "head_epochs": 1, "finetune_epochs": 1},
    )
    result = tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)

    images = sorted(photos.rglob("*.png"))[:4]
    here = tlkit.load(result.folder).predict(images)
    code = (
        "import sys, json, tlkit\n"
        "found = tlkit.load(sys.argv[1]).predict(sys.argv[2:])\n"
        "print(json.dumps([list(map(float, p.probabilities.values())) for p in found]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(result.folder), *map(str, images)], capture_output=True, text=True, check=True
    )
    there = keras.ops.convert_to_numpy(json.loads(done.stdout.splitlines()[-1]))
    np.testing.assert_allclose([list(p.probabilities.values()) for p in here], there, atol=1e-5)
