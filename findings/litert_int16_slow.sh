#!/bin/sh
# LiteRT quantized to 16-bit activations and 8-bit weights is what its guide recommends where 8 bits lose too much. On a processor
# LiteRT has only reference kernels for it: XNNPACK takes the float32 and the 8-bit network, and leaves the 16-bit one alone. MobileNetV2 took
# 30 times as long as in float32, and nothing says so. Seen with ai-edge-litert 2.3.0; the guide names no such factor.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "tensorflow==2.21.0" "keras==3.15.1" "ai-edge-litert==2.3.0"
cd "$folder"
cat > speed.py <<'PYTHON'
import sys
import time
from importlib.metadata import version

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

images = layer = keras.Input((96, 96, 3))
for width in (32, 32, 64, 64):
    layer = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(layer)
model = keras.Model(images, layer)
examples = np.random.default_rng(0).uniform(-1, 1, (8, 1, 96, 96, 3)).astype("float32")
KINDS = {
    "float32": None,
    "8 bits": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
    "16 bits": tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
}


def seconds(kind):
    """Return the processor time of an image."""
    spec = tf.TensorSpec((1, 96, 96, 3))
    function = tf.function(lambda images: model(images, training=False), input_signature=[spec], autograph=False)
    module = tf.Module()
    module.all_variables = [each.value for each in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], module)
    if KINDS[kind]:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [KINDS[kind]]
        converter.representative_dataset = lambda: ([each] for each in examples)
    interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
    interpreter.allocate_tensors()
    times = []
    for _ in range(9):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], examples[0])
        start = time.process_time()
        interpreter.invoke()
        times.append(time.process_time() - start)
    return float(np.median(times))


found = {kind: seconds(kind) for kind in KINDS}
print("ai-edge-litert", version("ai-edge-litert"), "TensorFlow", tf.__version__, "Keras", keras.__version__)
print("expected: 16 bits at most a few times slower than 8")
for kind, taken in found.items():
    print(f"seen with {kind}: {taken / found['float32']:.1f} times float32")
sys.exit(0 if found["16 bits"] > 5 * found["float32"] else 1)
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow venv/bin/python speed.py 2> /dev/null
