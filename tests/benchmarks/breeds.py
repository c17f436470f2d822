"""Accuracy and time on 37 breeds: the recipe of ``tlkit init`` with several numbers of views, and the Keras idiom.

    python tests/benchmarks/breeds.py --data FOLDER --weights MOBILENET_V2_FILE [--seeds 0 1 2] [--views 1 2 4 8 off]

``FOLDER`` contains ``train`` and ``test``, each with one folder per breed; the file has the weights of MobileNetV2 1.0
without its top. The idiom is that of https://keras.io/guides/transfer_learning with the same augmentation (mirroring),
image size, batch size and number of epochs; it trains on all of ``train``, as in the guide, at the guide's learning
rate, 1e-3, and also at the recipe's, 3e-3. Each measurement has its own process and an empty cache; times are those of
whole processes. Accuracies are measured on ``test``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

EPOCHS, SIDE, BATCH = 20, 288, 32


def main() -> None:
    """Measure everything in turn and print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--views", nargs="+", default=["1", "2", "4", "8", "off"])
    parser.add_argument(
        "--rates",
        type=float,
        nargs="*",
        default=[1e-3, 3e-3],
        help="learning rates of the idiom; none: without the idiom",
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    data, weights = given.data.resolve(), given.weights.resolve()
    if given.child:
        measured = json.loads(given.child)
        if "views" in measured:
            result = ours(data, weights, measured["seed"], measured["views"])
        else:
            result = idiom(data, weights, measured["seed"], measured["rate"])
        Path("result.json").write_text(json.dumps(result))
        return
    for seed in given.seeds:
        for setting in [{"rate": rate} for rate in given.rates] + [{"views": views} for views in given.views]:
            result = _child(data, weights, {**setting, "seed": seed})
            print(json.dumps({**setting, "seed": seed} | result), flush=True)


def _child(data: Path, weights: Path, measured: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tlkit-breeds-") as work:
        command = [sys.executable, str(Path(__file__).resolve()), "--data", str(data), "--weights", str(weights)]
        environment = os.environ | {"TLKIT_CACHE": f"{work}/cache"}
        began = time.perf_counter()
        ended = subprocess.run(
            [*command, "--child", json.dumps(measured)], cwd=work, env=environment, capture_output=True, check=False
        )
        seconds = time.perf_counter() - began
        if ended.returncode:
            raise SystemExit(ended.stderr.decode(errors="replace")[-3000:])
        return {"accuracy": json.loads((Path(work) / "result.json").read_text()), "seconds": seconds}


def ours(data: Path, weights: Path, seed: int, views: str) -> float:
    """Return the accuracy of ``tlkit init`` and ``tlkit run``, without early stopping, so that all train as long."""
    settings = {
        "seed": seed,
        "backbone.weights": weights,
        "schedule.epochs": EPOCHS,
        "train.early_stop": EPOCHS,
        **({"train.cache": "off"} if views == "off" else {"train.views": views}),
    }
    changed = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    for arguments in (["init", str(data), "--out", "recipe.toml"], ["run", "recipe.toml", "--out", "run", *changed]):
        subprocess.run([sys.executable, "-m", "tlkit", *arguments], check=True)
    accuracy: float = json.loads(Path("run/metrics.json").read_text())["test"]["accuracy"]
    return accuracy


def idiom(data: Path, weights: Path, seed: int, rate: float) -> float:
    """Return the accuracy of the guide's frozen base with a dense head."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    base = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    base.load_weights(weights)
    base.trainable = False
    train, test = (
        keras.utils.image_dataset_from_directory(
            data / part, image_size=(SIDE, SIDE), batch_size=BATCH, shuffle=part == "train"
        )
        for part in ("train", "test")
    )
    classes = len(train.class_names)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.RandomFlip("horizontal")(inputs)
    x = base(keras.applications.mobilenet_v2.preprocess_input(x), training=False)
    x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, keras.layers.Dense(classes)(x))
    model.compile(
        keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    model.fit(train.prefetch(tf.data.AUTOTUNE), epochs=EPOCHS, verbose=0)
    accuracy: float = model.evaluate(test, verbose=0, return_dict=True)["accuracy"]
    return accuracy


if __name__ == "__main__":
    main()
