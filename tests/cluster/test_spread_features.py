"""``tlkit run --cluster``: the workers of a cluster compute the features of the frozen part, to the same bytes."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from cats_and_dogs import run_bytes
from photos import write_photos
from recipe_text import recipe_text

import tlkit
from tlkit.cluster.ray_cluster import ClusterOptions
from tlkit.train import spread_features

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs SIGKILL")]

TWO = ClusterOptions("local", workers=2)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frozen")
    write_photos(folder / "photos", {"cat": 150, "dog": 150}, (40, 40))
    text = recipe_text(
        data={"name": "folder", "path": folder / "photos"},
        input={"image_size": 32, "batch_size": 8, "test": 0.1},
        backbone={"name": "MobileNetV2", "alpha": 0.35, "weights": "none"},
        schedule={"name": "frozen", "epochs": 3, "learning_rate": 0.01},
        augment={"name": "flip"},
        train={"engine": "litert", "cache": "on", "views": 2},
    )
    (folder / "r.toml").write_text(text, encoding="utf-8")
    return folder / "r.toml"


def cached(folder: Path) -> dict[str, bytes]:
    """Return the shards of cached features."""
    return {str(each.relative_to(folder)): each.read_bytes() for each in (folder / "features").rglob("*.shard")}


@pytest.fixture
def run(recipe, registry, tmp_path, monkeypatch, capfd):
    """Run the recipe with a cache of its own; return the cached features, the bytes of the run, and what was said."""

    def ran(name, *overrides, cluster=None):
        monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / f"cache-{name}"))
        capfd.readouterr()
        tlkit.run(recipe, overrides, tmp_path / name, registry=registry, cluster=cluster)
        return cached(tmp_path / f"cache-{name}"), run_bytes(tmp_path / name), capfd.readouterr().out

    return ran


def test_features_of_a_cluster_are_those_of_one_process(run):
    alone, model, said = run("alone")
    assert len(alone) > 5
    assert "worker 1 joined" not in said
    spread, same, said = run("spread", cluster=TWO)
    assert len(re.findall(r"worker \d joined: process \d+", said)) >= 2
    assert spread == alone
    assert same == model


def test_recipe_names_the_cluster_and_a_killed_worker_costs_its_batch_alone(run, monkeypatch):
    alone, model, _ = run("alone")
    from tlkit.system.progress import Reporter

    before, killed = Reporter.say, []

    def say(reporter, text, **options):
        before(reporter, text, **options)
        if not killed and (joined := re.search(r"joined: process (\d+)", text)):
            killed.append(int(joined[1]))
            os.kill(killed[0], signal.SIGKILL)

    monkeypatch.setattr(Reporter, "say", say)
    spread, same, said = run("spread", "cluster.address=local", "cluster.workers=2")
    assert killed
    assert f"(process {killed[0]}" in said
    assert "was lost" in said
    assert spread == alone
    assert same == model


@pytest.mark.parametrize("named", ["argument", "recipe"])
def test_resumed_run_has_the_cluster_compute_what_is_missing(named, recipe, registry, tmp_path, monkeypatch, capfd):
    own = ["cluster.address=local", "cluster.workers=2"] if named == "recipe" else []
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    tlkit.run(recipe, [*own, "schedule.epochs=1"], tmp_path / "alone", registry=registry)
    shutil.copytree(tmp_path / "alone", tmp_path / "spread")
    found = []
    for name in ("alone", "spread"):
        shutil.rmtree(tmp_path / "cache" / "features")
        capfd.readouterr()
        where = {"cluster": TWO} if named == "argument" and name == "spread" else {}
        tlkit.resume(tmp_path / name, ["schedule.epochs=3"], registry=registry, **where)
        assert ("joined: process" in capfd.readouterr().out) == (bool(where) or named == "recipe")
        found.append((cached(tmp_path / "cache"), run_bytes(tmp_path / name)))
    assert found[0] == found[1]


def test_many_images_of_the_evaluation_are_computed_by_workers_as_well(run, monkeypatch):
    alone, model, _ = run("alone")
    monkeypatch.setattr(spread_features, "MANY", 30)
    spread, same, said = run("spread", cluster=TWO)
    assert said.count("Cluster local: 2 workers") == 2  # for the training, and for the 30 images of the test
    assert spread == alone
    assert same == model


def test_features_that_tensorflow_computes_stay_in_this_process_which_says_so(run, tmp_path):
    _, _, said = run("spread", "train.engine=tensorflow", cluster=TWO)
    assert "TensorFlow computes the features, and here alone" in said
    assert "joined: process" not in said
    shutil.rmtree(tmp_path / "spread")
