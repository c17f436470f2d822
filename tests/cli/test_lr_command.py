"""``tlkit lr``."""

from __future__ import annotations

import re

import pytest
from command_line import tlkit_command
from PIL import Image


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, write_recipe):
    monkeypatch.chdir(tmp_path)
    write_recipe(
        "trial.toml",
        name="trial",
        input={"image_size": 16, "batch_size": 64},
        backbone={"name": "small_cnn", "filters": [8]},
        schedule={"name": "two_phase", "unfreeze_from": "all"},
    )
    return tmp_path


def test_a_rate_is_suggested_and_only_the_plot_is_written(folder):
    before = (folder / "trial.toml").read_bytes()
    outcome = tlkit_command("lr", "trial.toml", "--from", "1e-6", "--to", "10", "--steps", "60", "--phase", "finetune")
    assert outcome.code == 0, outcome.err
    found = re.search(r"Suggested learning rate of phase finetune: (\S+) \(the recipe has 1e-05\)", outcome.out)
    assert found
    assert 1e-5 < float(found[1]) < 1
    assert {path.name for path in folder.iterdir()} == {"trial.toml", "trial-lr.png"}
    assert (folder / "trial.toml").read_bytes() == before
    with Image.open("trial-lr.png") as image:
        assert image.width > 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--phase", "finetun"), 'no phase "finetun"; did you mean "finetune"'),
        (("--from", "1", "--to", "0.1"), "--from 1 is not below --to 0.1"),
        (("--out", "trial.toml"), "trial.toml: already exists"),
    ],
)
def test_a_range_test_that_is_not_possible_says_why(arguments, message):
    outcome = tlkit_command("lr", "trial.toml", *arguments)
    assert outcome.code != 0
    assert message in outcome.err
