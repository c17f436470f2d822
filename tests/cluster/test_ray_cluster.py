"""A real Ray cluster on this machine: results in order, lost workers, the bytes of folds, and errors within seconds."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import cluster_parts
import pytest
from cats_and_dogs import TABLES, run_bytes, write_cats_and_dogs
from waiting import wait_until

import tlkit
from tlkit.cluster import ray_cluster
from tlkit.cluster.reaching import check_address
from tlkit.jobs.folds.cross_validation import FoldOptions, cross_validate
from tlkit.recipe.cluster_table import ClusterTable
from tlkit.recipe.load import load_recipe

pytest.importorskip("ray")
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs SIGKILL and /proc")

LOCAL = ray_cluster.ClusterOptions("local", workers=2, restarts=1)
SAME = (*TABLES, "model.json", "model.tflite")


@pytest.fixture(scope="module")
def said():
    """What the cluster has said."""
    return []


@pytest.fixture(scope="module")
def cluster(said):
    handler = signal.getsignal(signal.SIGTERM)
    with ray_cluster.joined(LOCAL, said.append) as found:
        assert signal.getsignal(signal.SIGTERM) is handler
        yield found
    assert not descendants("raylet")


def processes() -> dict[int, tuple[int, str]]:
    """Return the processes of this machine: number → the parent's number, and the command."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(folder.name)] = parent, (folder / "cmdline").read_bytes().decode().replace("\0", " ")
        except OSError:
            continue
    return found


def descendants(text: str) -> list[int]:
    """Return the processes below this one whose command has a text."""
    found = processes()

    def is_below(number: int) -> bool:
        while number in found and number != os.getpid():
            number = found[number][0]
        return number == os.getpid()

    return [number for number, (_, command) in found.items() if text in command and is_below(number)]


@pytest.mark.slow
def test_results_come_in_the_order_of_the_parts(cluster):
    assert cluster.room == 2
    assert list(cluster.run(cluster_parts.squared, range(6))) == [0, 1, 4, 9, 16, 25]


@pytest.mark.slow
def test_parts_are_taken_only_when_there_is_room(cluster):
    taken = []
    results = cluster.run(cluster_parts.squared, (taken.append(each) or each for each in range(100)), ahead=3)
    assert next(results) == 0
    assert len(taken) <= 4
    results.close()


@pytest.mark.slow
def test_errors_of_tlkit_come_as_they_are_and_bugs_with_their_traceback(cluster):
    found = []
    with pytest.raises(tlkit.DataError, match=r"the file 2\.png: is damaged"):
        found.extend(cluster.run(cluster_parts.refused, range(5)))
    with pytest.raises(ZeroDivisionError, match="return part // 0"):
        list(cluster.run(cluster_parts.wrong, range(2)))


@pytest.mark.slow
def test_a_part_whose_worker_is_killed_is_tried_again(cluster, said, tmp_path):
    said.clear()
    files = [tmp_path / name for name in "abc"]
    assert list(cluster.run(cluster_parts.killed_once, files)) == ["a", "b", "c"]
    assert len([line for line in said if "tried again: a worker was lost" in line]) == 3
    with pytest.raises(tlkit.RunError, match="part 1 failed 2 times: a worker was lost"):
        list(cluster.run(cluster_parts.killed, [0]))


