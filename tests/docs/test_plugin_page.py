"""The plugins on the page *Write a plugin* work together in a run, and each does what the page says."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import pytest
from command_line import Outcome, tlkit_command
from doc_blocks import blocks

PAGE = "docs/plugins.md"
PLUGINS = [block for block in blocks("python", PAGE) if "@tlkit.hookimpl" in block.text]
NAMES = [block.text.splitlines()[0].removeprefix("# ") for block in PLUGINS]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The folder and the outcome of a run with every plugin of the page, by the page's own recipe."""
    import numpy as np

    folder = tmp_path_factory.mktemp("plugins")
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 24, 24, 3), dtype=np.uint8)
    np.savez(folder / "arrays.npz", images=images, labels=np.array(["cat", "dog"] * 20))
    for name, block in zip(NAMES, PLUGINS, strict=True):
        (folder / name).write_text(block.text, encoding="utf-8")
    (recipe,) = [block for block in blocks("toml", PAGE) if tomllib.loads(block.text).get("name") == "all_mine"]
    (folder / "all_mine.toml").write_text(recipe.text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        outcome = tlkit_command(*plugin_options(), "run", "all_mine.toml", "--set", "input.image_size=24")
    assert outcome.code == 0, outcome.err
    return folder, outcome


def plugin_options() -> list[str]:
    return [option for name in NAMES for option in ("--plugin", name)]


@pytest.fixture
def folder(everything: tuple[Path, Outcome], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(everything[0])
    return everything[0]


def test_there_is_a_plugin_of_each_kind(folder):
    listed = tlkit_command(*plugin_options(), "plugins").out
    for offer in (
        "head: pooled",
        "backbone: tiny",
        "augmentation: noise",
        "schedule: last_block",
        "dataset: arrays",
        "exporter: zipped",
    ):
        assert offer in listed
    for hook in (
        "tlkit_commands",
        "tlkit_check_recipe",
        "tlkit_callbacks",
        "tlkit_phase_finished",
        "tlkit_run_finished",
    ):
        assert f"hook: {hook}" in listed
    assert "failed" not in listed


def test_the_head_the_backbone_and_the_classes_of_the_data_set_are_in_the_model(folder):
    import json

    card = json.loads((folder / "runs" / "all_mine-1" / "model.json").read_text())
    assert (card["head"]["name"], card["backbone"]["name"], card["classes"]) == ("pooled", "tiny", ["cat", "dog"])


def test_the_schedule_plans_the_phases_that_ran(folder):
    metrics = (folder / "runs" / "all_mine-1" / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in metrics[1:]] == ["head", "last"]


def test_the_callbacks_are_called_in_every_phase(folder):
    epochs = (folder / "runs" / "all_mine-1" / "epochs.txt").read_text().splitlines()
    assert [line.split()[:3] for line in epochs] == [["all_mine", "head", "0"], ["all_mine", "last", "0"]]


def test_the_end_of_each_phase_is_announced(everything):
    for phase in ("head", "last"):
        assert f"all_mine-1: {phase} ended with a validation loss of" in everything[1].out


def test_the_end_of_the_run_gives_a_note(everything):
    assert "note: all_mine has" in everything[1].out


def test_the_report_has_the_section(folder):
    assert "Our threshold" in (folder / "runs" / "all_mine-1" / "report.html").read_text(encoding="utf-8")


def test_the_check_of_recipes_finds_its_problem(folder):
    outcome = tlkit_command("--plugin", "house_rules.py", "validate", "quickstart", "--set", "input.batch_size=300")
    assert outcome.code == 2
    assert "input.batch_size=300: our cluster takes at most 256" in outcome.err


def test_the_augmentation_adds_noise_that_its_seed_alone_decides(folder, monkeypatch):
    import numpy as np
    import tensorflow as tf

    import tlkit

    monkeypatch.syspath_prepend(folder)
    noise = importlib.import_module("noise")
    augment = noise.build(tlkit.AugmentContext("classification", (8, 8), 2), noise.NoiseOptions())
    batch = {"images": tf.fill((2, 8, 8, 3), 100.0), "labels": tf.constant([0, 1])}
    first, again, other = (augment(batch, tf.constant(seed))["images"].numpy() for seed in ([1, 2], [1, 2], [1, 3]))
    assert (first == again).all()
    assert not (first == other).all()
    assert np.std(first) == pytest.approx(8.0, rel=0.3)


def test_the_export_format_gives_the_models_answers(folder):
    outcome = tlkit_command(*plugin_options(), "export", "runs/all_mine-1", "--format", "zipped")
    assert outcome.code == 0, outcome.err
    assert "kept" in outcome.out
    file = folder / "runs" / "all_mine-1" / "exports" / "model.savedmodel.zip"
    np = importlib.import_module("numpy")
    np.save("one.npy", np.zeros((24, 24, 3), np.uint8))
    refused = tlkit_command(*plugin_options(), "predict", file, "one.npy")
    assert refused.code == 2
    assert "give --trust" in refused.err


def test_the_command_counts_the_images(bench):
    (block,) = [each for each in PLUGINS if each.text.startswith("# count_command.py")]
    Path("count_command.py").write_text(block.text, encoding="utf-8")
    assert tlkit_command("--plugin", "count_command.py", "count", "photos").out == "cat: 12\ndog: 12\n"
