"""A training of two workers on two machines that have one folder in common, and neither a cache nor a home."""

from __future__ import annotations

import json

import pytest
from same_runs import assert_same
from two_machines import two_machines
from worker_runs import finished, write_recipe

pytest.importorskip("ray")

pytestmark = pytest.mark.slow


def test_two_machines_train_to_the_bytes_of_two_workers_of_one(tmp_path, monkeypatch):
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    (own / "cache").mkdir(parents=True)
    recipe = write_recipe(shared)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")
    finished(tmp_path / "one", "run", recipe, "--out", tmp_path / "one", "--workers", 2)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    monkeypatch.setenv("TLKIT_CACHE", str(own / "cache"))
    folder = shared / "run"
    with two_machines(f"mount -t tmpfs tmpfs {own} && mkdir {own}/cache") as machines:
        # With both processors of a machine for each, every worker is on a machine of its own.
        ended = machines.tlkit(
            *("run", recipe, "--out", folder, "--workers", 2, "--cluster", machines.address),
            *("--set", "cluster.cpus=2"),
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Workers: 2 train together" in ended.stdout
    trained = json.loads((folder / "workers.json").read_text())
    assert [worker["rank"] for worker in trained["workers"]] == [0, 1]
    assert trained["losses"] == []
    assert_same(folder, tmp_path / "one")
