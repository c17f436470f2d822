"""What tlkit is compared with: a bare pass of the backbone, and the same work as written in Keras's guide.

The guide is https://keras.io/guides/transfer_learning. Each function runs in a process of its own, and returns ``wall``
and ``cpu`` in seconds, of what it measures alone.
"""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
import tensorflow as tf

DECODER_EPOCHS = 2
BARE_BATCHES = (16, 32)
IN_MEMORY = 256
"""Images of the array that a bare pass goes through again and again."""


def bare(backbone: str, side: int, images: int) -> dict[str, Any]:
    """Time the compiled backbone alone on a float32 array in memory, after one batch of warm-up.

    Returns:
        also ``passes``: batch size → seconds; ``wall`` and ``cpu`` are those of the faster.
    """
    model = _base(backbone, side)
    spec = tf.TensorSpec((None, side, side, 3), tf.float32)
    forward = tf.function(lambda values: model(values, training=False), input_signature=[spec])
    array = np.random.default_rng(0).random((min(images, IN_MEMORY), side, side, 3), np.float32)
    array *= 255
    passes = {}
    for batch in BARE_BATCHES:
        forward(array[:batch])
        began = _Clock()
        for first in range(0, images, batch):
            place = first % len(array)
            forward(array[place : place + min(batch, images - first)]).numpy()
        passes[batch] = began.elapsed()
    return {**min(passes.values(), key=lambda each: each["wall"]), "passes": passes}


def finetune(backbone: str, block: str, folder: str, side: int, batch: int, epochs: int) -> dict[str, Any]:
    """Time the guide's second step: fine-tuning from a block on, with frozen BatchNorm.

    Returns:
        also ``epochs``: the seconds of each, the first with tracing; ``epochs_cpu``: those of the processor.
    """
    photos = keras.utils.image_dataset_from_directory(folder, image_size=(side, side), batch_size=batch)
    base = _base(backbone, side)
    names = [layer.name for layer in base.layers]
    first = next(place for place, name in enumerate(names) if name.startswith(f"{block}_"))
    for place, layer in enumerate(base.layers):
        layer.trainable = place >= first and not isinstance(layer, keras.layers.BatchNormalization)
    inputs = keras.Input((side, side, 3))
    scaled = keras.applications.resnet.preprocess_input(inputs) if backbone.startswith("ResNet") else inputs
    pooled = keras.layers.GlobalAveragePooling2D()(base(scaled, training=False))
    model = keras.Model(inputs, keras.layers.Dense(len(photos.class_names))(keras.layers.Dropout(0.2)(pooled)))
    _compile(model, 1e-5)
    return _fit(model, photos.prefetch(tf.data.AUTOTUNE), epochs)


def segment(recipe: str, epochs: int) -> dict[str, Any]:
    """Time the recipe's own network with a frozen backbone, trained by ``fit`` on a pipeline of files.

    Returns:
        as ``finetune``; also ``decoder_epoch``: the seconds of an epoch of the trained part alone, on feature maps in
        memory.
    """
    from tlkit import Phase
    from tlkit.jobs import from_recipe
    from tlkit.models.freeze import prepare
    from tlkit.recipe.load import load_recipe
    from tlkit.registry.discovery import make_registry

    checked = load_recipe(Path(recipe), make_registry(environ={}))
    options, table = checked.data.options, checked.input
    classes = tuple(options.values.values())
    network = from_recipe.build_network(checked, classes, "single")
    photos, count = _masked(options.images, options.masks, table.image_size, table.batch_size)
    features = prepare(network, Phase(name="head", epochs=1)).frozen_part.outputs
    decoder = keras.Model(features, network.model.output)
    _compile(network.model, 1e-3)
    measured = _fit(network.model, photos.prefetch(tf.data.AUTOTUNE), epochs)

    random = np.random.default_rng(0)
    batch = table.batch_size
    features = [random.random((batch, *each.shape[1:]), np.float32) for each in decoder.inputs]
    masks = random.integers(0, len(classes), (batch, *table.image_size, 1), np.int32)
    _compile(decoder, 1e-3)
    again = tf.data.Dataset.from_tensors((tuple(features), masks)).repeat(-(-count // batch))
    return measured | {"decoder_epoch": _fit(decoder, again, DECODER_EPOCHS)["epochs"][-1]}


def _base(backbone: str, side: int) -> Any:
    return getattr(keras.applications, backbone)(include_top=False, weights=None, input_shape=(side, side, 3))


def _compile(model: Any, rate: float) -> None:
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def _masked(images: Path, masks: Path, size: tuple[int, int], batch: int) -> tuple[Any, int]:
    """Images and trimaps (values from 1 on), read by TensorFlow's own decoders."""

    def read(image: Any, mask: Any) -> tuple[Any, Any]:
        pixels = tf.io.decode_jpeg(tf.io.read_file(image), channels=3)
        trimap = tf.io.decode_png(tf.io.read_file(mask), channels=1)
        return tf.image.resize(pixels, size), tf.cast(tf.image.resize(trimap, size, "nearest"), tf.int32) - 1

    files = sorted(images.glob("*.jpg"))
    pairs = [str(each) for each in files], [str(masks / f"{each.stem}.png") for each in files]
    listed = tf.data.Dataset.from_tensor_slices(pairs).shuffle(len(files), seed=0)
    return listed.map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(batch), len(files)


def _fit(model: Any, dataset: Any, epochs: int) -> dict[str, Any]:
    """Return the seconds of all epochs and of each; the first starts with the call of ``fit``.

    All are measured: those of one ``fit`` have differed by up to a factor of two, so none represents the others.
    """
    began = _Clock()
    ends = [{"wall": 0.0, "cpu": 0.0}]
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: ends.append(began.elapsed()))
    model.fit(dataset, epochs=epochs, verbose=0, callbacks=[clock])
    each = {key: [end[key] - start[key] for start, end in pairwise(ends)] for key in ("wall", "cpu")}
    return {**ends[-1], "epochs": each["wall"], "epochs_cpu": each["cpu"], "later": median(each["wall"][1:])}


class _Clock:
    """Measures from its creation on."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def elapsed(self) -> dict[str, float]:
        return {"wall": time.perf_counter() - self._wall, "cpu": time.process_time() - self._cpu}
