"""Checks that plugin authors run on their own records, one per kind, with any test runner.

Each check takes a record and its options as keyword arguments, and raises when the record breaks its contract::

    def test_my_head():
        [head] = my_plugin.tlkit_heads()
        tlkit.testing.check_head(head, units=16)
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, TypeVar, get_args

from tlkit.boundary.guard import guarded
from tlkit.boundary.phases import phases_problem
from tlkit.contracts import (
    IGNORE,
    Augmentation,
    AugmentContext,
    Backbone,
    Block,
    Dataset,
    DatasetContext,
    ExportContext,
    Exporter,
    Head,
    HeadContext,
    InputType,
    MaskTable,
    Options,
    Outline,
    Phase,
    Quantization,
    Sample,
    SampleSet,
    Schedule,
    Split,
    Task,
)
from tlkit.recipe.schema import Selection

R = TypeVar("R", Augmentation, Backbone, Dataset, Exporter, Head, Schedule)


def check_head(head: Head, *, image_size: tuple[int, int] = (64, 64), **options: Any) -> None:
    """Check a head: build it on a small backbone, train a step, save the model, reload it and compare predictions.

    Args:
        head: the record.
        image_size: height and width of the images in pixels.
        options: options of the head; defaults for the others.

    Raises:
        AssertionError: the head breaks its contract; the message says how.
        PluginError: ``build`` returned something that is not logits of the right shape.
    """
    _check_network(_small_encoder(), Selection(_guarded(head), _options(head.options, options)), image_size)


def check_backbone(backbone: Backbone, *, image_size: tuple[int, int] = (64, 64), **options: Any) -> None:
    """Check a backbone with random weights: train a step frozen and a step unfrozen, save, reload and compare.

    Args:
        backbone: the record.
        image_size: height and width of the images in pixels.
        options: options of the backbone; defaults for the others, and ``weights="none"``.

    Raises:
        AssertionError: the backbone breaks its contract; the message says how.
        PluginError: ``build`` returned something that is not a ``BuiltBackbone`` with complete blocks.
    """
    head = Head(name="check", summary="", task="classification", options=Options, build=_pooled)
    chosen = _options(backbone.options, {"weights": "none", **options})
    _check_network(Selection(_guarded(backbone), chosen), Selection(head, Options()), image_size)


def check_schedule(schedule: Schedule, **options: Any) -> tuple[Phase, ...]:
    """Check the phases that a schedule plans for a pretrained backbone of four blocks.

    Args:
        schedule: the record.
        options: options of the schedule; defaults for the others.

    Returns:
        The phases, for checks of your own.

    Raises:
        AssertionError: the schedule breaks its contract; the message says how.
    """
    blocks = tuple(Block(f"block{n}", (f"layer{n}",), 2**n) for n in range(1, 5))
    schedule = _guarded(schedule)
    phases: tuple[Phase, ...] = schedule.plan(Outline(blocks, pretrained=True), _options(schedule.options, options))
    problem = phases_problem(phases, [block.name for block in blocks])
    assert not problem, problem
    return phases


def check_augmentation(augmentation: Augmentation, *, image_size: tuple[int, int] = (48, 40), **options: Any) -> None:
    """Check an augmentation on a batch, for each of its tasks.

    Entries, shapes and the values of labels and masks must be right, and the same seed must give the same result.

    Args:
        augmentation: the record.
        image_size: height and width of the images in pixels.
        options: options of the augmentation; defaults for the others.

    Raises:
        AssertionError: the augmentation breaks its contract; the message says how.
    """
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (4, *image_size, 3)).astype(np.float32)
    for task in augmentation.tasks:
        context = AugmentContext(task, image_size, 3)
        function = _guarded(augmentation).build(context, _options(augmentation.options, options))
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
            assert shares.min() >= -1e-6, "expected shares of classes of at least 0"
            assert shares.sum(-1).max() <= 1 + 1e-5, "expected shares of classes that add up to at most 1"
        elif task == "segmentation":
            seen = set(np.unique(first["segmentation_masks"]).tolist())
            assert seen <= {0, 1, 2, IGNORE}, f"expected masks of 0, 1, 2 and {IGNORE}, received {sorted(seen)}"


def check_dataset(dataset: Dataset, *, task: Task | None = None, decode: int = 5, **options: Any) -> SampleSet:
    """Check the samples that a data set returns, decode a few, and check that opening it again gives the same.

    Args:
        dataset: the record.
        task: the task to open it for; None for the first of its tasks.
        decode: number of samples whose image and mask are decoded, spread over the data set.
        options: options of the data set, such as ``path``; defaults for the others.

    Returns:
        The sample set, for checks of your own.

    Raises:
        AssertionError: the data set breaks its contract; the message says how.
        PluginError: ``open`` returned something that is not a ``SampleSet``, or a sample that does not fit the task.
        DataError: the data set can't be opened, or an image or a mask can't be decoded.
    """
    import numpy as np

    from tlkit.data.sample_set import check_sample_set

    assert dataset.tasks, "expected at least one task"
    task = task or dataset.tasks[0]
    assert task in dataset.tasks, f"expected a task among {dataset.tasks}, received {task!r}"
    chosen = _options(dataset.options, options)
    opened = _guarded(dataset)
    first, second = (opened.open(DatasetContext(task, 0), chosen) for _ in range(2))
    check_sample_set(first, task, dataset.name)
    for sample in first.samples:
        _check_sample(sample)
    for which in ("samples", "classes", "multi_label", "images", "masks", "mask_table", "set_aside", "root", "colors"):
        before, after = getattr(first, which), getattr(second, which)
        same = np.array_equal(before, after) if isinstance(before, np.ndarray) else before == after
        assert same, f"{which} differs when the data set is opened again"
    numbers = {*range(len(first.classes)), IGNORE}
    table = first.mask_table or MaskTable({})
    in_table = {*table.values.values(), *(() if table.default is None else (table.default,))}
    assert in_table <= numbers, f"expected class numbers and {IGNORE} in the mask table, received {sorted(in_table)}"
    assert first.colors.keys() <= numbers, f"expected class numbers as keys of colors, received {sorted(first.colors)}"
    for place in np.linspace(0, len(first.samples) - 1, min(decode, len(first.samples))).astype(int):
        _check_pixels(first.samples[place], first, numbers)
    return first


def check_exporter(
    exporter: Exporter, *, image_size: tuple[int, int] = (32, 24), quantize: Quantization | None = None, **options: Any
) -> None:
    """Check an exporter on a small network: write a file, open it, and compare its answers with the network's.

    Args:
        exporter: the record.
        image_size: height and width of the images in pixels.
        quantize: the quantization to write; its answers are only compared in shape.
        options: options of the exporter; defaults for the others.

    Raises:
        AssertionError: the file gives other names, shapes or probabilities, or other texts are in it.
        DataError: the format can't express the network.
    """
    import numpy as np

    from tlkit.exports.runtime import open_with
    from tlkit.exports.traced import traced
    from tlkit.models.tasks import learning_task

    task = learning_task("classification", "single", 3)
    model = _small_network(image_size)
    images = np.random.default_rng(0).integers(0, 256, (7, *image_size, 3)).astype(np.uint8)
    opened_by = _guarded(exporter)
    for input_type in get_args(InputType):
        with tempfile.TemporaryDirectory() as folder:
            function, place = traced(model, task, input_type), Path(folder)
            (place / "scratch").mkdir()
            (place / "new").mkdir()
            texts = {"task": "classification", "classes": '["a", "b", "ç"]', "input": input_type}
            calibration = images if quantize else images[:0]
            given = (model, function.function, function.save, image_size, input_type, quantize, calibration)
            context = ExportContext(*given, texts, place / "scratch")
            path = place / "new" / f"model{exporter.suffix}"
            opened_by.write(context, path, _options(exporter.options, options))
            assert path.exists(), f"write made no {path.name}"
            if opened_by.check is not None:
                opened_by.check(path)
            opened = open_with(opened_by, path, 1)
            found = {key: opened.metadata.get(key) for key in texts}
            assert found == texts, f"expected the texts {texts} in the file, received {found}"
            for count in (1, 7):
                outputs = opened.run(images[:count])
                assert set(outputs) >= {"logits", "probabilities"}, f"expected logits and probabilities: {set(outputs)}"
                logits = np.asarray(model(images[:count].astype(np.float32), training=False))
                for name, expected in (("logits", logits), ("probabilities", task.probabilities(logits))):
                    shape = np.shape(outputs[name])
                    assert shape == expected.shape, f"{name}: shape {shape}, expected {expected.shape}"
                    if quantize is None:
                        np.testing.assert_allclose(outputs[name], expected, atol=1e-3, err_msg=f"{name} differ")


def _small_network(image_size: tuple[int, int]) -> Any:
    from tlkit.models.assemble import build_network

    head = Head(name="check", summary="", task="classification", options=Options, build=_pooled)
    context = HeadContext("classification", ("a", "b", "c"), 3, image_size, seed=0)
    return build_network(_small_encoder(), Selection(head, Options()), context).model


def _check_sample(sample: Sample) -> None:
    key, labels = sample.key, sample.label if isinstance(sample.label, tuple) else (sample.label,)
    portable = isinstance(key, str) and key and "\\" not in key and not Path(key).is_absolute()
    assert portable, f"expected a key with / that is the same on every machine, received {key!r}"
    assert all(label is None or type(label) is int for label in labels), f"{key}: expected int, received {labels!r}"
    assert sample.split in (None, *get_args(Split)), f"{key}: expected a split or None, received {sample.split!r}"
    assert sample.group is None or isinstance(sample.group, str), f"{key}: expected a string or None as group"


def _check_pixels(sample: Sample, sample_set: SampleSet, numbers: set[int]) -> None:
    import numpy as np

    from tlkit.data.images.decode import decode_image
    from tlkit.data.images.source import mask_of

    if isinstance(sample.image, Path):
        image = decode_image(sample.image)
    else:
        assert sample_set.images is not None
        image = sample_set.images[sample.image]
        assert image.ndim == 2 or image.shape[2:] == (3,), f"{sample.key}: expected (H, W[, 3]), not {image.shape}"
    if sample.mask is None:
        return
    source = mask_of(sample, sample_set)
    assert source is not None
    mask = source.decode(source.read())
    assert mask.shape == image.shape[:2], f"{sample.key}: mask {mask.shape} and image {image.shape[:2]} differ in size"
    seen = set(np.unique(mask).tolist())
    assert seen <= numbers, f"{sample.key}: expected class numbers and {IGNORE} in the mask, received {sorted(seen)}"


def _guarded(record: R) -> R:
    """Return a record whose functions are called as tlkit calls them: inside the boundary."""
    return guarded(record, f"the tested {type(record).__name__.lower()}", record.name)


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
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5, err_msg="the reloaded model's predictions differ")
