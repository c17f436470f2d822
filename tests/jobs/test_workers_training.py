"""``tlkit run --workers``: the run of two processes is that of one, and says so."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from command_line import tlkit_command
from worker_runs import finished, write_recipe

import tlkit
from tlkit.jobs.workers.count import workers_of
from tlkit.jobs.workers.training import WorkerOptions, run_on_workers
from tlkit.registry.discovery import make_registry


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of a run of two workers, that of the same run of one process, and what the first said."""
    root = tmp_path_factory.mktemp("workers")
    schedule = {"name": "two_phase", "head_epochs": 2, "finetune_epochs": 2, "unfreeze_from": "all"}
    rates = {"learning_rate": 0.01, "finetune_learning_rate": 0.01, "optimizer": {"name": "sgd", "momentum": 0.9}}
    recipe = write_recipe(root, schedule={**schedule, **rates}, train={"checkpoint_steps": 3})
    said = finished(root / "two", "run", recipe, "--out", root / "two", "--workers", "2")
    tlkit.run(recipe, out=root / "one", quiet=True)
    return root / "two", root / "one", said


def weights(folder):
    import io
    import zipfile

    with (
        zipfile.ZipFile(folder / "model.keras") as archive,
        h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as f,
    ):
        found = {}
        f.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def test_the_weights_are_those_of_one_process(runs):
    two, one, _ = runs
    ours, theirs = weights(two), weights(one)
    assert ours.keys() == theirs.keys()
    assert max(np.abs(ours[name] - theirs[name]).max() for name in ours if ours[name].size) <= 1e-6


def test_the_run_folder_is_that_of_one_process_and_says_who_trained(runs):
    two, one, _ = runs
    more = {"workers", "workers.json"}
    assert {file.name for file in two.iterdir()} == {file.name for file in one.iterdir()} | more
    assert sorted(file.name for file in (two / "workers").iterdir()) == ["worker-0.log", "worker-1.log"]
    assert (two / "samples.csv").read_bytes() == (one / "samples.csv").read_bytes()
    trained = json.loads((two / "workers.json").read_text())
    images = json.loads((two / "metrics.json").read_text())
    assert images.keys() == json.loads((one / "metrics.json").read_text()).keys()
    assert [worker["rank"] for worker in trained["workers"]] == [0, 1]
    count = len([line for line in (two / "samples.csv").read_text().splitlines() if ",train," in line])
    assert sum(worker["images"] for worker in trained["workers"]) == 4 * count
    assert all(worker["computing"] > 0 for worker in trained["workers"])
    assert trained["losses"] == []
    assert workers_of(two) == 2
    assert workers_of(one) == 1


def test_the_chief_alone_is_heard_and_names_all_who_joined(runs):
    _, _, said = runs
    assert said.count("Run folder: ") == 1
    assert "Workers: 2 train together" in said
    assert "worker 1 joined: " in said
    assert "features are not cached: 2 epochs would each see different images" in said
    assert said.count("epoch 2/2") >= 1


def test_the_report_has_a_table_of_the_workers(runs):
    two, one, _ = runs
    assert '<section id="workers">' in (two / "report.html").read_text()
    assert '<section id="workers">' not in (one / "report.html").read_text()
    assert tlkit_command("report", two).code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "0"], "0 is not in the range x>=1"),
        (["--workers", "6"], "input.batch_size: is 5, and each of --workers 6 trains on rows of its own"),
        (["--workers", "2", "--folds", "3"], "--folds and --workers contradict each other"),
        (["--restarts", "3"], "--restarts is for the workers of a training; give --workers N"),
        (["--restarts", "3", "--workers", "1"], "--restarts is for the workers"),
        (["--jobs", "2"], "--jobs is the number of folds to run at the same time; give --folds N, too"),
        (["--folds", "2", "--jobs", "2", "--cluster", "local"], "--jobs and --cluster contradict each other"),
        (["--workers", "2", "--set", "head.dropot=1"], "head.dropot"),
        (["--workers", "2", "--set", "data.path=nowhere"], "nowhere"),
    ],
    ids=["none", "too many", "folds", "restarts", "one worker", "jobs", "jobs and cluster", "wrong key", "no data"],
)
def test_what_cannot_work_is_refused_before_a_worker_starts(tmp_path, options, message):
    outcome = tlkit_command("run", write_recipe(tmp_path), "--out", tmp_path / "run", *options)
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "run").exists()


def test_more_workers_than_gpus_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    outcome = tlkit_command("run", write_recipe(tmp_path), "--out", tmp_path / "run", "--workers", "2")
    assert outcome.code == 1
    assert "this machine has 1 GPU; expected one for each worker" in outcome.err


def test_a_plugin_that_is_an_object_is_refused(tmp_path):
    registry = make_registry()
    registry.add(object(), next(iter(registry.sources.values())), "object:1:mine")
    with pytest.raises(tlkit.PluginError, match="each worker runs in another"):
        run_on_workers(write_recipe(tmp_path), (), tmp_path / "run", WorkerOptions(2), registry=registry)


def test_a_sweep_has_no_workers_of_a_training(tmp_path):
    (tmp_path / "sweep.toml").write_text("")
    assert "--workers, --restarts and --gpus are for runs" in tlkit_command("resume", tmp_path, "--workers", "2").err
