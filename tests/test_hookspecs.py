"""Every hook is documented with an example, and every example is a working plugin."""

from __future__ import annotations

import inspect
import textwrap
import types
from collections.abc import Mapping
from typing import Any

import click
import pytest

import tlkit
from tlkit import hookspecs
from tlkit.registry import KINDS, Registry, Source

HOOKS = {name: function for name, function in vars(hookspecs).items() if name.startswith("tlkit_")}
NAMES = {
    "tlkit": tlkit,
    "click": click,
    "build": lambda *_: None,
    "plan": lambda *_: (),
    "open_xray": lambda *_: None,
    "write": lambda *_: None,
    "open_file": lambda *_: None,
    "SNIPPET": "",
    **{f"{name}Options": tlkit.Options for name in ("My", "Noise", "Short", "Xray")},
}
"""Names that the examples use and that the rest of their module would define."""


def example(hook: str) -> str:
    text = inspect.getdoc(HOOKS[hook]) or ""
    return textwrap.dedent(text.partition("Example::\n\n")[2])


def plugin(hook: str) -> types.SimpleNamespace:
    namespace: dict[str, Any] = dict(NAMES)
    exec(compile(example(hook), hook, "exec"), namespace)
    return types.SimpleNamespace(**{hook: namespace[hook]})


def registered(hook: str) -> Registry:
    registry = Registry()
    registry.add(plugin(hook), Source("example", None, None), "example")
    return registry


def test_each_kind_of_record_has_a_hook():
    assert {hook for _, hook in KINDS.values()} <= set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_docstring_of_a_hook_starts_with_a_sentence(hook):
    first = (inspect.getdoc(HOOKS[hook]) or "").splitlines()[0]
    assert first
    assert "." in first


@pytest.mark.parametrize("hook", HOOKS)
def test_the_docstring_of_a_hook_explains_each_argument(hook):
    text = inspect.getdoc(HOOKS[hook]) or ""
    for argument in inspect.signature(HOOKS[hook]).parameters:
        assert f"\n    {argument}: " in text


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_of_a_hook_is_a_plugin_without_failures(hook):
    assert "@tlkit.hookimpl\n" in example(hook)
    registry = registered(hook)
    assert registry.failures == []
    assert len(getattr(registry.manager.hook, hook).get_hookimpls()) == 1


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_of_a_hook_takes_the_hooks_arguments(hook):
    given = list(inspect.signature(getattr(plugin(hook), hook)).parameters)
    assert given == list(inspect.signature(HOOKS[hook]).parameters)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_example_of_a_kind_offers_a_record_of_that_kind(kind):
    registry = registered(KINDS[kind][1])
    (name,) = registry.names(kind)
    assert isinstance(registry.find(kind, name), kind)


def test_the_example_of_a_command_is_a_command():
    ((command, _),) = registered("tlkit_commands").collect("tlkit_commands")
    assert command.name == "hello"


@pytest.mark.parametrize(("batch_size", "problems"), [(256, 0), (257, 1)])
def test_the_example_of_a_check_finds_its_problem(batch_size, problems):
    values: Mapping[str, Any] = {"input": {"batch_size": batch_size}}
    assert len(registered("tlkit_check_recipe").check_recipe(values)) == problems


def test_the_example_of_a_report_section_returns_one(tmp_path):
    function = plugin("tlkit_report_sections").tlkit_report_sections
    (section,) = function(tmp_path, {"test": {"accuracy": 0.95}})
    assert section == tlkit.ReportSection("Our threshold", "passed")
