"""The state of Keras callbacks in a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_SET_BY_KERAS = ("params", "_model")


def callback_states(callbacks: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the attributes of each callback that JSON can hold; those that Keras sets itself are left out."""
    return [
        {key: value for key, value in vars(callback).items() if key not in _SET_BY_KERAS and _is_plain(value)}
        for callback in callbacks
    ]


def restore_callbacks(callbacks: Iterable[Any], states: Iterable[Mapping[str, Any]]) -> None:
    """Set the attributes of each callback to those that ``callback_states`` returned."""
    for callback, attributes in zip(callbacks, states, strict=False):
        vars(callback).update(attributes)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(each) for each in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return value is None or isinstance(value, bool | int | float | str)
