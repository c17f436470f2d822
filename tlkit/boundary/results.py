"""Check what functions of plugins return, against the types that the records of ``tlkit.contracts`` declare."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping, Sequence
from datetime import date, time
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from tlkit.contracts import (
    Block,
    BuiltBackbone,
    Detected,
    ExportedModel,
    Phase,
    PretrainedFile,
    ReportSection,
    SampleSet,
    SetAside,
)
from tlkit.errors import Problem

_EXPECTED: dict[str, tuple[type, bool]] = {
    "Backbone.build": (BuiltBackbone, False),
    "Backbone.pretrained": (PretrainedFile, False),
    "Dataset.detect": (Detected, True),
    "DrawnMask.read": (bytes, False),
    "Exporter.open": (ExportedModel, False),
}
"""Function of a record → class of its result, and whether it may also be None."""

_CHECKED = (Block, BuiltBackbone, Detected, ExportedModel, Phase, PretrainedFile, Problem, ReportSection, SetAside)
"""Records that plugins return whose parts are checked here. A ``SampleSet``, which may have millions of samples, is
checked by ``tlkit.data.sample_set``."""


def result_problem(function: str, result: Any) -> str:
    """Return what is wrong with what a function of a record returned; an empty string if nothing is.

    Args:
        function: the record's class and field, such as ``Head.build``.
        result: what it returned.
    """
    if function == "Augmentation.build" and not (result is None or callable(result)):
        return f"expected a function or None, received {reprlib.repr(result)}"
    expected, optional = _EXPECTED.get(function, (object, True))
    if result is None and optional:
        return ""
    if not isinstance(result, expected):
        return f"expected {_named(expected)}{' or None' if optional else ''}, received {reprlib.repr(result)}"
    return part_problem(result)


def part_problem(record: Any) -> str:
    """Return which part of a record that a plugin returned has a wrong type; an empty string if none has.

    Numbers must be finite. Records without checks, and other values, have no wrong part.
    """
    kind = next((each for each in _CHECKED if isinstance(record, each)), None)
    if kind is None:
        return ""
    problem = fields_problem(record, kind, [field.name for field in dataclasses.fields(kind)])
    if not problem and isinstance(record, Detected):
        wrong = next((key for key, value in record.options.items() if not _is_plain(value)), None)
        if wrong is not None:
            problem = f"tlkit.Detected.options[{wrong!r}]: expected plain values as TOML has them, received "
            problem += reprlib.repr(record.options[wrong])
    return problem


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(each) for each in value)
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return isinstance(value, str | int | float | Path | date | time)


def fields_problem(record: Any, kind: type, names: Sequence[str]) -> str:
    """Return which of some fields of a record has a wrong type; an empty string if none has.

    Args:
        record: the record.
        kind: its class in ``tlkit.contracts``.
        names: the names of the fields.
    """
    for name in names:
        value = getattr(record, name)
        try:
            _adapter(kind, name).validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = "".join(f"[{each!r}]" for each in first["loc"] if isinstance(each, int | str))
            return f"{_named(kind)}.{name}{place}: {first['msg']}, received {reprlib.repr(value)}"
        for each in value if isinstance(value, tuple) else ():
            if problem := part_problem(each):
                return f"{_named(kind)}.{name}: {problem}"
    return ""


def settled(record: Any) -> Any:
    """Return a record that a plugin returned with tuples in place of its lists and a copy of each of its tables.

    A plugin that keeps a list or a dict then can't change the record later. Other values are returned as they are.
    """
    names = [each.name for each in dataclasses.fields(record)] if isinstance(record, _CHECKED) else []
    if isinstance(record, SampleSet):
        names = ["samples", "classes", "set_aside", "sources", "notes", "colors"]
    if not names:
        return record
    values = {name: getattr(record, name) for name in names}
    changed = {name: _settled(value) for name, value in values.items() if isinstance(value, list | tuple | Mapping)}
    return dataclasses.replace(record, **changed)


def _settled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _settled(each) if isinstance(each, Mapping) else each for key, each in value.items()}
    if isinstance(value, tuple) and not any(isinstance(each, (list, tuple, *_CHECKED)) for each in value):
        return value  # perhaps millions of samples
    return tuple(_settled(each) if isinstance(each, list | tuple) else settled(each) for each in value)


def _named(kind: type) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"tlkit.{kind.__name__}"


@cache
def _adapter(kind: type, field: str) -> TypeAdapter[Any]:
    # Arrays are checked elsewhere, and NumPy is not imported for them.
    hint = get_type_hints(kind, localns={"np": SimpleNamespace(ndarray=Any)})[field]
    try:
        return TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True))
    except PydanticUserError:  # a class of options, which has a configuration of its own
        return TypeAdapter(hint)
