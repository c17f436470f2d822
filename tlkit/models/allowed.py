"""What a model file may name: the table ``allowed.toml``, read once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

WRITTEN = "written by tlkit"
FOR_PLUGINS = "for plugins"
_GROUPS = (WRITTEN, FOR_PLUGINS)

Options = Mapping[str, str]
"""The options of a class → what each may be, a name in ``option_kinds.KINDS``."""


class NotAllowed(Exception):  # noqa: N818 - safe_load turns it into a NotAllowedError that names the file
    """A model file contains something that is not allowed; the message says what."""


@cache
def table() -> dict[str, Any]:
    """Return ``allowed.toml``."""
    return tomllib.loads((files("tlkit.models") / "allowed.toml").read_text(encoding="utf-8"))


@cache
def classes(group: str | None = None) -> dict[tuple[str, str], Options]:
    """Return the allowed classes.

    Args:
        group: ``WRITTEN`` or ``FOR_PLUGINS``; None for both.

    Returns:
        (module, class name) → its options, with those that its whole module has.
    """
    common, kinds = table()["common"], table()["kinds"]
    found: dict[tuple[str, str], Options] = {}
    for each in _GROUPS if group is None else (group,):
        for module, members in table()[each].items():
            for name, own in members.items():
                pairs = (option.partition(": ") for option in [*common.get(module, "").split(), *own])
                found[module, name] = {option: kind or kinds[option] for option, _, kind in pairs}
    return found


def call_options(name: str) -> Options:
    """Return what a call of a class may give besides tensors, and what each may be."""
    calls = table()["calls"]
    return {**calls["every"], **calls.get(name, {})}


@cache
def words(key: str) -> frozenset[str]:
    """Return the words of ``activations`` or ``dtypes``."""
    return frozenset(table()[key].split())
