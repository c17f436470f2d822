"""int8 for OpenVINO: no sum of two products is beyond the 16 bits in which older processors keep it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from export_context import expected, export_context, pictures
from onnx import numpy_helper
from tlkit_exporters.onnx_export import onnx_model
from tlkit_exporters.openvino_export import write_openvino
from tlkit_exporters.openvino_file import open_openvino

import tlkit

SIZE = (16, 16)
MOST = 32767 / 255
"""The largest sum of two weights of one sign whose products with bytes fit into 16 bits."""


def heavy_network() -> Any:
    """Return a network whose convolutions add many products of one sign, of bright pixels and large weights."""
    images = keras.Input((*SIZE, 3))
    layer = keras.layers.Rescaling(1 / 255)(images)
    for seed, filters in enumerate((8, 16, 7)):
        start = keras.initializers.RandomUniform(0.5, 1.0, seed)
        layer = keras.layers.Conv2D(filters, 3, activation="relu", kernel_initializer=start)(layer)
        layer = keras.layers.DepthwiseConv2D(3, padding="same", depthwise_initializer=start)(layer)
    pooled = keras.layers.GlobalAveragePooling2D()(layer)
    return keras.Model(
        images, keras.layers.Dense(5, kernel_initializer=keras.initializers.RandomNormal(seed=7))(pooled)
    )


def test_two_products_fit_into_16_bits(tmp_path: Path) -> None:
    context = export_context(heavy_network(), tmp_path, quantize="int8", images=pictures(8, SIZE))
    graph = onnx_model(context, signed=True).graph
    kernels = [numpy_helper.to_array(each).astype(int) for each in graph.initializer if len(each.dims) == 4]
    dense = [each for each in kernels if each.shape[1] > 1]
    depthwise = [each for each in kernels if each.shape[1] == 1]
    assert len(dense) == len(depthwise) == 3
    for weights in dense:
        for sign in (1, -1):
            one_sign = np.maximum(sign * weights, 0)
            assert max((one_sign[:, at : at + 2]).sum(axis=1).max() for at in range(0, weights.shape[1], 2)) <= MOST
    assert all(np.abs(weights).max() == 127 for weights in depthwise)


def test_a_file_of_openvino_adds_bright_pixels_without_overflow(tmp_path: Path) -> None:
    model, path = heavy_network(), tmp_path / "model.xml"
    write_openvino(export_context(model, tmp_path, quantize="int8", images=pictures(20, SIZE)), path, tlkit.Options())
    images = pictures(8, SIZE, seed=2)
    answer, right = open_openvino(path, 1).run(images)["logits"], expected(model, images)["logits"]
    assert np.sqrt(np.mean((answer - right) ** 2)) < 0.03 * np.std(right)
