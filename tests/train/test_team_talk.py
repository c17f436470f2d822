"""What workers tell each other, and what becomes of workers that are not alike; real processes."""

from __future__ import annotations

import pytest
from teams import facts, finish, largest_difference, start_processes, trained
from test_team_training import write_recipes

pytestmark = pytest.mark.slow

TALK = """
from tlkit.system.tensorflow import start_tensorflow
start_tensorflow()
from tlkit.errors import RunError
from tlkit.train.team import Team
team = Team.joined()
print("told", team.told(f"from {team.rank}: ünïcode"))
print("any", team.any(team.rank == 1), team.any(False))
team.barrier("the end")
try:
    team.same(f"weights of {team.rank % 2}", "phase head ends: the state of the training")
except RunError as error:
    print("error", error)
"""


def test_workers_hear_the_chief_and_notice_who_differs():
    workers = start_processes(3, ["-c", TALK])
    outputs = finish(workers)
    assert [worker.returncode for worker in workers] == [0, 0, 0], outputs
    for output in outputs:
        assert "told from 0: ünïcode" in output
        assert "any True False" in output
        assert (
            "error phase head ends: the state of the training differs from that of worker 0 on worker 1; expected the "
            "same on all 3 workers" in output
        )


def test_workers_without_a_common_cache_compute_features_in_the_run_folder(tmp_path):
    recipes = write_recipes(tmp_path, ("cached",))
    one = trained(1, tmp_path / "one", recipes, TLKIT_CACHE=str(tmp_path / "cache-of-one")) / "cached"
    caches = str(tmp_path / "cache-{rank}")
    two = trained(2, tmp_path / "two", recipes, TLKIT_CACHE=caches) / "cached"
    assert [facts(two, rank)["cached"] for rank in range(2)] == [True, True]
    assert "is not the same folder for all workers" in " ".join(facts(two)["said"])
    assert sum(facts(two, rank)["computed"] for rank in range(2)) == facts(one)["computed"]
    assert largest_difference(one, two) <= 1e-6
