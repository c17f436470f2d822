"""The head that ``tlkit init`` writes, and its warning where that head is heavy for the backbone."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import tlkit_command
from PIL import Image

from tlkit.data.init.head_table import HEAVY_UNET
from tlkit.models.families import APPLICATIONS

SMALLEST = (*{each.family: each.name for each in reversed(APPLICATIONS)}.values(), "MobileNetV3Large")
"""The first backbone of each family is its smallest; MobileNetV3Large is barely four times as large as the Small."""


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write four images with masks, and make their folder's parent the current folder."""
    monkeypatch.chdir(tmp_path)
    pixels = np.arange(40 * 48 * 3).reshape(40, 48, 3) % 251
    for number in range(4):
        for folder, values in (("images", pixels + number), ("masks", pixels[..., 0] > 100 + number)):
            file = tmp_path / "scenes" / folder / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values.astype(np.uint8)).save(file)
    return tmp_path / "scenes"


def written(*arguments: str) -> tuple[Mapping[str, Any], str, str]:
    """Return the table ``[head]`` that init wrote, the recipe's text, and what init printed."""
    outcome = tlkit_command("init", "scenes", *arguments)
    assert outcome.code == 0, outcome.err
    text = Path("scenes.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["head"], text, outcome.out


@pytest.mark.usefixtures("scenes")
def test_init_writes_the_default_decoder_without_a_warning_where_the_backbone_is_large() -> None:
    head, text, out = written("--backbone", "ResNet50")
    assert head == {"name": "unet"}
    assert "times the operations" not in text + out


@pytest.mark.usefixtures("scenes")
def test_init_warns_in_the_recipe_and_on_screen_of_a_decoder_with_ten_times_the_operations_of_its_backbone() -> None:
    (name, times) = next(iter(HEAVY_UNET.items()))
    _, text, out = written("--backbone", name)
    assert f"# This decoder does {times} times the operations of {name}" in text
    assert f"note: this decoder does {times} times the operations of {name}" in out


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_the_table_has_the_backbones_for_which_the_decoder_is_heavy(name: str) -> None:
    import tlkit_heads

    from tlkit import HeadContext
    from tlkit.models import plugin
    from tlkit.models.assemble import build_network
    from tlkit.models.cost import operations_per_image
    from tlkit.recipe.schema import Selection

    backbone = next(each for each in plugin.tlkit_backbones() if each.name == name)
    head = next(each for each in tlkit_heads.tlkit_heads() if each.name == "unet")
    options = head.options()
    network = build_network(
        Selection(backbone, backbone.options(weights="none")),
        Selection(head, options),
        HeadContext("segmentation", ("a", "b"), 2, (224, 224), 0),
    )
    names = set(network.head_layers)
    trained = [layer for layer in network.model.layers if layer.name in names]
    frozen = [layer for layer in network.model.layers if layer.name not in names]
    times = operations_per_image(trained) / operations_per_image(frozen)
    assert (round(times) if times >= 10 else None) == HEAVY_UNET.get(name)
