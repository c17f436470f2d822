"""What an option of a layer in a model file may be: one check per kind that ``allowed.toml`` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tlkit.models.allowed import NotAllowed, words

MAX_COUNT = 2**24
"""Limit for channels, units and heads; the weights that they need are counted besides."""
MAX_CHANNELS = 2**16
MAX_SIDE = 2**15
"""Limit for sizes, strides and margins in pixels."""
MAX_DILATION = 2**10
MAX_NUMBER = 2**31
MAX_TEXT = 1000
_MAX_AXIS = 8
_MAX_SIZE = 2**31
_MAX_SEED = 2**32 - 1
_MAX_TENSORS = 64

Check = Callable[[Any], bool]


def _is_count(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _is_list(value: Any, most: int, each: Check) -> bool:
    return isinstance(value, list) and len(value) <= most and all(map(each, value))


def _are_sides(value: Any) -> bool:
    """Return whether it is a size per axis, or a pair of margins per axis."""
    return _is_side(value) or _is_list(value, 3, lambda each: _is_side(each) or _is_list(each, 2, _is_side))


def _is_side(value: Any) -> bool:
    return _is_count(value, 0, MAX_SIDE)


def _are_statistics(value: Any, depth: int = 0) -> bool:
    """Return whether it is a number, or numbers that are nested like the axes of an array."""
    return _is_number(value) or (
        isinstance(value, list) and depth < _MAX_AXIS and all(_are_statistics(each, depth + 1) for each in value)
    )


def _is_shape(value: Any) -> bool:
    return _is_list(value, _MAX_AXIS, lambda each: each is None or _is_count(each, 0, _MAX_SIZE))


def _is_tensor_name(value: Any) -> bool:
    """Return whether it is [layer, number of its call, number of its output]."""
    return isinstance(value, list) and len(value) == 3 and _is_text(value[0]) and all(map(_is_side, value[1:]))


def _are_tensors(value: Any) -> bool:
    """Return whether it is a tensor's name, or a list or named entries of them."""
    if isinstance(value, dict):
        return all(map(_is_text, value)) and _are_tensors(list(value.values()))
    return _is_tensor_name(value) or _is_list(value, _MAX_TENSORS, _is_tensor_name)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _is_dilation(value: Any) -> bool:
    return _is_count(value, 1, MAX_DILATION)


def _is_axis(value: Any) -> bool:
    return _is_count(value, -_MAX_AXIS, _MAX_AXIS)


def _is_one_of(*words_: str) -> Check:
    return lambda value: isinstance(value, str) and value in words_


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


KINDS: Mapping[str, tuple[Check, str]] = {
    "activation": (
        _or_none(lambda value: isinstance(value, str) and value in words("activations")),
        "one of Keras's by name",
    ),
    "axes": (_or_none(lambda value: _is_axis(value) or _is_list(value, _MAX_AXIS, _is_axis)), "one axis or several"),
    "channels": (lambda value: _is_count(value, 1, MAX_CHANNELS), f"an integer from 1 to {MAX_CHANNELS}"),
    "channels_last": (_is_one_of("channels_last"), '"channels_last"'),
    "count": (lambda value: _is_count(value, 1, MAX_COUNT), f"an integer from 1 to {MAX_COUNT}"),
    "dilation": (
        lambda value: _is_dilation(value) or _is_list(value, 3, _is_dilation),
        f"integers from 1 to {MAX_DILATION}",
    ),
    "false": (lambda value: value is False, "false"),
    "fill_mode": (_is_one_of("constant"), '"constant"'),
    "flag": (lambda value: isinstance(value, bool), "true or false"),
    "flag or none": (_or_none(lambda value: isinstance(value, bool)), "true, false or null"),
    "interpolation": (_is_one_of("nearest", "bilinear", "bicubic"), '"nearest", "bilinear" or "bicubic"'),
    "noise_shape": (
        _or_none(lambda value: _is_list(value, _MAX_AXIS, lambda each: each in (None, 1))),
        "null, or a list of 1 and null",
    ),
    "none": (lambda value: value is None, "null"),
    "number": (_is_number, f"a number up to {MAX_NUMBER}"),
    "number or none": (_or_none(_is_number), f"null, or a number up to {MAX_NUMBER}"),
    # Keras does not count the values that a longer list would add to the feature map.
    "numbers": (
        lambda value: _is_number(value) or _is_list(value, 4, _is_number),
        f"at most 4 numbers up to {MAX_NUMBER}",
    ),
    "padding": (_is_one_of("same", "valid"), '"same" or "valid"'),
    "padding or causal": (_is_one_of("same", "valid", "causal"), '"same", "valid" or "causal"'),
    "seed": (_or_none(lambda value: _is_count(value, 0, _MAX_SEED)), f"null, or an integer up to {_MAX_SEED}"),
    "shape": (_is_shape, "a list of sizes"),
    "share": (lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1"),
    "size": (lambda value: _is_count(value, 1, MAX_SIDE), f"an integer from 1 to {MAX_SIDE}"),
    "sides": (_are_sides, f"integers from 0 to {MAX_SIDE}"),
    "sides or none": (_or_none(_are_sides), f"null, or integers from 0 to {MAX_SIDE}"),
    "statistics": (_or_none(_are_statistics), f"null, or numbers up to {MAX_NUMBER}"),
    "target_shape": (
        lambda value: _is_list(value, _MAX_AXIS, lambda each: _is_count(each, -1, _MAX_SIZE)),
        "a list of sizes",
    ),
    "tensor name": (_is_tensor_name, "a layer, the number of its call and of its output"),
    "tensors": (_are_tensors, "tensors by layer and number"),
    "text": (_is_text, f"a text of at most {MAX_TEXT} characters"),
    "type": (lambda value: isinstance(value, str) and value in words("dtypes"), "a floating-point type"),
}
"""Kind → its check, and what is expected, in words."""


def check_option(kind: str, value: Any, where: str) -> None:
    """Check the value of an option.

    Args:
        kind: a name in ``KINDS``.
        value: as the JSON file has it.
        where: the option, for the message.

    Raises:
        NotAllowed: the value is not of this kind.
    """
    check, expected = KINDS[kind]
    if not check(value):
        raise NotAllowed(f"{where}: expected {expected}, received {str(value)[:80]!r}")
