"""The frozen part of a phase's model: what it computes, what that costs, and the engine that computes it."""

from __future__ import annotations

import hashlib
import json
import math
from functools import cached_property
from typing import Any

import numpy as np

from tlkit.models.cost import operations_per_image
from tlkit.models.engines import TENSORFLOW, Engine, Network
from tlkit.models.freeze import digests
from tlkit.models.inference import fixed_batch
from tlkit.models.litert import LiteRTNetwork
from tlkit.models.tensorflow_network import TensorFlowNetwork


class FrozenPart:
    """The frozen part of a phase's model. TensorFlow computes it unless ``use`` names another engine.

    Args:
        model: images → the tensors at the cut, with the weights that the phase begins with.

    Attributes:
        engine: the engine that computes it, or will.
        shapes: the shape of each tensor at the cut, without the batch dimension.
        batch_size: the size of batches to compute features in that later runs reuse, whatever their own batch size.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.engine: Engine = TENSORFLOW
        self.shapes = [tuple(int(size) for size in tensor.shape[1:]) for tensor in model.outputs]
        self.batch_size = fixed_batch(model)
        self._tensorflow = TensorFlowNetwork(model)
        self._network: Network | None = self._tensorflow

    def use(self, engine: Engine, network: Network | None = None) -> None:
        """Compute with an engine from now on.

        Args:
            engine: the engine.
            network: what computes; None: it is not needed yet, as all features may be cached.
        """
        self.engine = engine
        self._network = self._tensorflow if engine == TENSORFLOW else network

    @property
    def is_ready(self) -> bool:
        """Whether it can compute, and not only say what its features would depend on."""
        return self._network is not None

    @property
    def lite_content(self) -> bytes | None:
        """The bytes of its LiteRT file, if LiteRT computes it."""
        return self._network.content if isinstance(self._network, LiteRTNetwork) else None

    def forward(self, images: Any) -> list[Any]:
        """Return the tensors at the cut as TensorFlow computes them; may be called inside a ``tf.function``."""
        return self._tensorflow.forward(images)

    @property
    def bytes_per_image(self) -> int:
        """The size of an image's features on disk, in float32."""
        return 4 * sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def weight_count(self) -> int:
        """The number of its weights."""
        return sum(math.prod(variable.shape) for variable in self.model.variables)

    @property
    def operations_per_image(self) -> int:
        """The multiplications and additions of convolutions and dense layers: two per weight and output position."""
        return operations_per_image(self.model.layers)

    def __call__(self, images: Any) -> list[np.ndarray]:
        """Return each tensor at the cut, float32 (N, …), for images float32 (N, H, W, 3)."""
        assert self._network is not None
        return self._network(np.asarray(images))

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the graph, the layers' settings and every weight."""
        text = f"{self.model.to_json()}{json.dumps(digests(self.model), sort_keys=True)}"
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def key(self) -> list[Any]:
        """What its features depend on besides images, threads and the size of batches."""
        engine = self.engine
        at_once = 1 if engine.computes_alone else self._tensorflow.at_once
        return [self.digest, engine.name, engine.precision, engine.version, at_once]
