#!/bin/sh
# LiteRT's convolutions have dilation rates, and the converter uses them when a model takes one image at a time. For any number of
# images, which is what a SavedModel of Keras takes, it writes three operations for each dilated convolution: one that cuts the map
# into pieces, a convolution without dilation, and one that joins the pieces, with shapes that are computed at run time. The
# answers are the same; DeepLabV3+ took five times as long. Seen with TensorFlow 2.21.0; not reported as far as we know.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "tensorflow==2.21.0" "keras==3.15.1" "ai-edge-litert==2.3.0"
cd "$folder"
cat > dilated.py <<'PYTHON'
import sys
from importlib.metadata import version

import keras
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
images = keras.Input((32, 32, 3))
layer = keras.layers.Conv2D(8, 3, padding="same", dilation_rate=2)
model = keras.Model(images, layer(images))


def operations(count):
    """Return the operations of the converted model for so many images; None for any number."""
    spec = tf.TensorSpec((count, 32, 32, 3), tf.float32)
    function = tf.function(lambda images: model(images, training=False), input_signature=[spec], autograph=False)
    module = tf.Module()
    module.all_variables = [each.value for each in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], module)
    file = schema.Model.GetRootAs(bytes(converter.convert()), 0)
    graph = file.Subgraphs(0)
    codes = [NAMES[file.OperatorCodes(each).BuiltinCode()] for each in range(file.OperatorCodesLength())]
    return [codes[graph.Operators(each).OpcodeIndex()] for each in range(graph.OperatorsLength())]


one, free = operations(1), operations(None)
print("TensorFlow", tf.__version__, "Keras", keras.__version__, "ai-edge-litert", version("ai-edge-litert"))
print("expected: the same operations for one image and for any number")
print("seen for one:", *one)
print("seen for any number:", *free)
sys.exit(0 if "SPACE_TO_BATCH_ND" in free and "SPACE_TO_BATCH_ND" not in one else 1)
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow venv/bin/python dilated.py 2> /dev/null
