"""Options of plugins as text."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from tlkit import Options
from tlkit.cli.option_texts import type_names

Count = Annotated[int, Field(ge=1, le=8192)]


class Everything(Options):
    pair: tuple[int, int] = (1, 2)
    bounded_pair: tuple[Count, Count] = (1, 2)
    mixed: tuple[Count, str] = (1, "a")
    some: Annotated[tuple[Count, ...], Field(min_length=1, max_length=5)] = (1,)
    any_number: tuple[Count, ...] = ()
    filled: Annotated[tuple[str, ...], Field(min_length=1)] = ("a",)
    few: Annotated[tuple[str, ...], Field(max_length=3)] = ()
    large: Annotated[int, Field(ge=-(2**31), lt=2**31)] = 0
    pixels: Annotated[int, Field(le=357913941)] = 1
    small: Annotated[float, Field(gt=1e-7, le=0.5)] = 0.1


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("pair", "[integer, integer]"),
        ("bounded_pair", "array of 2: integer, >= 1, <= 8192"),
        ("mixed", "[(integer, >= 1, <= 8192), string]"),
        ("some", "array of 1 to 5: integer, >= 1, <= 8192"),
        ("any_number", "array of integer, >= 1, <= 8192"),
        ("filled", "array of at least 1: string"),
        ("few", "array of at most 3: string"),
        ("large", "integer, >= -2147483648, < 2147483648"),
        ("pixels", "integer, <= 357913941"),
        ("small", "number, > 1e-07, <= 0.5"),
    ],
)
def test_what_an_option_takes_is_written_in_full(key, expected):
    schema = Everything.model_json_schema()
    assert type_names(schema["properties"][key], schema.get("$defs", {})) == [expected]
