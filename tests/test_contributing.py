"""The code in CONTRIBUTING.md works as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tlkit
from tlkit.contracts import Augmentation, Head, Schedule
from tlkit.registry.discovery import make_registry
from tlkit.testing import check_augmentation, check_head, check_schedule

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def my_head(tmp_path, monkeypatch):
    file = tmp_path / "my_head.py"
    file.write_text(CODE[0])
    monkeypatch.syspath_prepend(tmp_path)
    return file


def test_the_guides_head_passes_the_guides_test(my_head):
    namespace: dict[str, object] = {}
    exec(CODE[1], namespace)
    namespace["test_pooled"]()


def test_a_recipe_uses_the_guides_head(my_head, class_folders, write_recipe, tmp_path):
    photos = class_folders({"a": 12, "b": 12, "c": 12})
    recipe = write_recipe(
        data={"name": "folder", "path": photos},
        input={"image_size": 32, "batch_size": 8},
        backbone={"filters": [8, 8]},
        schedule={"epochs": 1},
    )
    registry = make_registry([my_head], environ={})
    overrides = ['head={name="pooled", units=32}']
    tlkit.run(recipe, overrides, tmp_path / "run", registry=registry, quiet=True)
    card = (tmp_path / "run" / "model.json").read_text()
    assert '"pooled"' in card
    assert '"units": 32' in card


def test_the_check_refuses_a_head_with_wrong_units():
    from keras import layers

    def build(features, ctx, options):
        return layers.Dense(ctx.units + 1)(layers.GlobalAveragePooling2D()(features[max(features)]))

    head = tlkit.Head(name="wrong", summary="", task="classification", options=tlkit.Options, build=build)
    with pytest.raises(tlkit.PluginError, match="expected logits of shape"):
        check_head(head)


def test_every_first_party_head_augmentation_and_schedule_passes_its_check(registry):
    for head, _ in registry.records(Head):
        check_head(head)
    for augmentation, _ in registry.records(Augmentation):
        check_augmentation(augmentation)
    for schedule, _ in registry.records(Schedule):
        assert check_schedule(schedule)
