"""The logits of decoded images, computed by the workers of a cluster and gathered in their order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.cluster.blocks import in_blocks
from tlkit.cluster.parts import Crew, Fate
from tlkit.cluster.progress import EACH_PROCESSOR, some_at_a_time
from tlkit.cluster.ray_cluster import ClusterOptions, joined
from tlkit.errors import RunError
from tlkit.evaluation.inference import Inference
from tlkit.evaluation.predictor import COMPARED
from tlkit.evaluation.worker_model import WorkerModel

if TYPE_CHECKING:
    from tlkit.data.run_data import Data


class SpreadLogits:
    """The logits of a run's images: see ``tlkit.evaluation.logits.Logits``.

    This process reads the decoded images and sends them, a batch at a time: its metrics are sums in the same order as
    those of one process.

    Args:
        model: opens the model in a worker.
        options: the cluster.
        data: the opened data, whose decoded images are read.
        at_once: the number of images of a batch.
        say: called with a line when a worker joins or is lost.
    """

    def __init__(
        self, model: WorkerModel, options: ClusterOptions, data: Data, at_once: int, say: Callable[[str], None]
    ) -> None:
        self.at_once = at_once
        self._model, self._options, self._say = model, options, say
        self._images = data.store.images

    def batches(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the logits of some images, ``at_once`` at a time: see ``Logits``."""
        from tlkit.data.store.rows import in_batches

        read: Iterator[Any] = in_batches(self._images, rows, self.at_once)
        crew: Crew[Any, Any] = Crew(_Start(self._model, self.at_once), _died)
        with joined(self._options, self._say) as cluster:
            for each in in_blocks(cluster, crew, read, math.ceil(len(rows) / self.at_once)):
                yield np.stack(list(each))


@dataclass(frozen=True)
class _Start:
    model: WorkerModel
    at_once: int

    def __call__(self) -> Callable[[Any], Any]:
        """Open the model, and return what computes a batch."""
        predictor = self.model.open()
        lite = predictor._lite
        if lite is None:
            return Inference(predictor.model, predictor.card, self.at_once).logits

        def compute(images: np.ndarray) -> Iterator[np.ndarray]:
            engine = predictor._engine_for(lite, len(images), lambda: images[:COMPARED])
            return some_at_a_time(engine, images, EACH_PROCESSOR * self.model.processors)

        return compute


def _died(_image: np.ndarray, fate: Fate) -> np.ndarray:
    raise RunError(f"an image of the data ends each process that computes it: {fate.why}")
