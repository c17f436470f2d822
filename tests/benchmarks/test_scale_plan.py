"""The arithmetic of the plan for many machines, ``scale_plan.py``, with costs that are easy to add up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scale_plan import Costs, Images, Machines, Training, fine_tuning, frozen_pass, head, listing, ring

COSTS = Costs(
    decode=0.002,
    passes={"litert": 0.008},
    head=1e-5,
    step=1e-3,
    train=0.5,
    task=1e-3,
    listing=1e-5,
    row=9e-5,
    reduced=1e9,
    kept=1e8,
)
IMAGES = Images(1000, stored=100e3, side=100, features=250)


def test_the_list_is_read_by_one_process_whatever_the_number_of_machines():
    stage = listing(IMAGES, COSTS)
    assert stage.seconds == pytest.approx(0.1)
    assert stage.limit == "the first process"


@pytest.mark.parametrize(("processes", "seconds"), [(1, 10), (2, 5), (4, 5), (8, 5)])
def test_two_cores_gain_nothing_from_more_than_two_processes(processes, seconds):
    stage = frozen_pass(IMAGES, Machines(workers=processes, cores=2), COSTS, "litert")
    assert stage.seconds == pytest.approx(seconds)
    assert stage.limit == "backbone"


def test_threads_and_processes_share_the_cores():
    two_threads = frozen_pass(IMAGES, Machines(threads=2, cores=2), COSTS, "litert")
    both = frozen_pass(IMAGES, Machines(workers=2, threads=2, cores=2), COSTS, "litert")
    assert two_threads.seconds == both.seconds == pytest.approx(5)


def test_a_slow_folder_limits_a_pass_of_many_machines():
    machines = Machines(count=100, cores=2, threads=2, storage=1e7)
    stage = frozen_pass(IMAGES, machines, COSTS, "litert")
    assert stage.limit == "shared folder"
    assert stage.seconds == pytest.approx(1000 * (100e3 + 4 * 250) / 1e7)
    assert stage.moved == pytest.approx(1000 * 101e3 / 100)


def test_a_slow_network_limits_a_pass_of_many_machines():
    machines = Machines(count=10, cores=20, threads=20, link=1e6)
    stage = frozen_pass(IMAGES, machines, COSTS, "litert")
    assert stage.limit == "network"
    assert stage.seconds == pytest.approx(100 * 101e3 / 1e6)


def test_handing_out_blocks_limits_a_pass_of_very_many_machines():
    images = replace(IMAGES, count=1_000_000, stored=0.0)
    machines = Machines(count=1_000_000, cores=2, threads=2, storage=1e15)
    stage = frozen_pass(images, machines, COSTS, "litert", block=100)
    assert stage.limit == "the first process"
    assert stage.seconds == pytest.approx(10)


def test_a_ring_sends_twice_the_gradients_and_waits_for_each_neighbour():
    assert ring(1e9, 1, 1e9, 1e-3) == 0
    assert ring(1e9, 2, 1e9, 0) == pytest.approx(1)
    assert ring(1e9, 100, 1e9, 0) == pytest.approx(1.98)
    assert ring(0, 64, 1e9, 1e-3) == pytest.approx(0.126)


def test_a_step_of_fine_tuning_is_its_images_then_its_gradients():
    training = Training(weights=25_000_000, epochs=2, batch=100, checkpoints=1)
    one = fine_tuning(IMAGES, training, Machines(), COSTS)
    assert one.parts["processors"] == pytest.approx(2 * 1000 * 0.5 + 20 * 1e-3)
    assert one.parts["summing gradients"] == 0
    assert one.parts["checkpoints"] == pytest.approx(3)
    assert one.beside == {}
    four = fine_tuning(IMAGES, training, Machines(count=4, threads=2, link=1e8, latency=0, storage=1e9), COSTS)
    assert four.parts["processors"] == pytest.approx(2 * 1000 * 0.5 / 8 + 20 * 1e-3)
    assert four.parts["summing gradients"] == pytest.approx(20 * 1.5)
    assert four.seconds == pytest.approx(sum(four.parts.values()))


def test_the_last_batch_costs_a_step_too():
    training = Training(weights=1, epochs=1, batch=999)
    assert head(IMAGES, training, Machines(), COSTS).parts["processors"] == pytest.approx(1000 * 1e-5 + 2 * 1e-3)


def test_a_head_of_many_workers_is_limited_by_messages():
    training = Training(weights=1000, epochs=10, batch=10)
    machines = Machines(count=64, threads=2, latency=1e-3)
    stage = head(IMAGES, training, machines, COSTS)
    assert stage.limit == "summing gradients"
    assert stage.seconds > head(IMAGES, training, Machines(threads=2), COSTS).seconds
