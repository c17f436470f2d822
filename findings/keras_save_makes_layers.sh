#!/bin/sh
# When Keras saves or loads a model, it makes a plain Layer object for each layer of the model, to learn which attributes every
# layer has. The list is meant to be made once per kind of object: it is looked up under another name than it is kept under
# (saving_attr_skiplist_ and saving_attr_skipset_), so it is never found. Saving and loading deep networks takes longer for it,
# and the names of layers that are made afterwards count on. Seen with Keras 3.15.1; not reported as far as we know.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "tensorflow==2.21.0"
cd "$folder"
cat > layers.py <<'PYTHON'
import sys

import keras

made = 0
original = keras.layers.Layer.__init__


def counted(layer, *arguments, **options):
    global made
    made += type(layer) is keras.layers.Layer
    original(layer, *arguments, **options)


keras.layers.Layer.__init__ = counted


def made_while_saving(depth):
    """Return how many plain Layer objects are made while a model of so many dense layers is saved."""
    global made
    model = keras.Sequential([keras.Input((2,)), *(keras.layers.Dense(2) for _ in range(depth))])
    made = 0
    model.save("model.keras")
    return made


counts = {depth: made_while_saving(depth) for depth in (10, 100)}
print("Keras", keras.__version__)
print("expected: as many Layer objects for 100 layers as for 10")
for depth, count in counts.items():
    print(f"seen: {count} Layer objects made while a model of {depth} layers is saved")
sys.exit(1 if counts[100] < counts[10] + 90 else 0)
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow venv/bin/python layers.py 2> /dev/null
