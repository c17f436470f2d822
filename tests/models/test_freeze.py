"""Freezing, with real training steps: which variables change, which must not, and the proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tlkit import Block, Optimizer, Phase, PluginError
from tlkit.models.assemble import Network
from tlkit.models.freeze import (
    FreezeError,
    Prepared,
    apply_flags,
    digests,
    expected_changes,
    keyed_variables,
    prepare,
    prove,
    trainable_variables,
    updates_statistics,
)

# Keras 3.15 converts TensorFlow's variables in a way that NumPy 2 will drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

BLOCKS = ("low", "mid", "high")


def network(*, head_batch_norm: bool = True, dropout: float = 0.5) -> Network:
    """Three blocks of convolution, BatchNorm, dropout and ReLU, a shortcut around the second, and a head."""
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3), name="images")
    x = layers.Rescaling(1 / 255, name="preprocessing")(images)
    blocks = []
    for name in BLOCKS:
        y = layers.Conv2D(4, 3, padding="same", name=f"{name}_conv")(x)
        y = layers.BatchNormalization(name=f"{name}_bn", momentum=0.5)(y)
        y = layers.Dropout(dropout, name=f"{name}_dropout")(y)
        if name == "mid":
            y = layers.Add(name="mid_add")([x, y])
        x = layers.ReLU(name=f"{name}_relu")(y)
        members = [f"{name}_conv", f"{name}_bn", f"{name}_dropout", f"{name}_relu"]
        blocks.append(Block(name, tuple(members + (["mid_add"] if name == "mid" else [])), 2))
    x = layers.GlobalAveragePooling2D(name="head_pooling")(x)
    if head_batch_norm:
        x = layers.BatchNormalization(name="head_bn", momentum=0.5)(x)
    x = layers.Dropout(0.5, name="head_dropout")(x)
    logits = layers.Dense(3, name="head_logits")(x)
    return Network(keras.Model(images, logits), tuple(blocks), pretrained=True)


def phase(blocks: Sequence[str] = (), batch_norm: Any = "frozen", **more: Any) -> Phase:
    return Phase(
        name="p",
        epochs=1,
        blocks=tuple(blocks),
        batch_norm=batch_norm,
        optimizer=Optimizer(name="sgd"),
        learning_rate=0.1,
        **more,
    )


def batch(size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (size, 8, 8, 3)).astype("float32"), rng.integers(0, 3, size)


def gradients(prepared: Prepared, images: np.ndarray, labels: np.ndarray) -> list[Any]:
    values = [variable.value for variable in prepared.variables]
    inputs = images if prepared.frozen_part is None else prepared.frozen_part(images, training=False)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        for value in values:
            tape.watch(value)
        logits = prepared.live_part(inputs, training=True)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))
    return list(tape.gradient(loss, values))


def train(net: Network, plan: Phase, steps: int = 2) -> tuple[dict[str, str], dict[str, str]]:
    before = digests(net.model)
    apply_flags(net, plan)
    prepared = prepare(net, plan)
    optimizer = keras.optimizers.SGD(0.1)
    for _ in range(steps):
        optimizer.apply(gradients(prepared, *batch()), list(prepared.variables))
    return before, digests(net.model)


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {key for key in before if before[key] != after[key]}


def test_in_a_frozen_phase_only_the_head_changes() -> None:
    net = network()
    moved = changed(*train(net, phase()))
    assert {key.split("/")[0] for key in moved} == {"head_bn", "head_dropout", "head_logits"}
    assert {"head_bn/gamma", "head_bn/moving_mean", "head_bn/moving_variance", "head_logits/kernel"} <= moved


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("frozen", set()),
        ("statistics", {"high_bn/gamma", "high_bn/beta"}),
        ("train", {"high_bn/gamma", "high_bn/beta", "high_bn/moving_mean", "high_bn/moving_variance"}),
    ],
)
def test_each_batch_norm_policy_changes_what_it_says(policy: str, expected: set[str]) -> None:
    net = network()
    plan = phase(["high"], policy)
    before, after = train(net, plan)
    moved = changed(before, after)
    assert {key for key in moved if key.startswith("high_bn")} == expected
    assert {"high_conv/kernel", "high_conv/bias"} <= moved
    assert not any(key.startswith(("low_", "mid_")) for key in moved)
    prove(net, plan, before, after)


@pytest.mark.parametrize("blocks", [["low"], ["mid"], ["high"], ["mid", "high"], BLOCKS])
@pytest.mark.parametrize("policy", ["frozen", "statistics", "train"])
def test_expected_changes_are_exactly_those_that_happen(blocks: Sequence[str], policy: str) -> None:
    net = network()
    plan = phase(blocks, policy)
    before, after = train(net, plan)
    rows = prove(net, plan, before, after)
    assert {(row.layer, row.variable) for row in rows} == {tuple(key.split("/", 1)) for key in before}
    exact = [row for row in rows if not row.layer.endswith("conv") or row.variable != "bias"]
    assert [row for row in exact if row.changed != row.should_change] == []


@pytest.mark.parametrize("policy", ["statistics", "train"])
def test_every_trained_variable_gets_a_gradient(policy: str) -> None:
    prepared = prepare(network(), phase(BLOCKS, policy))
    assert all(each is not None for each in gradients(prepared, *batch()))
    names = [variable.path for variable in prepared.variables]
    assert "low_bn/gamma" in names
    assert "low_bn/moving_mean" not in names


def test_statistics_policy_normalises_with_the_moving_statistics() -> None:
    """With the statistics of the batch, the result would not depend on the moving mean."""
    net = network(dropout=0.0)
    apply_flags(net, phase(BLOCKS, "statistics"))
    prepared = prepare(net, phase(BLOCKS, "statistics"))
    images, _ = batch()
    first = prepared.live_part.get_layer("high_bn")
    inputs = np.ones((2, 8, 8, 4), "float32")
    before = np.array(first(inputs, training=True))
    first.moving_mean.assign(first.moving_mean + 1)
    assert not np.allclose(before, np.array(first(inputs, training=True)))
    assert images.shape[0] == 8


def test_the_two_parts_compute_what_the_whole_model_computes() -> None:
    net = network()
    images, _ = batch()
    expected = np.array(net.model(images, training=False))
    for blocks in ([], ["high"], ["mid"], ["mid", "high"]):
        prepared = prepare(net, phase(blocks))
        assert prepared.frozen_part is not None
        parts = prepared.live_part(prepared.frozen_part(images, training=False), training=False)
        np.testing.assert_allclose(np.array(parts), expected, rtol=1e-5, atol=1e-6)


def test_the_frozen_part_has_no_dropout_and_the_live_part_shares_its_layers_with_the_model() -> None:
    net = network()
    prepared = prepare(net, phase(["high"]))
    images, _ = batch()
    first, second = (np.array(flat_list(prepared.frozen_part(images, training=False))[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert prepared.live_part.get_layer("high_conv") is net.model.get_layer("high_conv")
    assert "low_conv" in {layer.name for layer in prepared.frozen_part.layers}
    assert "low_conv" not in {layer.name for layer in prepared.live_part.layers}


def flat_list(value: Any) -> list[Any]:
    return list(keras.tree.flatten(value))


def test_a_shortcut_across_the_cut_is_an_input_of_the_live_part() -> None:
    prepared = prepare(network(), phase(["mid", "high"]))
    assert len(prepared.live_part.inputs) == 1
    blocks = (
        Block("a", ("low_conv", "low_bn", "low_dropout", "mid_conv"), 2),
        Block("b", ("mid_bn", "mid_dropout", "high_conv", "high_bn", "high_dropout"), 2),
    )
    prepared = prepare(Network(network().model, blocks, pretrained=True), phase(["b"]))
    assert len(prepared.live_part.inputs) == 2


def test_when_everything_trains_there_is_no_frozen_part() -> None:
    net = network()
    prepared = prepare(net, phase(BLOCKS, "train"))
    assert prepared.frozen_part is None
    assert prepared.live_part is net.model
    apply_flags(net, phase(BLOCKS, "train"))
    assert len(prepared.variables) == len(net.model.trainable_variables)


def test_a_later_phase_unfreezes_what_an_earlier_one_froze_and_back() -> None:
    net = network()
    apply_flags(net, phase())
    assert len(prepare(net, phase(BLOCKS, "train")).variables) == 3 * 4 + 2 + 2
    apply_flags(net, phase(BLOCKS, "train"))
    assert len(prepare(net, phase()).variables) == 2 + 2


def flags(model: Any) -> list[bool]:
    """The flags of all layers, nested ones included, and of all variables."""
    owners = [*model._flatten_layers(), *model.variables]
    return [each.trainable for each in owners]


@pytest.mark.parametrize("ask", [trainable_variables, prepare, expected_changes, updates_statistics])
@pytest.mark.parametrize("make", [network, lambda: nested_network()], ids=["flat", "nested"])
def test_only_apply_flags_changes_flags(ask: Any, make: Any) -> None:
    net = make()
    for plan in (phase(), phase([net.blocks[-1].name], "statistics")):
        apply_flags(net, plan)
        before = flags(net.model)
        ask(net, phase(net.outline.names, "train"))
        assert flags(net.model) == before


def test_flags_are_those_of_the_variables_that_train() -> None:
    net = network()
    for plan in (phase(), phase(["high"], "statistics"), phase(["mid", "high"], "train"), phase(BLOCKS, "train")):
        apply_flags(net, plan)
        by_flag = {id(variable) for variable in net.model.trainable_variables}
        statistics = {f"{name}_bn" for name in BLOCKS} if plan.batch_norm == "statistics" else set()
        by_list = {id(each) for each in trainable_variables(net, plan) if each.path.split("/")[0] not in statistics}
        assert by_flag == by_list


def test_the_variables_that_train_do_not_depend_on_flags(tmp_path: Path) -> None:
    """Flags that an earlier phase set, a saved model brought, or a layer's own code cleared."""
    net = composite_network()
    plan = phase(["attention"])
    expected = [each.path for each in trainable_variables(net, plan)]
    assert len(expected) == 8 + 2
    apply_flags(net, phase())
    assert [each.path for each in trainable_variables(net, plan)] == expected
    net.model.save(tmp_path / "frozen.keras")
    again = replace(net, model=keras.saving.load_model(tmp_path / "frozen.keras"))
    assert not again.model.get_layer("attention").trainable
    assert [each.path for each in trainable_variables(again, plan)] == expected
    net.model.get_layer("attention").query_dense.trainable = False
    assert [each.path for each in trainable_variables(net, plan)] == expected


