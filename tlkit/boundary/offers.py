"""Check what a plugin offers: its hooks and its records."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pluggy

from tlkit import hookspecs
from tlkit.contracts import Backbone, BackboneOptions, Options
from tlkit.system.text import did_you_mean, nearest


def hook_mistakes(module: object, manager: pluggy.PluginManager) -> Iterator[str]:
    """Yield a sentence per function that is marked as an unknown hook, or named like a hook but not marked."""
    known = [name for name in vars(hookspecs) if name.startswith("tlkit_")]
    for name in dir(module):
        if manager.parse_hookimpl_opts(module, name) is not None:
            if name not in known:
                yield f'there is no hook "{name}"' + did_you_mean(name, known, f"; the hooks are {', '.join(known)}")
        elif name.startswith("tlkit_") and inspect.isroutine(getattr(module, name)):
            near = nearest(name, known)
            if near == name:
                yield f'"{name}" is not marked as a hook; write @tlkit.hookimpl above it'
            elif near:
                yield (
                    f'"{name}" is not marked as a hook; did you mean "{near}"? '
                    "If so, rename it and write @tlkit.hookimpl above it"
                )


def record_problem(record: Any, kind: type) -> str:
    """Return what is wrong with a record that a plugin offers; an empty string if nothing is."""
    if not isinstance(record, kind):
        return f"expected {kind.__name__} records, received {record!r}"
    name, options = record.name, record.options  # type: ignore[attr-defined]
    base = BackboneOptions if kind is Backbone else Options
    if not (type(name) is str and name):  # a class of its own could say that it equals another name
        return f"expected a name that is a string, received {name!r}"
    if type(record.summary) is not str:  # type: ignore[attr-defined]
        return f'expected a summary of "{name}" that is a string, received {record.summary!r}'  # type: ignore[attr-defined]
    if not (isinstance(options, type) and issubclass(options, base)):
        return f'the options of "{name}" are not a subclass of tlkit.{base.__name__}'
    if "name" in options.model_fields:
        return f'the options of "{name}" have a field "name", but in a recipe this key selects the plugin'
    return ""
