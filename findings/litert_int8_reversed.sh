#!/bin/sh
# LiteRT in 8 bits: where reversed channels (RGB to BGR by tf.reverse or keras.ops.flip) get a constant added, as in the
# preprocessing of VGG and ResNet, the converter gives the result of REVERSE_V2 a scale that also covers the constant. The
# runtime copies the bytes as they are, so the network sees an image of other brightness and contrast, without an error.
# The same network without the reversal, or with a strided slice for it, is right. Seen with TensorFlow 2.21.0 and
# ai-edge-litert 2.3.0; not reported as far as we know.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "tensorflow==2.21.0" "ai-edge-litert==2.3.0"
cd "$folder"
cat > reversed.py <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

rng = np.random.default_rng(0)
kernel = rng.normal(0, 1, (3, 3, 3, 8)).astype("float32")
offset = np.array([-103.939, -116.779, -123.68], "float32")
examples = rng.integers(0, 256, (20, 1, 16, 16, 3)).astype("float32")
ORDERS = {
    "as they are": lambda images: images,
    "strided slice": lambda images: images[..., ::-1],
    "tf.reverse": lambda images: tf.reverse(images, [-1]),
}


def error(order):
    """Return the error as a share of the deviation, and the scales of the tensor that was reversed."""
    function = tf.function(
        lambda images: tf.nn.conv2d(ORDERS[order](images) + offset, kernel, 1, "VALID"),
        input_signature=[tf.TensorSpec((1, 16, 16, 3))],
        autograph=False,
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: ([each] for each in examples)
    interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], examples[0])
    interpreter.invoke()
    got = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    right = function(examples[0]).numpy()
    scales = [each["quantization"] for each in interpreter.get_tensor_details() if each["name"].startswith("ReverseV2")]
    return float(np.sqrt(np.mean((got - right) ** 2)) / right.std()), [each for each in scales if each[0]]


print("TensorFlow", tf.__version__, "ai-edge-litert", version("ai-edge-litert"))
print("expected: errors of a few hundredths, and reversed numbers with the scale of the images, (1.0, -128)")
found = {order: error(order) for order in ORDERS}
for order, (share, scales) in found.items():
    print(f"seen with channels by {order}: error {share:.3f} of the deviation, reversed numbers {scales}")
sys.exit(0 if found["tf.reverse"][0] > 0.3 > 0.1 > found["as they are"][0] else 1)
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python reversed.py 2> /dev/null
