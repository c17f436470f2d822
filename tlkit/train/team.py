"""``Team``: the workers of one training, processes that train the same network on the rows of the same batches."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from tlkit.errors import RunError
from tlkit.system.tensorflow import is_deterministic
from tlkit.system.text import listed


@dataclass(frozen=True)
class Team:
    """The workers of a training, as one of them sees them.

    Every worker has all variables, and every worker gives them the same values: they begin equal, since weights come
    from files and seeds, and each step changes them by sums over all workers. So nothing is created in the scope of the
    strategy, and checkpoints, digests and averages are those of one process.

    A method that talks to the others must be called by all workers, in the same order.

    Args:
        rank: the number of this worker, from 0.
        size: the number of workers.
        strategy: the ``MultiWorkerMirroredStrategy`` of this process; None with one worker.
        waited: a float64 variable: seconds that this worker has been in ``sum``; None with one worker.
    """

    rank: int = 0
    size: int = 1
    strategy: Any = None
    waited: Any = None

    @classmethod
    def alone(cls) -> Team:
        """Return the team of a single worker, which costs nothing and changes nothing."""
        return cls()

    @classmethod
    def joined(cls) -> Team:
        """Join the workers that the environment variable ``TF_CONFIG`` lists, and wait for all of them.

        Call this right after TensorFlow has started: it can't be done after the first operation.
        https://www.tensorflow.org/guide/distributed_training#setting_up_the_tf_config_environment_variable

        Raises:
            RunError: ``TF_CONFIG`` is missing or wrong, TensorFlow has run an operation, a worker has several GPUs, or
                the workers can't reach each other.
        """
        rank, size = _place()
        if size == 1:
            return cls()
        gpus = tf.config.list_physical_devices("GPU")
        if len(gpus) > 1:
            message = f"worker {rank} sees {len(gpus)} GPUs, expected one: set CUDA_VISIBLE_DEVICES for each worker"
            raise RunError(message)
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except (RuntimeError, tf.errors.OpError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise RunError(f"worker {rank} of {size} could not join the others: {reason}") from error
        with tf.device("cpu:0"):
            waited = tf.Variable(0.0, trainable=False, dtype=tf.float64)
        return cls(rank, size, strategy, waited)

    @property
    def chief(self) -> bool:
        """Whether this worker writes the run folder; it is worker 0."""
        return self.rank == 0

    @property
    def parts(self) -> int:
        """Into how many parts the rows of a batch are cut: one for each worker."""
        return self.size

    @property
    def keeps(self) -> bool:
        """Whether what is computed here changes the variables of layers: each worker has its own; within ``run``."""
        return True

    def rows(self, count: int) -> slice:
        """Return which of a batch's rows this worker computes.

        The rows are cut into contiguous parts whose sizes differ by at most one. Of a batch with fewer rows than
        workers every worker computes all: a worker without rows crashes in oneDNN, and padded rows would enter the
        statistics of BatchNormalization.

        Args:
            count: the number of rows of the batch.
        """
        if count < self.size:
            return slice(0, count)
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def run(self, function: Callable[..., Any], args: Sequence[Any] = ()) -> Any:
        """Call a function in which ``sum`` may be called; to be called inside a ``tf.function``."""
        if self.strategy is None:
            return function(*args)
        return self.strategy.run(function, args=tuple(args))

    def sum(self, tensors: Sequence[Any]) -> list[Any]:
        """Return the sums of tensors over all workers, which get the same bits; only within ``run``.

        Args:
            tensors: their shapes must be the same on every worker.
        """
        if self.strategy is None or not tensors:
            return list(tensors)
        found: list[Any] = list(tensors)
        full = [place for place, tensor in enumerate(tensors) if tensor.shape.num_elements() != 0]
        for dtype in dict.fromkeys(tensors[place].dtype for place in full):
            places = [place for place in full if tensors[place].dtype == dtype]
            # One message for all: each costs a round trip for every worker.
            flat = tf.concat([tf.reshape(tensors[place], [-1]) for place in places], 0)
            summed = _summed(flat, self.waited)
            parts = tf.split(summed, [tf.size(tensors[place]) for place in places], num=len(places))
            for place, part in zip(places, parts, strict=True):
                found[place] = tf.reshape(part, tf.shape(tensors[place]))
                found[place].set_shape(tensors[place].shape)
        return found

    def barrier(self, name: str) -> None:
        """Wait until every worker is here.

        Args:
            name: what the workers wait for; it is the same on every worker.

        Raises:
            RunError: the workers wait for different things.
        """
        self.same(name, "what the workers wait for")

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set on any worker."""
        return flag if self.size == 1 else bool(self._total([int(flag)])[0])

    def told(self, text: str) -> str:
        """Return the chief's text on every worker."""
        if self.size == 1:
            return text
        content = np.frombuffer(text.encode(), np.uint8) if self.chief else np.zeros(0, np.uint8)
        whole = np.zeros(int(self._total([len(content)])[0]), np.int64)
        whole[: len(content)] = content
        return self._total(whole).astype(np.uint8).tobytes().decode()

    def same(self, text: str, what: str = "what the workers have computed") -> None:
        """Check that every worker has the same text.

        Args:
            text: such as the digests of all variables.
            what: what the text is, for the message.

        Raises:
            RunError: a worker's text is another than the chief's.
        """
        if self.size == 1:
            return
        digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
        mine = np.zeros(self.size, np.int64)
        mine[self.rank] = digest
        digests = self._total(mine)
        others = [f"worker {rank}" for rank in range(self.size) if digests[rank] != digests[0]]
        if others:
            raise RunError(
                f"{what} differs from that of worker 0 on {listed(others)}; expected the same on all {self.size} "
                "workers. Do they have the same versions of tlkit, TensorFlow, Keras and plugins, and the same files?"
            )

    def _total(self, values: Any) -> np.ndarray:
        """Return the sum of int64 values (n,), as many on each, over all workers."""
        if not len(values):  # TensorFlow 2.21 crashes at a sum of no values
            return np.zeros(0, np.int64)
        return np.asarray(self._totals(tf.constant(values, tf.int64)))

    @cached_property
    def _totals(self) -> Any:
        def total(values: Any) -> Any:
            return self.run(lambda mine: self.sum([mine])[0], (values,))

        return tf.function(total, input_signature=[tf.TensorSpec((None,), tf.int64)], autograph=False)


