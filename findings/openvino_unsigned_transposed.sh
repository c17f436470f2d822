#!/bin/sh
# A quantized transposed convolution (ConvTranspose after DequantizeLinear) whose weights are unsigned, as the format allows:
# OpenVINO computes other numbers than ONNX Runtime, by more than the largest of them, without an error. With signed weights
# both agree. Seen with OpenVINO 2026.4.1 on a processor with AVX-512; not reported as far as we know.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "onnx==1.23.2" "onnxruntime==1.32.0" "openvino==2026.4.1"
cd "$folder"
cat > transposed.py <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(0)
print("onnxruntime", onnxruntime.__version__, "OpenVINO", openvino.__version__)
print("expected: differences below 1e-4 from ONNX Runtime")
differences = {}
for kind, zero in ((np.int8, 0), (np.uint8, 128)):
    weights = (rng.integers(-100, 100, (4, 6, 2, 2)) + zero).astype(kind)
    values = {
        "w": weights,
        "ws": np.full(6, 0.01, "float32"),
        "wz": np.full(6, zero, kind),
        "s": np.array(0.02, "float32"),
        "z": np.array(0, np.uint8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=1),
        helper.make_node("ConvTranspose", ["xd", "wd"], ["y"], strides=[2, 2]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 5, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6, 10, 10])],
        [numpy_helper.from_array(each, name) for name, each in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, "t.onnx")
    x = rng.uniform(0, 5, (1, 4, 5, 5)).astype("float32")
    right = onnxruntime.InferenceSession("t.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    got = openvino.Core().compile_model("t.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(x)[0]
    differences[kind.__name__] = float(np.abs(got - right).max())
    print(f"seen: {kind.__name__} weights: largest value {np.abs(right).max():.1f}, off by {differences[kind.__name__]:.2g}")
sys.exit(0 if differences["uint8"] > 1 > differences["int8"] else 1)
PYTHON
venv/bin/python transposed.py 2> /dev/null
