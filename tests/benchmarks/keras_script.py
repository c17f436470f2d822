"""The small run as someone writes it after Keras's guide, to be run as a whole: ``python keras_script.py …``.

The guide is https://keras.io/guides/transfer_learning: a frozen base, augmentation by layers, a dense head, ``fit``.

    python keras_script.py FOLDER WEIGHTS SIDE BATCH EPOCHS MODEL.keras
"""

from __future__ import annotations

import sys

import keras
import tensorflow as tf


def main(folder: str, weights: str, side: int, batch: int, epochs: int, saved: str) -> None:
    """Train a dense head on a frozen MobileNetV2 0.35, and save the model.

    Args:
        folder: one folder of images per class; a fifth of them validates.
        weights: a weights file, or ``none`` for random weights.
        side: the side of the images in pixels.
        batch: images per step.
        epochs: passes over the images.
        saved: the file for the model.
    """
    train, validation = keras.utils.image_dataset_from_directory(
        folder, validation_split=0.2, subset="both", seed=0, image_size=(side, side), batch_size=batch
    )
    classes = len(train.class_names)
    base = keras.applications.MobileNetV2(
        alpha=0.35, include_top=False, weights=None if weights == "none" else weights, input_shape=(side, side, 3)
    )
    base.trainable = False
    inputs = keras.Input((side, side, 3))
    x = keras.layers.RandomFlip("horizontal")(inputs)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = keras.layers.GlobalAveragePooling2D()(base(x, training=False))
    outputs = keras.layers.Dense(classes)(keras.layers.Dropout(0.2)(x))
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )
    model.fit(
        train.prefetch(tf.data.AUTOTUNE),
        epochs=epochs,
        validation_data=validation.prefetch(tf.data.AUTOTUNE),
        verbose=2,
    )
    model.save(saved)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]), sys.argv[6])