def composite_network() -> Network:
    """A layer that is made of layers, and a head."""
    images = keras.Input((4, 4, 3), name="images")
    x = layers.Reshape((16, 3), name="pixels")(images)
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = layers.GlobalAveragePooling1D(name="head_pooling")(x)
    model = keras.Model(images, layers.Dense(3, name="head_logits")(x))
    return Network(model, (Block("attention", ("pixels", "attention"), 1),), pretrained=True)


@pytest.mark.parametrize(
    ("blocks", "policy", "expected"),
    [((), "train", False), (("high",), "statistics", False), (("high",), "train", True), (BLOCKS, "frozen", False)],
)
def test_statistics_are_updated_where_batch_norm_trains(blocks: Sequence[str], policy: str, expected: bool) -> None:
    assert updates_statistics(network(head_batch_norm=False), phase(blocks, policy)) is expected
    assert updates_statistics(network(), phase(blocks, policy))


def test_each_block_has_its_factor_and_the_head_has_one() -> None:
    prepared = prepare(network(), phase(["mid", "high"], block_factors={"mid": 0.1, "high": 0.3}))
    factors = dict(zip([each.path for each in prepared.variables], prepared.factors, strict=True))
    assert factors["mid_conv/kernel"] == 0.1
    assert factors["high_conv/bias"] == 0.3
    assert factors["head_logits/kernel"] == 1.0


