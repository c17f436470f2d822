#!/bin/sh
# LiteRT's schema says that the bytes of each constant are aligned to 16 (force_align). In the files of TensorFlow's converter they are
# at multiples of 4: the last thing that it does is to add metadata, by the Python classes that are generated from the schema, and these
# ignore force_align. LiteRT runs the files all the same. Seen with TensorFlow 2.21.0; not reported as far as we know.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "tensorflow==2.21.0" "ai-edge-litert==2.3.0"
cd "$folder"
cat > aligned.py <<'PYTHON'
import sys
from importlib.metadata import version

import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

weights = [tf.random.stateless_normal((3, 3, 3 + place, 4 + place), [0, place]) for place in range(6)]


@tf.function(input_signature=[tf.TensorSpec((1, 32, 32, 3))], autograph=False)
def network(images):
    for each in weights:
        images = tf.nn.conv2d(images, each, 1, "SAME")
    return images


converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()], network)
model = schema.Model.GetRootAs(bytes(converter.convert()), 0)
tables = [model.Buffers(place)._tab for place in range(model.BuffersLength()) if model.Buffers(place).DataLength() > 16]
places = [table.Vector(table.Offset(4)) for table in tables]
off = sum(place % 16 > 0 for place in places)
print("TensorFlow", tf.__version__, "ai-edge-litert", version("ai-edge-litert"))
print(f"expected: 0 of {len(places)} constants beside a multiple of 16 bytes")
print(f"seen: {off} of {len(places)}")
sys.exit(0 if off else 1)
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python aligned.py 2> /dev/null