@pytest.mark.slow
def test_workers_import_what_this_process_imports_and_nothing_from_the_current_folder(cluster, tmp_path, monkeypatch):
    [found] = cluster.run(cluster_parts.surroundings, [0])
    assert found["tlkit"] == tlkit.__file__
    assert str(Path.cwd()) not in found["path"] or str(Path.cwd()) in sys.path
    assert found["threads"] == os.environ.get("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))


@pytest.mark.slow
def test_a_cluster_that_was_joined_before_is_used_and_left_as_it_was(cluster):
    import ray

    with ray_cluster.joined(ray_cluster.ClusterOptions("local")) as inner:
        assert list(inner.run(cluster_parts.squared, [3])) == [9]
    assert ray.is_initialized()
    with (
        pytest.raises(tlkit.DataError, match="no machine of it has 1000 processors and 0 GPUs for a worker"),
        ray_cluster.joined(ray_cluster.ClusterOptions("local", cpus=1000)),
    ):
        pass


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return write_cats_and_dogs(tmp_path_factory.mktemp("spread"), epochs=4)


def results(folder: Path) -> dict[str, bytes]:
    """Return what must not depend on where the folds run."""
    found = {name: (folder / name).read_bytes() for name in ("folds.json", "predictions.csv", "model.json")}
    for number in (1, 2):
        run = folder / f"fold-{number}"
        found |= {f"{run.name}/{name}": content for name, content in run_bytes(run, SAME).items()}
        found |= {f"{run.name}/{each.name}": each.read_bytes() for each in (run / "pictures").iterdir()}
    return found


def kill_worker_of(folder: Path, killed: list[int]) -> None:
    """Kill the worker that has started the process of a fold, once that has finished an epoch."""
    log = folder.with_name(f"{folder.name}.log")
    wait_until(lambda: log.exists() and "epoch 1/" in log.read_text(errors="replace"), "the first epoch")
    [fold] = descendants(f"--out {folder} ")
    killed.append(processes()[fold][0])
    os.kill(killed[0], signal.SIGKILL)


@pytest.mark.slow
def test_folds_on_a_cluster_have_the_bytes_of_those_on_this_machine_though_a_worker_is_killed(
    cluster, recipe, registry, tmp_path, capfd
):
    cross_validate(recipe, 2, out=tmp_path / "here", registry=registry, options=FoldOptions(jobs=2), quiet=True)
    killed: list[int] = []
    killer = threading.Thread(target=kill_worker_of, args=(tmp_path / "there" / "fold-1", killed))
    killer.start()
    overrides = ["cluster.workers=2"]
    cross_validate(recipe, 2, overrides, tmp_path / "there", registry=registry, options=FoldOptions(cluster="local"))
    killer.join()
    assert killed
    assert "fold 1: its worker was lost; it goes on from its last state in another" in capfd.readouterr().out
    assert results(tmp_path / "there") == results(tmp_path / "here")


def test_without_ray_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(tlkit.DataError, match=r'needs the package ray, .*: pip install "tlkit\[cluster\]"'),
        ray_cluster.joined(ray_cluster.ClusterOptions("local")),
    ):
        pass


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("here", r"expected local, auto, or the address of a cluster such as 10\.0\.0\.1:6379"),
        ("127.0.0.1:99999", "expected local, auto, or the address"),
        ("127.0.0.1:{closed}", "can't be reached: Connection refused"),
        ("no-such-host.invalid:6379", "can't be reached"),
        ("127.0.0.1:{web}", "what answers there is not a Ray cluster"),
        ("127.0.0.1:{silent}", "no answer within 1 s"),
    ],
)
def test_a_wrong_address_is_said_within_seconds(address, message, monkeypatch):
    """Ray itself tries for minutes."""
    monkeypatch.setattr("tlkit.cluster.reaching._SECONDS", 1.0)
    web = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    with socket.socket() as silent, socket.socket() as closed:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        closed.bind(("127.0.0.1", 0))
        named = address.format(web=web.server_port, silent=silent.getsockname()[1], closed=closed.getsockname()[1])
        begun = time.monotonic()
        with pytest.raises(tlkit.DataError, match=message) as caught:
            check_address(named)
        assert time.monotonic() - begun < 30
        assert f"--cluster {named}: " in str(caught.value)
    web.shutdown()
    web.server_close()


@pytest.mark.slow
def test_a_cluster_that_answers_is_an_address(cluster):
    import ray

    check_address(ray.get_runtime_context().gcs_address)


def test_the_command_line_wins_over_the_recipe(recipe, registry):
    table = load_recipe(recipe, registry, ["cluster.address=auto", "cluster.workers=3", "cluster.gpus=0.5"]).cluster
    assert ray_cluster.cluster_options(None, table) == ray_cluster.ClusterOptions("auto", 3, 1.0, 0.5, 2)
    assert ray_cluster.cluster_options("local", table) == ray_cluster.ClusterOptions("local", 3, 1.0, 0.5, 2)
    assert ray_cluster.cluster_options(None, ClusterTable()) is None
    assert "cluster" not in load_recipe(recipe, registry, ["cluster.address=auto"]).values