@pytest.mark.parametrize("wrong", [phase(["block9"]), phase(["high"], block_factors={"block9": 0.5})])
def test_an_unknown_block_is_refused_with_the_names_of_the_known_ones(wrong: Phase) -> None:
    with pytest.raises(PluginError, match=r"phase p: no block block9; the backbone has low, mid, high"):
        prepare(network(), wrong)
    with pytest.raises(PluginError, match="no block block9"):
        apply_flags(network(), wrong)


def test_tampering_with_a_frozen_weight_is_caught_and_the_error_has_the_table() -> None:
    net = network()
    before, _ = train(net, phase())
    bias = net.model.get_layer("low_bn").moving_mean
    bias.assign(bias + 1e-7)
    with pytest.raises(FreezeError, match=r"1 frozen variables changed: low_bn/moving_mean") as caught:
        prove(net, phase(), before, digests(net.model))
    assert [row.layer for row in caught.value.rows if row.changed and not row.should_change] == ["low_bn"]
    assert len(caught.value.rows) == len(before)


def test_every_variable_of_the_flat_model_has_its_own_key() -> None:
    net = network()
    variables = keyed_variables(net.model)
    assert {id(each) for each in variables.values()} == {id(each) for each in net.model.variables}
    assert {"low_conv/kernel", "low_bn/moving_variance", "head_logits/bias"} <= set(variables)


def nested_network() -> Network:
    """A block that is a model of its own, and a head."""
    inner = keras.Sequential([layers.Conv2D(2, 3, name="a"), layers.BatchNormalization(name="b")], name="inner")
    images = keras.Input((8, 8, 3))
    pooled = layers.GlobalAveragePooling2D(name="pool")(inner(images))
    model = keras.Model(images, layers.Dense(3, name="head_logits")(pooled))
    return Network(model, (Block("inner", ("inner",), 2),), pretrained=True)


def test_a_nested_layer_is_frozen_leaf_by_leaf() -> None:
    net = nested_network()
    model = net.model
    for plan, count in ((phase(), 2), (phase(["inner"]), 4), (phase(["inner"], "statistics"), 6)):
        before = digests(model)
        assert len(prepare(net, plan).variables) == count
        after = train(net, plan)[1]
        prove(net, plan, before, after)
        assert before["inner/b/moving_mean"] == after["inner/b/moving_mean"]
