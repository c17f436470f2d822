"""``DeviceTeam``: the devices of one process, such as its GPUs, that train together on the rows of the same batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tlkit.system.gpus import too_few_gpus
from tlkit.train.team import Team


@dataclass(frozen=True)
class DeviceTeam(Team):
    """The devices of one process, under a ``MirroredStrategy``.

    The variables are those of a process with one device, and stay on the first: each step copies what it reads of them
    to the others, and changes them once, by sums over all devices. So checkpoints, digests and averages are those of
    one device. https://www.tensorflow.org/api_docs/python/tf/distribute/MirroredStrategy

    To the methods that talk to other processes this is a single worker.
    """

    @classmethod
    def on(cls, devices: Sequence[str]) -> Team:
        """Return the team of some devices of this process.

        Args:
            devices: their names, such as ``GPU:0``; variables are on the first.
        """
        return cls(strategy=tf.distribute.MirroredStrategy(list(devices))) if len(devices) > 1 else Team.alone()

    @classmethod
    def on_gpus(cls, count: int) -> Team:
        """Return the team of the first GPUs that this process sees.

        Raises:
            RunError: there are fewer.
        """
        if count == 1:
            return Team.alone()
        seen = len(tf.config.list_logical_devices("GPU"))
        if seen < count:
            raise too_few_gpus(count, seen)
        return cls.on([f"GPU:{number}" for number in range(count)])

    @property
    def parts(self) -> int:
        """Into how many parts the rows of a batch are cut: one for each device."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def number(self) -> int:
        """The number of the device for which a step is traced; only within ``run``."""
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        return int(number if isinstance(number, int) else tf.get_static_value(number))

    @property
    def keeps(self) -> bool:
        """Whether what is computed here changes the variables of layers: that of the first device; within ``run``."""
        return self.number == 0

    def run(self, function: Callable[..., Any], args: Sequence[Any] = ()) -> Any:
        """Call a function once for each device, and return what the first one computed."""
        results = self.strategy.run(function, args=tuple(args))
        return tf.nest.map_structure(lambda each: self.strategy.experimental_local_results(each)[0], results)

    def part(self, count: Any) -> tuple[Any, Any]:
        """Return the first row and the number of rows of a batch that a device computes, int32; within ``run``.

        Args:
            count: the number of rows of the batch, an int32 scalar.
        """
        number, parts = self.number, self.parts
        first, end = count * number // parts, count * (number + 1) // parts
        is_small = count < parts
        return tf.where(is_small, 0, first), tf.where(is_small, count, end - first)
