"""The options of a record: a class, or a class that is imported when it is needed."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable

import pytest

import tlkit
from tlkit.boundary.offers import record_problem
from tlkit.registry.discovery import plugins


class Named(tlkit.Options):
    name: str = "a"


def head(options: object) -> tlkit.Head:
    return tlkit.Head(name="h", summary="s", task="classification", options=options, build=print)


def test_a_class_that_is_named_is_imported_when_it_is_looked_at():
    code = (
        "import sys, tlkit\n"
        "registry = tlkit.plugins()\n"
        "head = registry.find(tlkit.Head, 'linear')\n"
        "assert 'tlkit_heads.options' not in sys.modules\n"
        "assert 'dropout' in head.options.model_fields\n"
        "assert head.options is sys.modules['tlkit_heads.options'].LinearOptions"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_class_works_as_it_is_and_is_required_and_frozen():
    record = head(tlkit.Options)
    assert record.options is tlkit.Options
    with pytest.raises(TypeError, match="options"):
        tlkit.Head(name="h", summary="s", task="classification", build=print)
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.options = Named
    assert record == head(tlkit.Options)
    assert record != head(Named)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("operator:add", r'operator:add: the options of "h" are not a subclass of tlkit\.Options'),
        (f"{__name__}:Named", 'the options of "h" have a field "name"'),
        ("tlkit_nowhere:Options", "can't be imported"),
    ],
)
def test_a_wrong_class_of_a_plugin_is_a_failure_of_the_plugin(target, message):
    with pytest.raises(tlkit.PluginError, match=message):
        plugins(head(tlkit.lazy(target)))


def test_a_wrong_class_that_is_there_is_refused_when_the_record_is_offered():
    assert "not a subclass of tlkit.Options" in record_problem(head(dict), tlkit.Head)
    assert 'have a field "name"' in record_problem(head(Named), tlkit.Head)


@pytest.mark.parametrize("kind", [tlkit.Backbone, tlkit.Head, tlkit.Augmentation, tlkit.Schedule, tlkit.Dataset])
def test_the_options_of_all_own_records_can_be_built(kind, registry):
    check: Callable[[type[tlkit.Options]], object] = lambda options: options.model_json_schema()  # noqa: E731
    assert all(check(record.options) for record, _ in registry.records(kind))
