"""A model of what a pass and a training cost on many machines, with figures that were measured on one.

A stage takes as long as its workers are busy, or as what they share: the network of a machine, the folder that all
read, or the one process that hands out the work. ``scale_figures.py`` measures the costs; the machines are assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

GIGABIT = 1e9 / 8
"""Bytes a second."""


@dataclass(frozen=True)
class Costs:
    """What was measured on one machine, in seconds of one processor where nothing else is said.

    Args:
        decode: reading, decoding and resizing an image.
        passes: engine → a frozen backbone's pass of an image.
        head: a step of the head on features, for each of their images.
        step: what a training step costs besides, such as starting it and moving its results.
        train: an image's forward and backward pass through the whole backbone.
        task: handing a block of images to a worker, on the process that hands them out; wall time.
        listing: listing a file of a folder on a local disk, on that process.
        row: reading the row of an image from a table, checking, splitting and recording it, on that process.
        reduced: bytes a second of an all-reduce between two processes on 127.0.0.1.
        kept: bytes a second of writing a checkpoint, its digest included.
    """

    decode: float
    passes: Mapping[str, float]
    head: float
    step: float
    train: float
    task: float
    listing: float
    row: float
    reduced: float
    kept: float


@dataclass(frozen=True)
class Machines:
    """Machines of one kind.

    Args:
        count: how many.
        workers: processes on each.
        threads: threads of each process.
        cores: processors of each machine.
        link: bytes a second of a machine's network.
        latency: seconds of a message between two machines.
        storage: bytes a second that the shared folder gives all of them together.
        opening: seconds of opening a file in the shared folder, which each thread waits for.
    """

    count: int = 1
    workers: int = 1
    threads: int = 1
    cores: int = 2
    link: float = 10 * GIGABIT
    latency: float = 1e-4
    storage: float = 1e9
    opening: float = 0.0

    @property
    def all_workers(self) -> int:
        """The number of processes."""
        return self.count * self.workers

    @property
    def busy(self) -> int:
        """How many processors work at a time: no more than there are, whatever the number of processes."""
        return self.count * min(self.workers * self.threads, self.cores)


@dataclass(frozen=True)
class Images:
    """The images of a job.

    Args:
        count: how many.
        stored: bytes of a file.
        side: height and width at which they are decoded.
        features: float32 numbers that are kept of each, of the frozen backbone's output.
    """

    count: int
    stored: float = 100e3
    side: int = 224
    features: int = 1280

    @property
    def decoded(self) -> int:
        """Bytes of a decoded image."""
        return self.side * self.side * 3

    @property
    def kept(self) -> int:
        """Bytes of an image's features."""
        return 4 * self.features


@dataclass(frozen=True)
class Training:
    """What is trained.

    Args:
        weights: how many are trained.
        epochs: how often all images are seen.
        batch: images of a step, of all workers together.
        checkpoints: how many are written.
    """

    weights: int
    epochs: int = 10
    batch: int = 1024
    checkpoints: int = 10

    @property
    def gradient(self) -> int:
        """Bytes of the gradients of a step."""
        return 4 * self.weights


@dataclass(frozen=True)
class Stage:
    """A stage of a job.

    Args:
        name: what happens.
        parts: what each worker does in turn → seconds.
        beside: what is busy meanwhile → seconds.
        moved: bytes that the network of each machine moves.
    """

    name: str
    parts: Mapping[str, float]
    beside: Mapping[str, float] = field(default_factory=dict)
    moved: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it takes: as long as the workers, or as what they wait for."""
        return max(sum(self.parts.values()), *self.beside.values(), 0.0)

    @property
    def limit(self) -> str:
        """What saturates: what is busy for all of the time, or what the workers do most of it."""
        busy = max(self.beside, key=self.beside.__getitem__, default="")
        if busy and self.beside[busy] > sum(self.parts.values()):
            return busy
        return max(self.parts, key=self.parts.__getitem__)


def ring(bytes_: float, workers: int, rate: float, latency: float) -> float:
    """Return the seconds of an all-reduce by a ring: 2 (N - 1) messages, each of an N-th of the bytes.

    The formula is that of Patarasu and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of
    workstations".
    """
    return 2 * (workers - 1) * (bytes_ / workers / rate + latency)


def listing(images: Images, costs: Costs) -> Stage:
    """Return the stage in which one process reads the list of images, splits it and records it."""
    return Stage("list, split, record", {"the first process": images.count * (costs.listing + costs.row)})


def frozen_pass(images: Images, machines: Machines, costs: Costs, engine: str, block: int = 512) -> Stage:
    """Return the pass of a frozen backbone over all images, which keeps their features.

    Args:
        images: the images.
        machines: where it runs.
        costs: what was measured.
        engine: the engine for the backbone.
        block: how many images are handed to a worker at a time.
    """
    moved = images.count * (images.stored + images.kept)
    return Stage(
        "pass of the frozen backbone",
        {
            "decoding": images.count * costs.decode / machines.busy,
            "backbone": images.count * costs.passes[engine] / machines.busy,
            "opening files": images.count * machines.opening / (machines.all_workers * machines.threads),
        },
        {**_moving(moved / machines.count, moved, machines), "the first process": images.count / block * costs.task},
        moved / machines.count,
    )


def head(images: Images, training: Training, machines: Machines, costs: Costs) -> Stage:
    """Return the training of a head on kept features, its batches cut among all workers."""
    return _training("training of the head", training, images, machines, costs, costs.head, images.kept)


def fine_tuning(images: Images, training: Training, machines: Machines, costs: Costs) -> Stage:
    """Return the training of the whole network on images that are kept decoded."""
    return _training("fine-tuning", training, images, machines, costs, costs.train, images.decoded)


def _training(
    name: str, training: Training, images: Images, machines: Machines, costs: Costs, each: float, read: float
) -> Stage:
    steps = training.epochs * -(-images.count // training.batch)
    seen = training.epochs * images.count
    several = machines.count > 1
    rate, latency = (min(costs.reduced, machines.link), machines.latency) if several else (costs.reduced, 0.0)
    crossing = 2 * training.gradient * (1 - 1 / machines.all_workers) * steps * machines.workers if several else 0.0
    moved = seen * read / machines.count + crossing
    return Stage(
        name,
        {
            "processors": seen * each / machines.busy + steps * costs.step,
            "summing gradients": steps * ring(training.gradient, machines.all_workers, rate, latency),
            "checkpoints": training.checkpoints * 3 * training.gradient / costs.kept,  # and two moments of each weight
        },
        _moving(moved, seen * read, machines),
        moved,
    )


def _moving(of_each: float, of_all: float, machines: Machines) -> dict[str, float]:
    """Return how long the network and the shared folder are busy; on one machine, its own disk is not the limit."""
    return (
        {"network": of_each / machines.link, "shared folder": of_all / machines.storage} if machines.count > 1 else {}
    )
