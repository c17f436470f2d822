#!/bin/sh
# quant_pre_process of onnxruntime accepts a path or a model in memory. A model in memory comes back with its constants moved to
# a file of a temporary folder that is gone, even those that the shapes need, so preparing it fails, and the caller's model is
# no longer usable either. Seen with onnxruntime 1.32.0 and onnx 1.23.2; not reported as far as we know.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "onnx==1.23.2" "onnxruntime==1.32.0" sympy
cd "$folder"
cat > prepare.py <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.shape_inference import quant_pre_process

axes = numpy_helper.from_array(np.array([1]), "axes")
graph = helper.make_graph(
    [helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=0)],
    "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])],
    [axes],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
onnx.save(model, "model.onnx")
quant_pre_process("model.onnx", "prepared.onnx", skip_symbolic_shape=True)
print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
print("expected: a model in memory is prepared as its file is, and does not change")
before = model.SerializeToString()
try:
    quant_pre_process(model, "prepared.onnx", skip_symbolic_shape=True)
    seen = "prepared"
except Exception as error:
    seen = f"{type(error).__name__}: {str(error).strip().splitlines()[-1][:150]}"
changed = model.SerializeToString() != before
print("seen:", seen)
print("seen: the model", "was changed" if changed else "is as it was")
print("seen: where its constant is now:", [f"{each.key}={each.value}" for each in model.graph.initializer[0].external_data])
sys.exit(0 if changed else 1)
PYTHON
venv/bin/python prepare.py 2> /dev/null
