"""What tlkit's loop costs relative to Keras's ``fit``: the same model and arrays, measured in turn in one run."""

from __future__ import annotations

import statistics
import time

import keras
import numpy as np
import pytest

from tlkit import Block, Phase
from tlkit.data.run_data import Data
from tlkit.data.splits.split_column import SplitColumn
from tlkit.data.store.store import Store
from tlkit.models.assemble import Network
from tlkit.models.tasks import learning_task
from tlkit.recipe.schema import TrainTable
from tlkit.runs.folder import RunFolder
from tlkit.system.progress import Reporter
from tlkit.train.loop import Training
from tlkit.train.outlets import Outlets
from tlkit.train.setting import Setting

COUNT, SIDE, CLASSES, BATCH, EPOCHS = 2048, 64, 5, 32, 11


def build() -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((SIDE, SIDE, 3), name="images")
    x = keras.layers.Rescaling(1 / 255)(images)
    for channels in (32, 64, 128):
        x = keras.layers.Conv2D(channels, 3, 2, "same", name=f"conv{channels}")(x)
        x = keras.layers.BatchNormalization(name=f"bn{channels}")(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(CLASSES, name="dense")(x))


@pytest.mark.benchmark
def test_an_epoch_of_the_loop_relative_to_fit(tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
    labels = random.integers(0, CLASSES, COUNT).astype(np.int32)

    theirs = build()
    theirs.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    floats = images.astype(np.float32)
    theirs.fit(floats, labels, batch_size=BATCH, epochs=1, verbose=0)

    model = build()
    blocks = (Block("all", tuple(layer.name for layer in model.layers if layer.name != "dense"), 8),)
    data = Data(
        samples=(),
        splits=SplitColumn.of(["train"] * COUNT),
        labels=labels,
        store=Store(images, None, (), np.zeros((COUNT, 2), np.int32)),
        classes=tuple("abcde"),
        label_kind="single",
        colors={},
        set_aside=(),
        groups=(),
        root=None,
        notes=(),
    )
    times: dict[str, list[float]] = {"fit": [], "tlkit": []}

    class Clock(keras.callbacks.Callback):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def on_epoch_begin(self, epoch, logs=None):
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            if epoch or self.name == "fit":
                times[self.name].append(time.perf_counter() - self.began)

    class FitBetween(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            theirs.fit(floats, labels, batch_size=BATCH, epochs=1, verbose=0, callbacks=[Clock("fit")])

    def callbacks(_folder, _phase):
        return [Clock("tlkit"), FitBetween()]

    setting = Setting(
        network=Network(model, blocks, pretrained=False),
        data=data,
        targets=learning_task("classification", "single", CLASSES),
        table=TrainTable(restore_best=False),
        seed=0,
        batch_size=BATCH,
        policies=(),
        backbone="benchmark",
    )
    outlets = Outlets(RunFolder(tmp_path), Reporter(quiet=True), callbacks)
    Training(setting, outlets).run((Phase(name="full", epochs=EPOCHS, blocks=("all",), batch_norm="train"),))
    # Other work on the machine only adds time, so the shortest epoch is the least disturbed one.
    for name, pick in (("least", min), ("median", statistics.median)):
        ours, fit = pick(times["tlkit"]), pick(times["fit"][1:])
        print(f"\nepoch, {name} of {EPOCHS - 1}: tlkit {ours:.3f} s, fit {fit:.3f} s, ratio {ours / fit:.3f}")
    assert len(times["tlkit"]) == EPOCHS - 1
