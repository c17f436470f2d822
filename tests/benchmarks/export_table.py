"""The gate's table: one run for each network and each decoder, and what each export format makes of it.

``python tests/benchmarks/export_table.py recipes FOLDER`` writes the recipes, ``train FOLDER`` runs those that are not
finished, ``export FOLDER`` runs ``tlkit export RUN --format all --quantize all`` for each run, and ``table FOLDER``
prints the table for ``recipes/RESULTS.md`` from the ``exports.json`` of each run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(os.environ.get("TLKIT_TEST_DATA", "../shared/data"))
"""The folder with ``pets``, ``pets37`` and ``weights``."""
EXPANDED = Path(os.environ.get("TLKIT_EXPANDED_WEIGHTS", DATA / "weights"))
"""The folder that ``weights/expand.py`` wrote."""

MOBILENET = DATA / "weights/mobilenet_v2_1.00_224_dequant_no_top.weights.h5"
SMALL_MOBILENET = DATA / "weights/mobilenet_v2_0.35_224_no_top.weights.h5"
PRETRAINED = {
    "MobileNetV2": MOBILENET,
    "VGG16": EXPANDED / "vgg16_no_top.weights.h5",
    "Xception": EXPANDED / "xception_no_top.weights.h5",
    "DenseNet121": EXPANDED / "densenet121_no_top.weights.h5",
}
"""Networks with real weights: a linear head on the frozen backbone, 37 breeds, 160 pixels (VGG16: 96)."""
FROM_SCRATCH = ("EfficientNetB0", "EfficientNetV2B0", "ResNet50", "ConvNeXtTiny")
"""Networks without: first trained whole for a few epochs on cats and dogs, 96 pixels, so that no statistic of a
BatchNormalization is trivial; then a linear head on the frozen backbone, 10 kinds of clothing, which it tells apart."""
_CLOTHES = (("train", 2000), ("test", 500))
"""Photos of Fashion-MNIST in each split."""
DECODERS = {
    "linear_seg": "",
    "transpose": "filters = [64, 48, 32, 24, 16]",
    "unet": "filters = [64, 48, 32, 24, 16]",
    "unet_transpose": 'filters = [64, 48, 32, 24, 16]\nupsampling = "transpose"',
    "fpn": "pyramid_filters = 64\nfilters = 32",
    "deeplabv3plus": "filters = 64\nrates = [3, 6, 9]",
}
"""Decoders on MobileNetV2 0.35 with real weights: pets, background and border, 160 pixels."""

_BREEDS = """name = "{name}"
task = "classification"
[data]
name = "folder"
path = "{data}/pets37"
[input]
image_size = {size}
validation = 0.15
[backbone]
name = "{backbone}"
weights = "{weights}"
[head]
name = "linear"
dropout = 0.2
[schedule]
name = "frozen"
epochs = 15
learning_rate = 3e-3
curve = "cosine"
[train]
views = 1
"""
_CATS_AND_DOGS = """name = "{name}"
task = "classification"
[data]
name = "folder"
path = "{data}/cats_dogs"
[input]
image_size = 96
batch_size = 16
validation = 0.2
[backbone]
name = "{backbone}"
weights = "none"
[head]
name = "linear"
[schedule]
name = "full"
epochs = {epochs}
learning_rate = {rate}
[train]
restore_best = false
"""
_CLOTHING = """name = "{name}"
task = "classification"
[data]
name = "npz"
path = "{data}/clothing.npz"
[input]
image_size = 96
validation = 0.15
[backbone]
name = "{backbone}"
weights = "{data}/runs/{backbone}_start"
[head]
name = "linear"
[schedule]
name = "frozen"
epochs = 20
learning_rate = 1e-2
curve = "cosine"
[train]
views = 1
"""
_PETS = """name = "{name}"
task = "segmentation"
[data]
name = "oxford_pets"
path = "{data}/pets"
target = "trimap"
[input]
image_size = {size}
batch_size = 16
[backbone]
name = "{backbone}"
weights = "{weights}"
{more}[head]
name = "{head}"
{options}
[schedule]
name = "frozen"
epochs = 6
learning_rate = 2e-3
[train]
monitor = "val_mean_iou"
"""


def recipes(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each recipe; ``folder`` also gets the photos of cats and dogs."""
    for backbone, weights in PRETRAINED.items():
        size = 96 if backbone == "VGG16" else 160  # whose convolutions take ten times the time of the others'
        yield backbone, _BREEDS.format(name=backbone, data=DATA, backbone=backbone, weights=weights, size=size)
    for backbone in FROM_SCRATCH:
        # ConvNeXt has no statistics of BatchNormalization, and an epoch takes six times as long.
        rate, epochs = ("1e-4", 2) if backbone.startswith("ConvNeXt") else ("1e-3", 4)
        start = f"{backbone}_start"
        yield start, _CATS_AND_DOGS.format(name=start, data=folder, backbone=backbone, rate=rate, epochs=epochs)
        yield backbone, _CLOTHING.format(name=backbone, data=folder, backbone=backbone)
    for name, options in DECODERS.items():
        small = {"size": 160, "backbone": "MobileNetV2", "more": "alpha = 0.35\n", "weights": SMALL_MOBILENET}
        yield name, _PETS.format(name=name, data=DATA, head=name.removesuffix("_transpose"), options=options, **small)
    large = {"size": 128, "backbone": "Xception", "more": "", "weights": PRETRAINED["Xception"]}
    yield "xception_fpn", _PETS.format(name="xception_fpn", data=DATA, head="fpn", options=DECODERS["fpn"], **large)


