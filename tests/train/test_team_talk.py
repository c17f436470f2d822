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
print("nothing", team.told("") == "")
print("any", team.any(team.rank == 1), team.any(False))
team.barrier("the end")
try:
    team.same(f"weights of {team.rank % 2}", "phase head ends: the state of the training")
except RunError as error:
    print("error", error)
"""

WAIT = """
import time
from tlkit.system.tensorflow import start_tensorflow
start_tensorflow()
import keras
import tensorflow as tf
from tlkit.train.shared_batch import RowsOfBatch, layers_shared
from tlkit.train.team import Team

team = Team.joined()

def slept(values):
    if team.rank == 1:
        time.sleep(0.5)
    return values

def slow(values):
    again = tf.numpy_function(slept, [values], tf.float32)
    again.set_shape(values.shape)
    return again

class Slow(keras.layers.Layer):
    def __init__(self, forwards):
        super().__init__()
        self.forwards = forwards

    def call(self, inputs):
        way = (slow, tf.identity) if self.forwards else (tf.identity, slow)
        return tf.custom_gradient(lambda here: (way[0](here), way[1]))(inputs)

# The first layer's gradient has to come through the backward sum of the normalization.
layers = [keras.layers.Dense(4), Slow(True), keras.layers.BatchNormalization(), Slow(False), keras.layers.Dense(1)]
model = keras.Sequential([keras.Input((4,)), *layers])
values = [each.value for each in model.trainable_variables]

def rows_of(images):
    rows = RowsOfBatch(team, tf.constant([4 * team.rank, 8]), tf.constant(4))
    with layers_shared(model, lambda: rows), tf.GradientTape() as tape:
        total = tf.reduce_sum(model(images, training=True))
    return team.sum(tape.gradient(total, values))

step = tf.function(lambda images: team.run(rows_of, (images,)), autograph=False)
images = tf.constant(keras.random.normal((4, 4), seed=team.rank))
step(images)
before = float(team.waited.numpy())
for _ in range(4):
    step(images)
print("waited", float(team.waited.numpy()) - before)
"""


def test_a_worker_counts_its_waits_within_batch_normalization_forwards_and_backwards():
    """Else a slow worker would seem to compute hardly longer than those that wait for it."""
    workers = start_processes(2, ["-c", WAIT])
    outputs = finish(workers)
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    fast, slow = (float(output.rpartition("waited ")[2]) for output in outputs)
    assert fast >= 0.9 * 4 * 2 * 0.5
    assert slow <= 0.5 * fast


def test_workers_hear_the_chief_and_notice_who_differs():
    workers = start_processes(3, ["-c", TALK])
    outputs = finish(workers)
    assert [worker.returncode for worker in workers] == [0, 0, 0], outputs
    for output in outputs:
        assert "told from 0: ünïcode" in output
        assert "nothing True" in output
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
