"""``tlkit run --workers --cluster``: Ray Train starts the workers, and the run is that of workers of this machine."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from same_runs import assert_same
from waiting import wait_until
from worker_runs import WorkerRun, finished, logs, write_recipe

from tlkit.cluster.options import ClusterOptions
from tlkit.cluster.ray_cluster import Cluster
from tlkit.errors import DataError

pytest.importorskip("ray")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A recipe, and the folder of its run of two workers of one thread each."""
    root = tmp_path_factory.mktemp("ray")
    # So many epochs that a worker is killed while it trains.
    schedule = {"epochs": 12, "learning_rate": 0.01, "optimizer": {"name": "sgd", "momentum": 0.9}}
    recipe = write_recipe(root, schedule=schedule)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_NUM_INTRAOP_THREADS", "1")
        finished(root / "whole", "run", recipe, "--out", root / "whole", "--workers", "2")
    return recipe, root / "whole"


def test_a_run_on_a_cluster_ends_with_the_same_bytes(undisturbed, tmp_path):
    recipe, whole = undisturbed
    said = finished(tmp_path / "run", "run", recipe, "--out", tmp_path / "run", "--workers", 2, "--cluster", "local")
    assert "Workers: 2 train together" in said
    assert said.count("Run folder: ") == 1
    assert sorted(file.name for file in (tmp_path / "run" / "workers").iterdir()) == ["worker-0.log", "worker-1.log"]
    assert_same(tmp_path / "run", whole)


def test_a_worker_that_is_killed_on_a_cluster_costs_a_restart(undisturbed, tmp_path):
    recipe, whole = undisturbed
    folder = tmp_path / "run"
    run = WorkerRun(folder, "run", recipe, "--out", folder, "--workers", 2, "--cluster", "local")
    os.kill(run.wait_for_steps(4)[1]["pid"], signal.SIGKILL)
    wait_until(lambda: run.losses() == 1, "the loss", run.process)
    said = run.end()
    assert run.process.returncode == 0, said + logs(folder)
    assert_same(folder, whole)


def test_more_workers_than_there_is_room_for_are_refused(tmp_path):
    from tlkit.cluster.ray_workers import RayWorkers

    cluster = Cluster(ClusterOptions("10.0.0.1:6379", workers=3, cpus=4.0), room=2, say=print)
    logs = [tmp_path / f"worker-{rank}.log" for rank in range(3)]
    with pytest.raises(DataError, match=r"--workers 3: the cluster 10\.0\.0\.1:6379 has room for 2 with 4 processors"):
        RayWorkers(cluster, "none", ["{}"] * 3, logs, tmp_path / "prints")
    assert not list(tmp_path.iterdir())
