"""Check what a plugin offers: its hooks and its records."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pluggy

from tlkit import hookspecs
from tlkit.contracts import Backbone, BackboneOptions, Options
from tlkit.contracts.options_class import is_loaded, options_problem
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
    name = record.name  # type: ignore[attr-defined]
    base = BackboneOptions if kind is Backbone else Options
    if not (type(name) is str and name):  # a class of its own could say that it equals another name
        return f"expected a name that is a string, received {name!r}"
    if type(record.summary) is not str:  # type: ignore[attr-defined]
        return f'expected a summary of "{name}" that is a string, received {record.summary!r}'  # type: ignore[attr-defined]
    return options_problem(record.options, base, name) if is_loaded(record) else ""  # type: ignore[attr-defined]
