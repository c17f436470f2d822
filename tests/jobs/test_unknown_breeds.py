"""On real photos with real weights: what a model does not know is told, and the sets hold as often as asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import tlkit_command
from sklearn.metrics import roc_auc_score

import tlkit

pytestmark = [pytest.mark.slow, pytest.mark.real_data]
_HELD_OUT = 7


def auroc(known: list, new: list) -> float:
    values = [-each.p_value for each in (*known, *new)]
    return float(roc_auc_score(np.repeat([0, 1], [len(known), len(new)]), values))


def test_breeds_and_clothing_that_the_model_does_not_know_are_told(real_data: Path, write_recipe, tmp_path: Path):
    test = real_data / "pets37" / "test"
    breeds = sorted(folder.name for folder in test.iterdir())
    left_out = [breeds[number] for number in np.random.default_rng(100).permutation(len(breeds))[:_HELD_OUT]]
    weights = real_data / "weights" / "mobilenet_v2_1.00_224_dequant_no_top.weights.h5"
    recipe = write_recipe(
        data={"name": "folder", "path": real_data / "pets37", "exclude": left_out},
        input={"image_size": 224, "batch_size": 32, "validation": 0.1},
        backbone={"name": "MobileNetV2", "weights": str(weights)},
        schedule={"name": "frozen", "epochs": 20, "learning_rate": 3e-3, "curve": "cosine"},
    )
    run = tlkit.run(recipe, out=tmp_path / "run", quiet=True).folder
    assert tlkit_command("report", run, "--full").code == 0
    assert set(json.loads((run / "model.json").read_bytes())["classes"]) == set(breeds) - set(left_out)

    model = tlkit.load(run, unknown=0.05, sets=0.9)
    photos = {True: [], False: []}
    for photo in sorted(test.glob("*/*.jpg")):
        photos[photo.parent.name in left_out].append(photo)
    known, new = model.predict(photos[False]), model.predict(photos[True])
    clothing = model.predict(list(np.load(real_data / "fashion_mnist.npz")["x_test"][:300]))
    called = np.mean([each.unknown for each in known])
    covered = np.mean([each.path.parent.name in each.label_set for each in known])
    print(f"AUROC: breeds {auroc(known, new):.3f}, clothing {auroc(known, clothing):.4f}")
    print(f"known called unknown {called:.3f}, sets of 90 % with the true label {covered:.3f}")
    assert auroc(known, new) >= 0.8
    assert auroc(known, clothing) >= 0.95
    assert called == pytest.approx(0.05, abs=0.03)
    assert covered == pytest.approx(0.9, abs=0.04)
