"""The counts of an added metric are part of a checkpoint, so that a resumed epoch has the same values."""

from __future__ import annotations

import pytest

import tlkit
from tlkit.train.checkpoint import Checkpoints


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def test_a_run_killed_within_an_epoch_ends_with_the_same_values_of_added_metrics(
    tmp_path, registry, write_recipe, monkeypatch
):
    recipe = write_recipe(
        input={"image_size": 16, "batch_size": 256},
        backbone={"filters": [4], "convs": 1},
        schedule={"epochs": 1},
        train={"metrics": ["f1_score", "r2_score", "auc"], "checkpoint_steps": 2, "cache": "off"},
    )
    whole = tlkit.run(recipe, out=tmp_path / "whole", registry=registry, quiet=True).folder
    write, writes = Checkpoints.write, []

    def killed(self, *arguments):
        write(self, *arguments)
        writes.append(arguments)
        if len(writes) == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "write", killed)
        with pytest.raises(Killed):
            tlkit.run(recipe, out=tmp_path / "killed", registry=registry, quiet=True)
    assert not (tmp_path / "killed" / "metrics.json").exists()
    tlkit.resume(tmp_path / "killed", registry=registry, quiet=True)
    assert (tmp_path / "killed" / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