def _summed(flat: Any, waited: Any) -> Any:
    """Return the sum of a tensor (n,) over all workers, through which gradients flow.

    The seconds that it takes, forwards and backwards, are as a rule those in which another worker computes.

    Args:
        flat: the tensor.
        waited: the variable to which these seconds are added; None: they are not counted.
    """

    def reduced(here: Any) -> Any:
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here)

    def timed(here: Any) -> Any:
        with tf.control_dependencies([here]):
            begun = _now()
        summed = reduced(here)
        with tf.control_dependencies([summed]):
            waited.assign_add(_now() - begun)
        return summed

    if waited is None:
        return reduced(flat)
    return tf.custom_gradient(lambda here: (timed(here), timed))(flat)


def _now() -> Any:
    """Return the time in seconds, a float64 scalar."""
    if is_deterministic():  # which TensorFlow's own operation refuses
        return tf.numpy_function(time.monotonic, [], tf.float64)
    return tf.timestamp()


def _place() -> tuple[int, int]:
    """Return the number of this worker and the number of workers, from ``TF_CONFIG``."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        rank, size = int(config["task"]["index"]), len(config["cluster"]["worker"])
    except (ValueError, KeyError, TypeError) as error:
        expected = '{"cluster": {"worker": ["HOST:PORT", …]}, "task": {"type": "worker", "index": 0}}'
        raise RunError(f"TF_CONFIG: expected {expected}, received {text or 'nothing'}") from error
    if not 0 <= rank < size:
        raise RunError(f"TF_CONFIG: there is no worker {rank}; expected an index below {size}, the number of workers")
    return rank, size
