#!/bin/sh
# Keras 3 calls a grouped convolution (ConvNeXt's depthwise ones) through a function of its own that is to be compiled by XLA.
# TensorFlow does not inline such calls when it freezes a graph, and tf2onnx writes the call as an operation that ONNX does not
# have: no exception, only a line in the log, and a file that no runtime opens. Without the attributes _XlaMustCompile and
# _noinline of the calls it is converted. Seen with Keras 3.15.1, TensorFlow 2.21.0 and tf2onnx 1.17.0; not reported as far as
# we know.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "tensorflow==2.21.0" "tf2onnx==1.17.0" "onnx==1.23.2" "onnxruntime==1.32.0"
cd "$folder"
cat > grouped.py <<'PYTHON'
import sys

import keras
import onnxruntime
import tensorflow as tf
import tf2onnx

images = keras.Input((8, 8, 4))
model = keras.Model(images, keras.layers.Conv2D(4, 3, groups=4)(images))
spec = (tf.TensorSpec((None, 8, 8, 4), tf.float32),)
print("TensorFlow", tf.__version__, "Keras", keras.__version__, "tf2onnx", tf2onnx.__version__)
print("expected: Conv, and a session that opens, or an error of the converter")
converted, _ = tf2onnx.convert.from_keras(model, spec, opset=18)
kinds = sorted({node.op_type for node in converted.graph.node})
print("seen:", kinds)
try:
    onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    print("seen: the session opens")
except Exception as error:
    print("seen:", str(error).strip().splitlines()[0][:150])
sys.exit(0 if "StatefulPartitionedCall" in kinds else 1)
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow venv/bin/python grouped.py 2> /dev/null
