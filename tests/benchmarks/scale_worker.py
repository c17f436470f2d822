"""A process of ``scale.py``: it says that it is ready, waits for a line, works, and says what it took."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np


def frozen_pass(network: str, side: str, *photos: str) -> None:
    """Decode photos and pass them through a network in LiteRT's format."""
    from tlkit.data.images.decode import decode_to_size
    from tlkit.models.litert import LiteRTNetwork

    compute = LiteRTNetwork(Path(network).read_bytes(), 1)
    compute(np.zeros((1, int(side), int(side), 3), np.float32))
    print("ready", flush=True)
    sys.stdin.readline()
    began, used = time.perf_counter(), time.process_time()
    for photo in photos:
        image, _ = decode_to_size(Path(photo), Path(photo).read_bytes(), (int(side), int(side)), "crop")
        compute(image[None].astype(np.float32))
    print(json.dumps([time.perf_counter() - began, time.process_time() - used]), flush=True)


def all_reduce(*counts: str) -> None:
    """Sum arrays of these sizes over the workers of ``TF_CONFIG``, and print the least seconds of each."""
    import tensorflow as tf

    communication = tf.distribute.experimental.CommunicationOptions(
        implementation=tf.distribute.experimental.CommunicationImplementation.RING
    )
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=communication)
    seconds = []
    for count in map(int, counts):
        values = tf.ones([count])

        @tf.function
        def summed(values: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context
            # TensorFlow must place what is summed: an argument alone has no device here.
            return strategy.run(lambda given: context().all_reduce("SUM", tf.identity(given)), (values,))

        summed(values)
        rounds = []
        for _ in range(7):
            began = time.perf_counter()
            float(summed(values)[0])
            rounds.append(time.perf_counter() - began)
        seconds.append(min(rounds))
    print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    {"pass": frozen_pass, "all-reduce": all_reduce}[sys.argv[1]](*sys.argv[2:])
