"""Functions of plugins get copies, and what they return is checked."""

from __future__ import annotations

import copy
import types
from pathlib import Path
from typing import Any

import pytest
from recipe_text import recipe_text

import tlkit
from tlkit.boundary.guard import Guard
from tlkit.recipe.load import parse_recipe, read_recipe
from tlkit.recipe.source import parse_toml
from tlkit.registry import Registry, Source
from tlkit.registry.discovery import make_registry, plugins

MINE = Source("mine", "my-plugin", "1.2")
DETECTED = tlkit.Detected(title="mine", task="classification", options={"path": [1, None]}, counts={}, images=())
PHASE = tlkit.Phase(name="a", epochs=1, block_factors={"stem": 0.5})


def registry_with(**hooks: Any) -> Registry:
    registry = Registry()
    module = types.ModuleType("plugin")
    for name, function in hooks.items():
        setattr(module, name, tlkit.hookimpl(function))
    registry.add(module, MINE, "mine")
    assert registry.failures == []
    return registry


def test_a_check_that_changes_the_recipe_is_an_error_and_changes_nothing():
    def check(recipe):
        recipe["input"]["batch_size"] = 1

    values = {"input": {"batch_size": 32}}
    with pytest.raises(tlkit.PluginError, match=r"mine \(my-plugin 1.2\): tlkit_check_recipe: changed recipe"):
        registry_with(tlkit_check_recipe=check).check_recipe(values)
    assert values == {"input": {"batch_size": 32}}


def test_a_check_does_not_see_what_another_plugin_changed_in_its_copy():
    seen = []
    registry = registry_with(tlkit_check_recipe=lambda recipe: seen.append(recipe))
    values = {"input": {"sizes": [1]}}
    registry.check_recipe(values)
    registry.check_recipe(values)
    assert seen[0] == seen[1] == values
    assert seen[0]["input"]["sizes"] is not seen[1]["input"]["sizes"]


@pytest.mark.parametrize("hook", ["tlkit_phase_finished", "tlkit_report_sections", "tlkit_callbacks"])
def test_what_a_hook_changes_in_its_arguments_does_not_reach_tlkit(hook):
    def change(run, metrics=None, result=None, phase=None):
        for given in (metrics, result):
            if given:
                given["val_loss"] = 0.0
        if phase:
            phase.block_factors["stem"] = 9.0

    given: dict[str, Any] = {"metrics": {"val_loss": 1.0}, "result": {"val_loss": 1.0}, "phase": PHASE}
    before = copy.deepcopy(given)
    named = {"tlkit_report_sections": ("run", "result"), "tlkit_callbacks": ("run", "phase")}
    arguments = {"run": Path("run"), **given}
    function = {
        ("run", "result"): lambda run, result: change(run, result=result),
        ("run", "phase"): lambda run, phase: change(run, phase=phase),
    }.get(named.get(hook, ()), lambda run, phase, metrics: change(run, metrics, phase=phase))
    registry_with(**{hook: function}).ask(hook, object, **arguments)
    assert given == before


def test_a_function_of_a_record_gets_copies_of_its_options():
    class Options(tlkit.Options):
        factors: dict[str, float]

    def plan(outline, options):
        options.factors["a"] = 9.0
        object.__setattr__(outline, "pretrained", False)
        return (PHASE,)

    schedule = tlkit.Schedule(name="mine", summary="", options=Options, plan=plan)
    registry = registry_with(tlkit_schedules=lambda: [schedule])
    options, outline = Options(factors={"a": 1.0}), tlkit.contracts.Outline((), pretrained=True)
    registry.find(tlkit.Schedule, "mine").plan(outline, options)
    assert options.factors == {"a": 1.0}
    assert outline.pretrained


