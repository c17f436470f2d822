"""The state of Keras callbacks in a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_SET_BY_KERAS = ("params", "_model")
_CLASS = "name of the class"
"""A key that no attribute has."""


def callback_states(callbacks: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the attributes of each callback that JSON can hold; those that Keras sets itself are left out."""
    return [
        {key: value for key, value in vars(callback).items() if key not in _SET_BY_KERAS and _is_plain(value)}
        | {_CLASS: type(callback).__qualname__}
        for callback in callbacks
    ]


def restore_callbacks(callbacks: Iterable[Any], states: Iterable[Mapping[str, Any]]) -> None:
    """Set the attributes of each callback to those that ``callback_states`` returned.

    A resumed run may have other trackers, so a callback gets the first state left of its class; tlkit 0.2.0 wrote no
    classes, and there it gets that of its place.
    """
    left = list(states)
    for callback in callbacks:
        name = type(callback).__qualname__
        state = next((each for each in left if each.get(_CLASS, name) == name), None)
        if state is not None:
            left.remove(state)
            vars(callback).update({key: value for key, value in state.items() if key != _CLASS})


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(each) for each in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return value is None or isinstance(value, bool | int | float | str)
