"""Checks that plugin authors run on their own plugins, with any test runner."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tlkit.contracts import (
    IGNORE,
    Augmentation,
    AugmentContext,
    Backbone,
    Block,
    Head,
    HeadContext,
    Options,
    Outline,
    Phase,
    Schedule,
)
from tlkit.recipe.schema import Selection


def check_head(head: Head, *, image_size: tuple[int, int] = (64, 64), **options: Any) -> None:
    """Build a head on a small backbone, train a step, save, reload and compare.

    Args:
        head: the record.
        image_size: (height, width) of the images.
        options: of the head.

    Raises:
        AssertionError: it breaks its contract; the message says how.
        PluginError: it returned what can't be logits.
    """
    _check_network(_small_encoder(), Selection(head, _options(head.options, options)), image_size)


def check_backbone(backbone: Backbone, *, image_size: tuple[int, int] = (64, 64), **options: Any) -> None:
    """Build a backbone with random weights and a head, train a step with it frozen and unfrozen, save and reload.

    Raises:
        AssertionError: it breaks its contract.
        PluginError: it returned what is no backbone.
    """
    head = Head(name="check", summary="", task="classification", options=Options, build=_pooled)
    chosen = _options(backbone.options, {"weights": "none", **options})
    _check_network(Selection(backbone, chosen), Selection(head, Options()), image_size)


def check_schedule(schedule: Schedule, **options: Any) -> tuple[Phase, ...]:
    """Plan a schedule for a backbone of four blocks and check the phases; they are returned.

    Raises:
        AssertionError: it breaks its contract.
    """
    blocks = tuple(Block(f"block{n}", (f"layer{n}",), 2**n) for n in range(1, 5))
    phases = tuple(schedule.plan(Outline(blocks, pretrained=True), _options(schedule.options, options)))
    assert phases, "expected at least one phase"
    assert all(isinstance(phase, Phase) for phase in phases), f"expected Phases, received {phases!r}"
    names = [phase.name for phase in phases]
    assert len(set(names)) == len(names), f"phases have the same name: {names}"
    for phase in phases:
        known = {block.name for block in blocks}
        assert set(phase.blocks) <= known, f"phase {phase.name} names blocks that are not there: {phase.blocks}"
        assert phase.epochs >= 1, f"phase {phase.name} has {phase.epochs} epochs"
    return phases


def check_augmentation(augmentation: Augmentation, *, image_size: tuple[int, int] = (48, 40), **options: Any) -> None:
    """Run an augmentation on images and masks: shapes, ranges, whole classes, and the same result for the same seed.

    Raises:
        AssertionError: it breaks its contract.
    """
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (4, *image_size, 3)).astype(np.float32)
    for task in augmentation.tasks:
        context = AugmentContext(task, image_size, 3)
        function = augmentation.build(context, _options(augmentation.options, options))
        if function is None:
            continue
        batch: dict[str, Any] = {"images": tf.constant(images)}
        if task == "segmentation":
            masks = random.integers(0, 3, (4, *image_size, 1)).astype(np.int32)
            soft = tf.one_hot(masks[..., 0], 3)
            batch["segmentation_masks"] = soft if augmentation.soft_labels else tf.constant(masks)
        elif augmentation.soft_labels:
            batch["labels"] = tf.one_hot([0, 1, 2, 0], 3)
        else:
            batch["labels"] = tf.constant([0, 1, 2, 0], tf.int32)
        seed = tf.constant([1, 2], tf.int32)
        first, second = function(dict(batch), seed), function(dict(batch), seed)
        assert set(first) == set(batch), f"expected the entries {sorted(batch)}, received {sorted(first)}"
        for key, value in batch.items():
            assert first[key].shape == value.shape, f"{key}: shape {first[key].shape}, expected {value.shape}"
            np.testing.assert_array_equal(first[key], second[key], f"{key} differs for the same seed")
        if augmentation.soft_labels:
            shares = first["segmentation_masks" if task == "segmentation" else "labels"].numpy()
            assert shares.min() >= -1e-6, "shares of classes are below 0"
            assert shares.sum(-1).max() <= 1 + 1e-5, "shares of classes add up to more than 1"
        elif task == "segmentation":
            seen = set(np.unique(first["segmentation_masks"]).tolist())
            assert seen <= {0, 1, 2, IGNORE}, f"masks have values that are no classes: {sorted(seen)}"


def _options(model: type[Options], values: dict[str, Any]) -> Any:
    return model.model_validate(values)


def _pooled(features: Any, ctx: Any, options: Any) -> Any:  # noqa: ARG001
    from keras import layers

    x = layers.GlobalAveragePooling2D(name="head_pool")(features[max(features)])
    return layers.Dense(ctx.units, name="head_logits")(x)


def _small_encoder() -> Selection[Backbone]:
    from tlkit.models.plugin import tlkit_backbones

    record = next(each for each in tlkit_backbones() if each.name == "small_encoder")
    return Selection(record, record.options.model_validate({"filters": (8, 16, 16, 16), "convs": 1}))


def _check_network(backbone: Selection[Backbone], head: Selection[Head], image_size: tuple[int, int]) -> None:
    import keras
    import numpy as np
    import tensorflow as tf

    from tlkit.models.assemble import build_network
    from tlkit.models.freeze import apply_flags, digests, prepare, prove
    from tlkit.models.losses import BatchLoss
    from tlkit.models.tasks import learning_task

    task = head.record.task
    classes = ("a", "b", "c")
    network = build_network(backbone, head, HeadContext(task, classes, 3, image_size, seed=0))
    random = np.random.default_rng(0)
    images = tf.constant(random.uniform(0, 255, (4, *image_size, 3)).astype(np.float32))
    shape = (4,) if task == "classification" else (4, *image_size, 1)
    targets = learning_task(task, "single", 3)
    batch = {"images": images, targets.target_key: tf.constant(random.integers(0, 3, shape), tf.int32)}
    for phase in (Phase(name="frozen", epochs=1), Phase(name="full", epochs=1, blocks=network.outline.names)):
        before = digests(network.model)
        apply_flags(network, phase)
        prepared = prepare(network, phase)
        optimizer = keras.optimizers.SGD(0.01)
        inputs = images if prepared.frozen_part is None else prepared.frozen_part(images, training=False)
        with tf.GradientTape() as tape:
            for variable in prepared.variables:
                tape.watch(variable.value)
            loss, _ = BatchLoss(targets)(batch, prepared.live_part(inputs, training=True))
        gradients = tape.gradient(loss, [variable.value for variable in prepared.variables])
        unused = [v.path for v, g in zip(prepared.variables, gradients, strict=True) if g is None]
        assert not unused, f"the loss does not depend on {unused[:5]}"
        optimizer.apply(gradients, prepared.variables)
        prove(network, phase, before, digests(network.model))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        network.model.save(file)
        again = keras.saving.load_model(file, compile=False, safe_mode=True)
        ours, theirs = (keras.ops.convert_to_numpy(model(images, training=False)) for model in (network.model, again))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5, err_msg="the reloaded model predicts otherwise")
