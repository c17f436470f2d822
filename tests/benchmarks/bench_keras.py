"""What tlkit is compared with: a bare pass of the backbone, and the same work as written in Keras's guide.

The guide is https://keras.io/guides/transfer_learning. Each function runs in a process of its own.
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

PASSES = 2
CACHED_EPOCHS = 3
DECODER_EPOCHS = 2


def bare(backbone: str, side: int, images: int, batch: int) -> dict[str, Any]:
    """Time the compiled backbone alone on a float32 array in memory, after one batch of warm-up.

    Returns:
        ``pass_seconds``: the seconds of each of ``PASSES`` passes; ``seconds``: their minimum.
    """
    model = _base(backbone, side)
    spec = tf.TensorSpec((None, side, side, 3), tf.float32)
    forward = tf.function(lambda values: model(values, training=False), input_signature=[spec])
    array = np.random.default_rng(0).random((images, side, side, 3), np.float32)
    array *= 255
    forward(array[:batch])
    seconds = []
    for _ in range(PASSES):
        began = time.perf_counter()
        for first in range(0, images, batch):
            forward(array[first : first + batch])
        seconds.append(time.perf_counter() - began)
    return {"pass_seconds": seconds, "seconds": min(seconds)}


def frozen(backbone: str, folder: str, side: int, batch: int, epochs: int) -> dict[str, Any]:
    """Time the guide's first step: a dense head on a frozen base.

    Returns:
        ``epoch_seconds``: each epoch, the first with tracing; ``seconds``: their sum; ``later_seconds``: the median of
        all but the first; ``cached_epoch_seconds``: each of ``CACHED_EPOCHS`` epochs with the decoded images cached in
        memory, without the time to cache them; ``cached_seconds``: an estimate for ``epochs`` epochs, the first with
        tracing and the others at the median of the cached ones.
    """
    photos, classes = _photos(folder, side, batch)
    base = _base(backbone, side)
    base.trainable = False
    model = _with_head(backbone, base, side, classes)
    _compile(model, 1e-3)
    measured = _fit(model, photos.prefetch(tf.data.AUTOTUNE), epochs)
    cached = photos.cache()
    for _ in cached:
        pass
    with_cache = _fit(model, cached.prefetch(tf.data.AUTOTUNE), CACHED_EPOCHS)
    return _summed(measured) | {
        "cached_epoch_seconds": with_cache,
        "cached_seconds": measured[0] + (epochs - 1) * median(with_cache),
    }


def finetune(backbone: str, block: str, folder: str, side: int, batch: int, epochs: int) -> dict[str, Any]:
    """Time the guide's second step: fine-tuning from a block on, with frozen BatchNorm.

    Returns:
        as ``frozen``, without the cached epochs.
    """
    photos, classes = _photos(folder, side, batch)
    base = _base(backbone, side)
    names = [layer.name for layer in base.layers]
    first = next(place for place, name in enumerate(names) if name.startswith(f"{block}_"))
    for place, layer in enumerate(base.layers):
        layer.trainable = place >= first and not isinstance(layer, keras.layers.BatchNormalization)
    model = _with_head(backbone, base, side, classes)
    _compile(model, 1e-5)
    return _summed(_fit(model, photos.prefetch(tf.data.AUTOTUNE), epochs))


def segment(recipe: str, epochs: int) -> dict[str, Any]:
    """Time the recipe's own network with a frozen backbone, trained by ``fit`` on a pipeline of files.

    Returns:
        as ``frozen``, without the cached epochs; ``decoder_epoch_seconds``: an epoch of the trained part alone, on
        feature maps in memory; ``decoder_share``: its share of Keras's epoch.
    """
    from tlkit import Phase
    from tlkit.discovery import make_registry
    from tlkit.jobs import from_recipe
    from tlkit.models.freeze import prepare
    from tlkit.recipe.load import load_recipe

    checked = load_recipe(Path(recipe), make_registry(environ={}))
    options, table = checked.data.options, checked.input
    classes = tuple(options.values.values())
    network = from_recipe.build_network(checked, classes, "single")
    photos, count = _masked(options.images, options.masks, table.image_size, table.batch_size)
    features = prepare(network, Phase(name="head", epochs=1)).frozen_part.outputs
    decoder = keras.Model(features, network.model.output)
    _compile(network.model, 1e-3)
    measured = _summed(_fit(network.model, photos.prefetch(tf.data.AUTOTUNE), epochs))

    random = np.random.default_rng(0)
    batch = table.batch_size
    features = [random.random((batch, *each.shape[1:]), np.float32) for each in decoder.inputs]
    masks = random.integers(0, len(classes), (batch, *table.image_size, 1), np.int32)
    _compile(decoder, 1e-3)
    again = tf.data.Dataset.from_tensors((tuple(features), masks)).repeat(-(-count // batch))
    alone = _fit(decoder, again, DECODER_EPOCHS)[-1]
    return measured | {"decoder_epoch_seconds": alone, "decoder_share": alone / measured["later_seconds"]}


def _base(backbone: str, side: int) -> Any:
    return getattr(keras.applications, backbone)(include_top=False, weights=None, input_shape=(side, side, 3))


def _with_head(backbone: str, base: Any, side: int, classes: int) -> Any:
    inputs = keras.Input((side, side, 3))
    scaled = keras.applications.resnet.preprocess_input(inputs) if backbone.startswith("ResNet") else inputs
    pooled = keras.layers.GlobalAveragePooling2D()(base(scaled, training=False))
    return keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Dropout(0.2)(pooled)))


def _compile(model: Any, rate: float) -> None:
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def _photos(folder: str, side: int, batch: int) -> tuple[Any, int]:
    photos = keras.utils.image_dataset_from_directory(folder, image_size=(side, side), batch_size=batch)
    return photos, len(photos.class_names)


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


def _fit(model: Any, dataset: Any, epochs: int) -> list[float]:
    """Return the seconds of each epoch; the first starts with the call of ``fit``."""
    ends = [time.perf_counter()]
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: ends.append(time.perf_counter()))
    model.fit(dataset, epochs=epochs, verbose=0, callbacks=[clock])
    return [end - began for began, end in pairwise(ends)]


def _summed(measured: list[float]) -> dict[str, Any]:
    """Sum all epochs: those of one ``fit`` have differed by up to a factor of two, so none represents the others."""
    return {"epoch_seconds": measured, "seconds": sum(measured), "later_seconds": median(measured[1:])}
