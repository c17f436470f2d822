"""``tlkit run --cluster`` of recipes of which the workers of a cluster have nothing to compute."""

from __future__ import annotations

import pytest

import tlkit


@pytest.mark.parametrize(
    ("schedule", "why"),
    [("full", "nothing is frozen"), ("frozen", "the features are not cached")],
)
def test_a_cluster_that_computes_nothing_is_said_to(tmp_path, class_folders, write_recipe, capsys, schedule, why):
    recipe = write_recipe(
        data={"name": "folder", "path": class_folders({"cat": 4, "dog": 4})},
        input={"image_size": 16, "batch_size": 4},
        schedule={"name": schedule, "epochs": 1},
        train={"cache": "off"},
    )
    tlkit.run(recipe, out=tmp_path / "run", cluster="local")
    assert f"note: the cluster computes nothing in this phase, because {why}; its workers" in capsys.readouterr().out