def write_recipes(folder: Path) -> None:
    """Write the recipes, copies of the photos of cats (breeds in capitals) and dogs, and some of Fashion-MNIST."""
    folder.mkdir(parents=True, exist_ok=True)
    for photo in sorted((DATA / "pets37").glob("t*/*/*.jpg")):
        kind = "cat" if photo.parent.name[0].isupper() else "dog"
        link = folder / "cats_dogs" / photo.parts[-3] / kind / photo.name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.write_bytes(photo.read_bytes())
    with np.load(DATA / "fashion_mnist.npz") as arrays:
        chosen = {f"{kind}_{part}": arrays[f"{kind}_{part}"][:count] for part, count in _CLOTHES for kind in "xy"}
    np.savez(folder / "clothing.npz", **chosen)
    for name, text in recipes(folder):
        (folder / f"{name}.toml").write_text(text)


def train(folder: Path) -> None:
    """Run each recipe whose run folder has no metrics."""
    for recipe in _in_order(folder):
        run = folder / "runs" / recipe.stem
        if not (run / "metrics.json").is_file():
            print(recipe.stem, _tlkit("run", recipe, "--out", run), flush=True)


def export(folder: Path) -> None:
    """Export each run in all formats and quantizations; what the gate refuses stands in its ``exports.json``."""
    for recipe in _in_order(folder):
        if (folder / "runs" / recipe.stem / "metrics.json").is_file() and not recipe.stem.endswith("_start"):
            print(
                recipe.stem,
                _tlkit("export", folder / "runs" / recipe.stem, "--format", "all", "--quantize", "all"),
                flush=True,
            )


def table(folder: Path) -> None:
    """Print a table of the files in float32, and one of the quantized files; a row for each run."""
    found: dict[str, dict[tuple[str, str | None], dict[str, Any]]] = {}
    for recipe in _in_order(folder):
        file = folder / "runs" / recipe.stem / "exports.json"
        if file.is_file():
            rows = json.loads(file.read_text())["exports"]
            found[recipe.stem] = {(each["format"], each["quantize"]): each for each in rows}
    kinds = sorted({kind for rows in found.values() for kind in rows}, key=lambda kind: (kind[0], kind[1] or ""))
    for quantized, cell in ((False, _exact), (True, _small)):
        columns = [kind for kind in kinds if bool(kind[1]) == quantized]
        names = ["run", "metric", "Keras", "ms", *(" ".join(filter(None, kind)) for kind in columns)]
        print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
        for run, rows in found.items():
            first = next(each for each in rows.values() if each["metric_keras"] is not None)
            start = [run, first["metric"], f"{first['metric_keras']:.3f}", f"{first['ms_keras']:.0f}"]
            print("| " + " | ".join([*start, *(cell(rows.get(kind)) for kind in columns)]) + " |")
        print()


def _exact(row: dict[str, Any] | None) -> str:
    """Return the largest difference of a probability, the CPU milliseconds an image, and the size."""
    if row is None or not row["passed"]:
        return "–" if row is None else "refused"
    return f"{row['largest_difference']:.0e}, {row['ms_file']:.0f} ms, {row['bytes'] / 1e6:.1f} MB"


def _small(row: dict[str, Any] | None) -> str:
    """Return the share of equal classes, the change of the metric, the CPU milliseconds an image, and the size."""
    if row is None or row["agreement"] is None:
        return "–" if row is None else "refused"
    change = row["metric_file"] - row["metric_keras"]
    numbers = f"{row['agreement']:.1%} ({change:+.3f}), {row['ms_file']:.0f} ms, {row['bytes'] / 1e6:.1f} MB"
    return numbers if row["passed"] else f"**refused**: {row['agreement']:.1%} ({change:+.3f})"


def _in_order(folder: Path) -> list[Path]:
    return [folder / f"{name}.toml" for name, _text in recipes(folder)]


def _tlkit(*arguments: object) -> int:
    return subprocess.run([sys.executable, "-m", "tlkit", *map(str, arguments)], check=False).returncode


if __name__ == "__main__":
    command = {"recipes": write_recipes, "train": train, "export": export, "table": table}[sys.argv[1]]
    command(Path(sys.argv[2]))
