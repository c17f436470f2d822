"""A run is evaluated by its head on the features of its frozen part, which must be the model that it saved."""

from __future__ import annotations

import pytest

import tlkit
from tlkit.train.parts import ModelInParts

FROZEN = {
    "name": "frozen",
    "seed": 4,
    "backbone": {"name": "resnet", "depth": 18, "units": [1, 1, 1], "filters": [8, 8, 16], "bias": False},
    "schedule": {"name": "frozen", "epochs": 1, "learning_rate": 0.01},
    "train": {"cache": "on"},
}
KINDS = {
    "classification": {**FROZEN, "input": {"image_size": 24, "batch_size": 128, "test": 0.1}},
    "segmentation": {
        **FROZEN,
        "task": "segmentation",
        "data": {"name": "digit_scenes", "count": 30, "size": 48},
        "input": {"image_size": 48, "batch_size": 8, "test": 0.2},
        "head": {"name": "unet"},
    },
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_metrics_of_a_run_are_those_of_its_saved_model(kind, write_recipe, registry, tmp_path):
    result = tlkit.run(write_recipe(**KINDS[kind]), out=tmp_path / "run", registry=registry, quiet=True)
    for split in ("validation", "test"):
        measured = tlkit.evaluate(result.folder, split=split, registry=registry).metrics
        assert measured["loss"] == pytest.approx(result.metrics[split]["loss"], rel=1e-4)
        for name in set(measured) & {"accuracy", "macro_f1", "pixel_accuracy", "mean_iou"}:
            assert measured[name] == pytest.approx(result.metrics[split][name], rel=1e-3)


def test_the_whole_model_is_evaluated_where_its_parts_do_not_give_its_logits(
    write_recipe, registry, tmp_path, monkeypatch, capsys
):
    original = ModelInParts._logits
    monkeypatch.setattr(ModelInParts, "_logits", lambda parts, features: original(parts, features) * 1.01)
    result = tlkit.run(write_recipe(**KINDS["classification"]), out=tmp_path / "run", registry=registry)
    text = " ".join(capsys.readouterr().out.split())
    assert "the whole model is evaluated, since the logits of its head on features differ" in text
    measured = tlkit.evaluate(result.folder, split="test", registry=registry).metrics
    assert measured["loss"] == pytest.approx(result.metrics["test"]["loss"], rel=1e-4)
