"""The API against its own description: schemathesis makes requests from it, and no answer may be a 5xx."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from served_runs import picture, served_app

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]
OPERATIONS = [
    ("/predict", "POST"),
    ("/explain", "POST"),
    ("/model", "GET"),
    ("/health", "GET"),
    ("/metrics", "GET"),
]


@pytest.fixture(scope="module")
def schema(run: Any) -> Iterator[Any]:
    with served_app(run) as (_, app):
        yield schemathesis.openapi.from_asgi("/openapi.json", app)


def check(operation: Any, count: int, **options: Any) -> Counter[int]:
    """Make requests for an operation, half of them wrong on purpose; return how often which status came back."""
    statuses: Counter[int] = Counter()

    def ask(case: Any) -> None:
        statuses[case.call_and_validate(checks=CHECKS).status_code] += 1

    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    has_input = operation.method == "post"  # there is no wrong request without one
    modes = [*schemathesis.GenerationMode] if has_input else [schemathesis.GenerationMode.POSITIVE]
    for mode in modes:
        made = given(case=operation.as_strategy(generation_mode=mode))(ask)
        phases = (Phase.generate,)
        settings(max_examples=count // 2, deadline=None, suppress_health_check=quiet, phases=phases, **options)(made)()
    return statuses


def test_every_operation_is_asked(schema: Any) -> None:
    found = {(each.ok().path, each.ok().method.upper()) for each in schema.get_all_operations()}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_answers_are_as_described(schema: Any, path: str, method: str) -> None:
    statuses = check(schema[path][method], 40, derandomize=True)
    assert sum(statuses.values()) >= (30 if method == "POST" else 1)


@pytest.mark.slow
def test_a_thousand_requests_get_no_5xx(schema: Any) -> None:
    statuses = sum((check(schema[path][method], 800) for path, method in OPERATIONS), Counter())
    assert sum(statuses.values()) >= 1000
    assert max(statuses) < 500


def test_real_answers_are_as_described(schema: Any) -> None:
    for path in ("/predict", "/explain"):
        case = schema[path]["POST"].Case(body=picture("red"), media_type="application/octet-stream")
        assert case.call_and_validate(checks=CHECKS).status_code == 200
