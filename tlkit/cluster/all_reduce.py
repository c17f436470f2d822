"""A small sum over workers, as the gradients of a training are summed: the program of each worker."""

from __future__ import annotations

ALL_REDUCE = """
import os, sys, time
begin = time.monotonic()
import tensorflow as tf
print(f"imported {time.monotonic() - begin:.1f}", flush=True)
os.environ["TF_CONFIG"] = sys.stdin.readline()
options = tf.distribute.experimental.CommunicationOptions(
    implementation=tf.distribute.experimental.CommunicationImplementation.RING
)
strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
print("joined", flush=True)
count, times = 1_000_000, 3

with strategy.scope():
    values = tf.Variable(tf.ones([count]))

def summed():
    return tf.distribute.get_replica_context().all_reduce("SUM", values.read_value())

@tf.function
def reduced():
    return strategy.run(summed)

result = reduced()
begin = time.monotonic()
for _ in range(times):
    result = reduced()
total = float(result[0])
seconds = (time.monotonic() - begin) / times
print(f"reduced {total:g} {seconds:.6f} {4 * count}", flush=True)
"""
"""It prints a line at each stage that it reaches; its ``TF_CONFIG`` comes by standard input."""
