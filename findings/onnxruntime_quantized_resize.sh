#!/bin/sh
# A Resize between quantized convolutions whose sizes are given for two axes: the checker of ONNX accepts the file, and ONNX
# Runtime opens it at every level of optimization but the highest, which is the default, because it transposes the convolutions
# and loses the sizes. The same graph in single precision opens. Scales in place of sizes avoid it. Seen with onnxruntime
# 1.32.0; not reported as far as we know.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "onnx==1.23.2" "onnxruntime==1.32.0"
cd "$folder"
cat > resize.py <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

values = {"kernel": np.ones((4, 4, 1, 1), "float32"), "sizes": np.array([8, 8])}
nodes = [
    helper.make_node("Conv", ["x", "kernel"], ["a"]),
    helper.make_node("Resize", ["a", "", "", "sizes"], ["b"], axes=[2, 3], mode="linear"),
    helper.make_node("Conv", ["b", "kernel"], ["y"]),
]
graph = helper.make_graph(
    nodes,
    "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4, 4, 4])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4, 8, 8])],
    [numpy_helper.from_array(each, name) for name, each in values.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, "float.onnx")


class Reader:
    def __init__(self):
        self.images = iter([{"x": np.ones((1, 4, 4, 4), "float32")}])

    def get_next(self):
        return next(self.images, None)


quantize_static("float.onnx", "int8.onnx", Reader(), quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8)


def opens(path, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return str(error)[:150]
    return "opens"


levels = onnxruntime.GraphOptimizationLevel
print("onnxruntime", onnxruntime.__version__)
print("expected: both files open at every level")
seen = {}
for path in ("float.onnx", "int8.onnx"):
    for level in (levels.ORT_ENABLE_EXTENDED, levels.ORT_ENABLE_ALL):
        seen[path, level] = opens(path, level)
        print(f"seen: {path} at {level.name}: {seen[path, level]}")
sys.exit(0 if "sizes" in seen["int8.onnx", levels.ORT_ENABLE_ALL] else 1)
PYTHON
venv/bin/python resize.py 2> /dev/null
