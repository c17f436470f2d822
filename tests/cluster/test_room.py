"""More processors or GPUs for a worker than a machine has: said before anything starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_line import tlkit_command
from worker_runs import write_recipe

from tlkit.cluster.ray_cluster import ClusterOptions, reachable
from tlkit.errors import DataError
from tlkit.system.parallel import usable_processors

pytest.importorskip("ray")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Ray has no cluster there")


@pytest.mark.parametrize("workers", [None, 2])
def test_processors_that_this_machine_does_not_have(workers: int | None) -> None:
    there = usable_processors()
    message = rf"^--cluster local: a worker is to have 1000 processors \(cluster\.cpus\), and this machine has {there};"
    with pytest.raises(DataError, match=message):
        reachable(ClusterOptions("local", workers, cpus=1000))


def test_gpus_that_this_machine_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(DataError, match=r"a worker is to have 0\.5 GPUs \(cluster\.gpus\), and this machine has none"):
        reachable(ClusterOptions("local", gpus=0.5))


def test_more_workers_than_processors_share_them() -> None:
    options = ClusterOptions("local", workers=usable_processors() + 3)
    assert reachable(options) is options


@pytest.mark.parametrize(
    "verb", [("run",), ("run", "--workers", "2"), ("run", "--folds", "2"), ("check",)], ids=lambda verb: " ".join(verb)
)
def test_it_is_said_before_any_image_is_looked_for(tmp_path: Path, verb: tuple[str, ...]) -> None:
    (tmp_path / "empty").mkdir()
    changes = ("--set", "cluster.cpus=1000", "--set", f"data.path={tmp_path / 'empty'}", "--cluster", "local")
    outcome = tlkit_command(verb[0], write_recipe(tmp_path), *verb[1:], *changes)
    assert outcome.code == 2
    assert "a worker is to have 1000 processors (cluster.cpus)" in outcome.err
