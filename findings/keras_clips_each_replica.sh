#!/bin/sh
# Keras 3 clips gradients on each replica before tf.distribute sums them, so that clipnorm, global_clipnorm and clipvalue bound
# an update of N replicas only by N times their value: the same batch, model and settings step further the more replicas
# there are. TensorFlow 2.2 refused these options under a strategy because clipping before the sum is usually wrong
# (https://github.com/tensorflow/tensorflow/issues/33929); the documentation of Keras 3 does not say what is clipped. An optimizer
# that is called outside the replicas, with gradients that were summed before, clips as in one process. Seen with TensorFlow
# 2.21.0 and Keras 3.15.1, model.fit under MirroredStrategy.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "tensorflow==2.21.0" "keras==3.15.1"
cd "$folder"
cat > clip.py <<'PYTHON'
import sys

import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
# Two equal samples, whose gradient at weight 0 is -200: the mean over the batch is -200 however it is cut.
data = tf.data.Dataset.from_tensor_slices((np.ones((2, 1), "float32"), np.full((2, 1), 100, "float32"))).batch(2)


def step(devices, **clipping):
    """Return how far one step with the learning rate 1 moves a weight."""
    with tf.distribute.MirroredStrategy(devices).scope():
        dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        model = keras.Sequential([keras.Input((1,)), dense])
        model.compile(keras.optimizers.SGD(1.0, **clipping), "mse")
    model.fit(data, epochs=1, verbose=0, shuffle=False)
    return float(dense.kernel.numpy()[0, 0])


print("TensorFlow", tf.__version__, "Keras", keras.__version__)
print("expected: one step is as long with two replicas as with one")
seen = []
for clipping in ({}, {"clipnorm": 1.0}, {"global_clipnorm": 1.0}, {"clipvalue": 1.0}):
    one, two = step(["CPU:0"], **clipping), step(["CPU:0", "CPU:1"], **clipping)
    print(f"seen: {clipping or 'no clipping'}: {one:g} with one replica, {two:g} with two")
    seen.append((one, two))
sys.exit(seen != [(200.0, 200.0), (1.0, 2.0), (1.0, 2.0), (1.0, 2.0)])
PYTHON
CUDA_VISIBLE_DEVICES=-1 TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" clip.py
