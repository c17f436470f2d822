#!/bin/sh
# keras_cv.layers.RandomRotation turns every pixel of a mask whose value is no class, such as 255 for "ignore" in Pascal VOC and
# Cityscapes, into class 0: it rotates the one-hot code of the mask (https://github.com/keras-team/keras-cv/pull/780), which has
# no 255. A loss that ignores 255 then learns these pixels as background. RandomFlip, RandomZoom, RandomShear and
# RandomTranslation of the same package keep 255. No warning is given, and a rotation by 0 changes the mask, too. Seen with
# keras-cv 0.9.0, Keras 3.15.1 and TensorFlow 2.21.0.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "tensorflow==2.21.0" "keras==3.15.1" "keras-cv==0.9.0"
cd "$folder"
cat > rotate.py <<'PYTHON'
import sys

import keras
import keras_cv
import numpy as np
import tensorflow as tf

mask = np.zeros((1, 32, 32, 1), "float32")
mask[:, 8:24, 8:24] = 1
mask[:, 14:18, 14:18] = 255  # in the middle: no change moves it out of the mask
images = np.zeros((1, 32, 32, 3), "float32")
layers = {
    "RandomFlip": keras_cv.layers.RandomFlip("horizontal", rate=1.0),
    "RandomZoom": keras_cv.layers.RandomZoom((-0.2, -0.2)),
    "RandomShear": keras_cv.layers.RandomShear(x_factor=(0.1, 0.1)),
    "RandomTranslation": keras_cv.layers.RandomTranslation((0.1, 0.1), (0.1, 0.1)),
    "RandomRotation": keras_cv.layers.RandomRotation((0.1, 0.1), segmentation_classes=2),
    "RandomRotation by 0": keras_cv.layers.RandomRotation((0.0, 0.0), segmentation_classes=2),
}
print("keras-cv", keras_cv.__version__, "Keras", keras.__version__, "TensorFlow", tf.__version__)
print("expected: every layer keeps the values 0, 1 and 255 of a mask")
seen = {}
for name, layer in layers.items():
    changed = layer({"images": images, "segmentation_masks": mask}, training=True)["segmentation_masks"]
    seen[name] = np.unique(np.asarray(changed)).astype(int).tolist()
    print(f"seen: {name}: {seen[name]}")
sys.exit(seen != {name: [0, 1] if "Rotation" in name else [0, 1, 255] for name in layers})
PYTHON
CUDA_VISIBLE_DEVICES=-1 TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" rotate.py
