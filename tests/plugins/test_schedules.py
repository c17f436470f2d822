from __future__ import annotations

import json
from typing import Any

import pytest
import tlkit_schedules
from pydantic import ValidationError

import tlkit

BLOCKS = tuple(
    tlkit.Block(name, (name,), stride) for name, stride in [("stem", 2), ("conv2", 4), ("conv3", 8), ("conv4", 8)]
)
PRETRAINED = tlkit.Outline(BLOCKS, pretrained=True)
RANDOM = tlkit.Outline(BLOCKS, pretrained=False)
RECORDS = {record.name: record for record in tlkit_schedules.tlkit_schedules()}


def plan(name: str, outline: tlkit.Outline = PRETRAINED, **table: Any) -> tuple[tlkit.Phase, ...]:
    """Return the phases for a recipe table, read as the core reads it."""
    record = RECORDS[name]
    return record.plan(outline, record.options.model_validate_json(json.dumps(table)))


def test_the_schedules_are_offered() -> None:
    later = {"gradual_unfreeze", "discriminative", "linear_probe_then_full", "from_scratch", "step_decay"}
    assert set(RECORDS) == {"frozen", "two_phase", "full", *later}


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_phase_names_are_unique(name: str) -> None:
    names = [phase.name for phase in plan(name)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("outline", [PRETRAINED, RANDOM])
def test_frozen_trains_no_block(outline: tlkit.Outline) -> None:
    (phase,) = plan("frozen", outline)
    assert phase == tlkit.Phase(name="head", epochs=10, blocks=(), learning_rate=1e-3)


@pytest.mark.parametrize("name", ["frozen", "full"])
def test_a_single_phase_has_the_options_of_its_schedule(name: str) -> None:
    (phase,) = plan(
        name,
        epochs=3,
        optimizer={"name": "sgd", "momentum": 0.9},
        learning_rate=0.05,
        curve="cosine",
        early_stop={"patience": 2, "min_delta": 0.01},
    )
    assert phase.epochs == 3
    assert phase.optimizer.name == "sgd"
    assert phase.optimizer.arguments == {"momentum": 0.9}
    assert phase.learning_rate == 0.05
    assert phase.curve == tlkit.Cosine(name="cosine")
    assert phase.early_stop == tlkit.EarlyStop(patience=2, min_delta=0.01)


def test_two_phase_trains_the_head_and_then_the_last_stage_at_a_lower_rate() -> None:
    head, finetune = plan("two_phase")
    assert head == tlkit.Phase(name="head", epochs=5, learning_rate=1e-3)
    assert finetune == tlkit.Phase(
        name="finetune", epochs=10, blocks=("conv3", "conv4"), batch_norm="frozen", learning_rate=1e-5
    )


@pytest.mark.parametrize(
    ("unfreeze_from", "blocks"),
    [
        ("conv2", ("conv2", "conv3", "conv4")),
        ("conv4", ("conv4",)),
        ("last", ("conv3", "conv4")),
        ("all", ("stem", "conv2", "conv3", "conv4")),
    ],
)
def test_two_phase_unfreezes_from_the_named_block(unfreeze_from: str, blocks: tuple[str, ...]) -> None:
    head, finetune = plan("two_phase", unfreeze_from=unfreeze_from)
    assert head.blocks == ()
    assert finetune.blocks == blocks


def test_two_phase_gives_each_phase_its_own_options() -> None:
    head, finetune = plan(
        "two_phase",
        head_epochs=2,
        finetune_epochs=7,
        learning_rate=0.01,
        finetune_learning_rate=0.0001,
        optimizer="rmsprop",
        finetune_optimizer={"name": "sgd", "nesterov": True},
        curve={"name": "step", "at": [1]},
        finetune_curve={"name": "plateau", "patience": 3},
    )
    assert (head.epochs, finetune.epochs) == (2, 7)
    assert (head.learning_rate, finetune.learning_rate) == (0.01, 0.0001)
    assert (head.optimizer.name, finetune.optimizer.name) == ("rmsprop", "sgd")
    assert finetune.optimizer.arguments == {"nesterov": True}
    assert head.curve == tlkit.Step(name="step", at=(1,))
    assert finetune.curve == tlkit.Plateau(name="plateau", patience=3)


def test_two_phase_uses_the_same_optimizer_for_both_by_default() -> None:
    head, finetune = plan("two_phase", optimizer={"name": "adamw", "weight_decay": 0.1})
    assert head.optimizer == finetune.optimizer
    assert finetune.optimizer.arguments == {"weight_decay": 0.1}


def test_two_phase_early_stop_applies_to_both_phases() -> None:
    assert [phase.early_stop for phase in plan("two_phase", early_stop=4)] == [tlkit.EarlyStop(patience=4)] * 2


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_early_stop_is_left_to_the_recipe_by_default(name: str) -> None:
    assert all(phase.early_stop is None for phase in plan(name))


def test_two_phase_names_the_option_of_an_unknown_block() -> None:
    with pytest.raises(ValueError, match="conv9") as caught:
        plan("two_phase", unfreeze_from="conv9")
    option, message = caught.value.args
    assert option == "unfreeze_from"
    assert "stem, conv2, conv3, conv4" in message


def test_full_trains_every_block() -> None:
    (phase,) = plan("full")
    assert phase.blocks == PRETRAINED.names


@pytest.mark.parametrize("name", ["two_phase", "full"])
@pytest.mark.parametrize(("outline", "policy"), [(PRETRAINED, "frozen"), (RANDOM, "train")])
def test_batch_norm_follows_the_weights(name: str, outline: tlkit.Outline, policy: str) -> None:
    assert plan(name, outline)[-1].batch_norm == policy


@pytest.mark.parametrize("name", ["two_phase", "full"])
@pytest.mark.parametrize("outline", [PRETRAINED, RANDOM])
@pytest.mark.parametrize("policy", ["frozen", "statistics", "train"])
def test_batch_norm_can_be_set(name: str, outline: tlkit.Outline, policy: str) -> None:
    assert plan(name, outline, batch_norm=policy)[-1].batch_norm == policy


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("frozen", {"epochs": 0}),
        ("frozen", {"epochs": "3"}),
        ("frozen", {"learning_rate": 0.0}),
        ("frozen", {"early_stop": 0}),
        ("frozen", {"batch_norm": "train"}),
        ("full", {"batch_norm": "thaw"}),
        ("full", {"curve": "sine"}),
        ("two_phase", {"finetune_learning_rate": -1e-5}),
        ("two_phase", {"head_epochs": 0}),
        ("two_phase", {"unfreeze_from": ""}),
    ],
)
def test_bad_options_are_refused(name: str, table: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        RECORDS[name].options.model_validate_json(json.dumps(table))
    assert caught.value.errors()[0]["loc"][0] == next(iter(table))


def test_gradual_unfreeze_adds_blocks_from_the_output_down() -> None:
    phases = plan("gradual_unfreeze", blocks_per_step=3, decay=0.5, finetune_learning_rate=1e-2)
    assert [phase.blocks for phase in phases] == [(), ("conv2", "conv3", "conv4"), ("stem", "conv2", "conv3", "conv4")]
    assert [phase.learning_rate for phase in phases[1:]] == [1e-2, 5e-3]
    assert {phase.batch_norm for phase in phases[1:]} == {"frozen"}


def test_gradual_unfreeze_ends_at_the_named_block() -> None:
    phases = plan("gradual_unfreeze", unfreeze_to="conv3")
    assert [phase.blocks for phase in phases] == [(), ("conv4",), ("conv3", "conv4")]
    with pytest.raises(ValueError, match="unfreeze_to"):
        plan("gradual_unfreeze", unfreeze_to="conv9")


def test_discriminative_lowers_the_rate_block_by_block() -> None:
    head, rest = plan("discriminative", decay=0.5, unfreeze_from="conv2")
    assert head.blocks == ()
    assert rest.blocks == ("conv2", "conv3", "conv4")
    assert rest.block_factors == {"conv4": 0.5, "conv3": 0.25, "conv2": 0.125}


def test_linear_probe_then_full_trains_everything_at_a_lower_rate() -> None:
    head, rest = plan("linear_probe_then_full")
    assert (head.blocks, rest.blocks) == ((), PRETRAINED.names)
    assert rest.learning_rate < head.learning_rate


@pytest.mark.parametrize("name", ["from_scratch", "step_decay"])
def test_schedules_from_scratch_train_everything_including_batch_norm(name: str) -> None:
    (phase,) = plan(name)
    assert (phase.blocks, phase.batch_norm) == (PRETRAINED.names, "train")
    assert phase.optimizer.arguments == {"momentum": 0.9}


def test_step_decay_has_the_papers_learning_rates() -> None:
    from tlkit.train.rates import LearningRate

    (phase,) = plan("step_decay")
    rate = LearningRate(phase, 1)
    assert [rate.at(epoch, 0) for epoch in (0, 79, 80, 119, 120)] == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001])
    with pytest.raises(ValueError, match="rising"):
        plan("step_decay", at=[120, 80])
