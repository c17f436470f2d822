"""The features of a frozen part, computed by the workers of a cluster."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tlkit.cluster.blocks import LATER, in_blocks
from tlkit.cluster.options import ClusterOptions
from tlkit.cluster.parts import Crew, Fate, Work
from tlkit.cluster.progress import EACH_PROCESSOR, some_at_a_time
from tlkit.cluster.ray_cluster import Cluster, announced
from tlkit.errors import RunError
from tlkit.models.engines import Engine, Network
from tlkit.models.image_by_image import UnusableNetworkError
from tlkit.models.litert import LiteRTNetwork
from tlkit.models.openvino_network import OpenVINONetwork
from tlkit.system.parallel import limit_processors
from tlkit.train.converted import converted
from tlkit.train.feature_batches import Compute
from tlkit.train.frozen_part import FrozenPart

MANY = 2000
"""Images whose features repay starting workers once more, which takes some ten seconds."""
_Features = tuple[np.ndarray, ...]
"""The outputs of the frozen part for an image."""


@contextmanager
def computing_on(
    options: ClusterOptions | None, part: FrozenPart, missing: int, say: Callable[[str], None]
) -> Iterator[Compute | None]:
    """Have the workers of a cluster compute features within the context.

    This process decodes, augments and writes; workers compute batches with the engine that this process has chosen,
    which gives the same bits with any number of threads.

    Args:
        options: the cluster; None: this process computes, and so it does where TensorFlow is the engine.
        part: the frozen part, ready to compute.
        missing: the number of images that are to be computed; with none, no cluster is joined.
        say: called with a line when a worker joins or is lost.

    Raises:
        DataError: the cluster can't be joined.
    """
    if options is None or not missing:
        yield None
    elif not part.engine.computes_alone:
        say(
            "  note: TensorFlow computes the features, and here alone: their last bits would depend on the cluster; "
            'train.engine = "litert" has its workers compute them'
        )
        yield None
    else:
        content = part.lite_content or converted(part, say)
        start = _Start(part.engine, content, max(1, int(options.cpus)))
        with announced(options, say) as cluster, closing(_Sets(cluster, Crew(start, _died))) as sets:
            yield sets.compute


def worth_joining(missing: int) -> int:
    """Return a number of images whose features are missing; 0 for so few that starting workers again takes longer."""
    return missing if missing >= MANY else 0


class _Sets:
    """Has the same workers compute the features of several sets of images, one after the other.

    Args:
        cluster: the cluster.
        crew: what its workers do.
    """

    def __init__(self, cluster: Cluster, crew: Crew[Any, _Features]) -> None:
        self._cluster, self._crew = cluster, crew
        self._images: Iterator[Any] = iter(())
        self._results: Generator[Sequence[_Features], None, None] | None = None

    def compute(self, images: Iterator[Any], count: int) -> Iterator[list[np.ndarray]]:
        """Yield the features of each batch of a set."""
        self._images = images
        if self._results is None:
            self._results = in_blocks(self._cluster, self._crew, self._batches(), count)
        for found in islice(self._results, count):
            yield [np.stack(each) for each in zip(*found, strict=True)]

    def _batches(self) -> Iterator[Any]:
        while True:
            yield next(self._images, LATER)

    def close(self) -> None:
        """End the workers."""
        if self._results is not None:
            self._results.close()


@dataclass(frozen=True)
class _Start:
    """Makes a worker ready to compute features.

    Args:
        engine: the engine.
        content: the bytes of the network in LiteRT's format.
        processors: the processors that the worker may use.
    """

    engine: Engine
    content: bytes
    processors: int

    def __call__(self) -> Work[np.ndarray, _Features]:
        """Build the network, and return what computes a batch.

        Raises:
            RunError: the engine can't compute it here.
        """
        limit_processors(self.processors)
        try:
            network = self._network()
        except UnusableNetworkError as error:
            raise RunError(f"{self.engine} can't compute the frozen part on {socket.gethostname()}: {error}") from error

        def compute(images: np.ndarray) -> Iterator[_Features]:
            return zip(*network(np.asarray(images, np.float32)), strict=True)

        return lambda images: some_at_a_time(compute, images, EACH_PROCESSOR * self.processors)

    def _network(self) -> Network:
        if self.engine.name == "litert":
            return LiteRTNetwork(self.content)
        return OpenVINONetwork(self.content, self.engine.precision)


def _died(_image: np.ndarray, fate: Fate) -> _Features:
    raise RunError(f"an image ends each process that computes its features: {fate.why}")
