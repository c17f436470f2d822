"""Every metric that a recipe may name keeps sums, so that several workers can each count some rows of a batch."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tlkit.models.metrics import MetricSet, fitting_metrics
from tlkit.models.tasks import learning_task

TASKS = [("classification", "single", 2), ("classification", "single", 6), ("classification", "multi", 3)]
TASKS += [("segmentation", "single", 3)]


def batch_of(task, count: int) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    generator = np.random.default_rng(count)
    if task.task == "segmentation":
        masks = generator.integers(0, task.classes, (count, 4, 4, 1)).astype(np.int32)
        masks[:, 0] = 255
        return {"segmentation_masks": tf.constant(masks)}, tf.constant(
            generator.normal(size=(count, 4, 4, task.units)).astype(np.float32)
        )
    if task.label_kind == "multi":
        labels = generator.integers(0, 2, (count, task.classes)).astype(np.float32)
    else:
        labels = generator.integers(0, task.classes, count).astype(np.int32)
    logits = generator.normal(size=(count, task.units)).astype(np.float32)
    return {"labels": tf.constant(labels)}, tf.constant(logits)


@pytest.mark.parametrize(("name", "kind", "classes"), TASKS)
def test_increments_of_parts_add_up_to_those_of_the_batch(name, kind, classes):
    task = learning_task(name, kind, classes)
    ours, theirs = (MetricSet(task, fitting_metrics(task)) for _ in range(2))
    assert len(ours.metrics) > 5
    for count in (7, 4):  # the second comes on top of what the first has left
        batch, logits = batch_of(task, count)
        theirs.update(batch, logits, tf.constant(0.5), tf.constant(float(count)))
        parts = [
            ours.increments({key: value[rows] for key, value in batch.items()}, logits[rows])
            for rows in (slice(0, 3), slice(3, None))
        ]
        summed = [one + two for one, two in zip(*parts, strict=True)]
        ours.add(summed, tf.constant(0.5), tf.constant(float(count)))
    for one, two in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), two.numpy(), rtol=1e-5, atol=1e-5)
    found, expected = ours.result(), theirs.result()
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)