@pytest.mark.parametrize(
    ("kind", "returned", "message"),
    [
        ("Backbone.build", None, "expected tlkit.BuiltBackbone, received None"),
        ("Backbone.build", tlkit.BuiltBackbone({"2": 0}, ()), "tlkit.BuiltBackbone.features.*valid integer"),
        (
            "Backbone.build",
            tlkit.BuiltBackbone({2: 0}, (tlkit.Block("a", ("b",), "2"),)),
            "tlkit.BuiltBackbone.blocks: tlkit.Block.stride: .*valid integer, received '2'",
        ),
        ("Backbone.pretrained", "https://x/y.h5", "expected tlkit.PretrainedFile, received 'https"),
        (
            "Backbone.pretrained",
            tlkit.PretrainedFile("u", Path("f"), None),
            "tlkit.PretrainedFile.file_name: .*valid string",
        ),
        ("Augmentation.build", 3, "expected a function or None, received 3"),
        ("Dataset.detect", "coco", "expected tlkit.Detected or None, received 'coco'"),
        ("Dataset.detect", DETECTED, r"tlkit.Detected.options\['path'\]: expected plain values .* received \[1, None"),
        ("DrawnMask.read", "text", "expected bytes, received 'text'"),
    ],
)
def test_a_function_that_returns_something_wrong_is_named(kind, returned, message):
    with pytest.raises(tlkit.PluginError, match=rf'^mine: {kind} of "x": {message}'):
        Guard(lambda: returned, "mine", kind, "x")()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (tlkit.ReportSection(3, "text"), r"tlkit.ReportSection.title: .*valid string, received 3"),
        (tlkit.ReportSection("a", "b", image="c.png"), r"tlkit.ReportSection.image: .*Path"),
    ],
)
def test_a_report_section_with_a_wrong_part_is_named(section, message):
    with pytest.raises(tlkit.PluginError, match=rf"tlkit_report_sections: {message}"):
        registry_with(tlkit_report_sections=lambda: [section]).ask(
            "tlkit_report_sections", tlkit.ReportSection, run=Path(), result={}
        )


def test_items_without_end_are_refused():
    def problems():
        while True:
            yield tlkit.Problem("seed", "no")

    with pytest.raises(tlkit.PluginError, match="returned more than 10,000 items"):
        registry_with(tlkit_check_recipe=problems).check_recipe({})


def test_a_name_that_says_that_it_equals_another_is_refused():
    class Name(str):
        __slots__ = ()

        def __eq__(self, other):
            return True

        __hash__ = str.__hash__

    registry = Registry()
    module = types.ModuleType("plugin")
    module.tlkit_heads = tlkit.hookimpl(
        lambda: [tlkit.Head(name=Name("x"), summary="", task="classification", options=tlkit.Options, build=print)]
    )
    registry.add(module, MINE, "mine")
    assert "expected a name that is a string" in registry.failures[0].reason


def test_what_a_user_gives_from_python_is_not_changed(registry):
    recipe, overrides = parse_toml(recipe_text(augment=[{"name": "none"}])), ["seed=3"]
    before = copy.deepcopy((recipe, overrides, dict(registry.sources), list(registry.failures)))
    read_recipe(recipe, registry, overrides)
    assert (recipe, overrides, dict(registry.sources), list(registry.failures)) == before


def test_the_settings_that_a_run_records_are_those_that_it_trains_with():
    def tlkit_check_recipe(recipe):
        recipe.pop("seed")

    with pytest.raises(tlkit.PluginError, match="changed recipe"):
        parse_recipe(recipe_text(), plugins(tlkit.hookimpl(tlkit_check_recipe)))


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), RuntimeError("no licence")], ids=repr)
def test_an_installed_plugin_that_raises_when_it_is_imported_is_a_failure(monkeypatch, error):
    class Point:
        name, dist = "mine", types.SimpleNamespace(name="my-plugin", version="1.2")

        def load(self):
            raise error

    monkeypatch.setattr("tlkit.registry.discovery.entry_points", lambda group: [Point()])
    (failure,) = make_registry(environ={}).failures
    assert failure.source == MINE
    assert failure.reason.startswith(f"its import: {type(error).__name__}")
    assert "Traceback" in failure.details


def test_an_object_whose_attributes_can_not_be_read_is_a_failure():
    class Odd:
        @property
        def tlkit_heads(self):
            raise SystemExit(0)

    registry = Registry()
    registry.add(Odd(), MINE, "mine")
    assert "its hooks: SystemExit" in registry.failures[0].reason
    assert registry.sources == {}
