#!/bin/sh
# A function that takes images as uint8 and converts them to float32 itself is quantized to 8 bits without a word, and LiteRT runs
# it. To 16-bit activations with 8-bit weights the same function can't be converted: the quantizer knows no cast for 16 bits, although the
# cast is not quantized in the 8-bit file either. Taking float32 and adding the cast to the file afterwards gives a file that
# LiteRT runs. Seen with TensorFlow 2.21.0; not reported as far as we know.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "tensorflow==2.21.0" "keras==3.15.1"
cd "$folder"
cat > cast.py <<'PYTHON'
import sys

import keras
import numpy as np
import tensorflow as tf

images = keras.Input((16, 16, 3))
model = keras.Model(images, keras.layers.Conv2D(8, 3)(images))
examples = np.random.default_rng(0).integers(0, 256, (8, 1, 16, 16, 3))
KINDS = {
    "8 bits": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
    "16 bits": tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
}


def outcome(kind, dtype):
    """Return what becomes of a function of images of a type."""
    spec = tf.TensorSpec((1, 16, 16, 3), dtype)
    function = tf.function(
        lambda images: model(tf.cast(images, tf.float32), training=False), input_signature=[spec], autograph=False
    )
    module = tf.Module()
    module.all_variables = [each.value for each in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], module)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [KINDS[kind]]
    converter.representative_dataset = lambda: ([each.astype(dtype.as_numpy_dtype)] for each in examples)
    try:
        converter.convert()
    except Exception as error:
        return str(error).strip().splitlines()[0]
    return "converted"


print("TensorFlow", tf.__version__, "Keras", keras.__version__)
print("expected: converted, four times")
found = {(kind, dtype): outcome(kind, dtype) for kind in KINDS for dtype in (tf.float32, tf.uint8)}
for (kind, dtype), what in found.items():
    print(f"seen with {kind}, {dtype.name}: {what}")
sys.exit(0 if "CAST" in found["16 bits", tf.uint8] and list(found.values()).count("converted") == 3 else 1)
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow venv/bin/python cast.py 2> /dev/null
