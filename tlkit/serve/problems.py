"""Answers in JSON, and the reasons why a request gets none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


class RefusedError(Exception):
    """A request that can't be answered.

    Args:
        status: the HTTP status, 4xx or 503.
        reason: what was wrong, what was expected, and what to do.
        wait: the seconds after which the same request may succeed; None if it won't.
    """

    def __init__(self, status: int, reason: str, *, wait: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.wait = wait

    def answer(self) -> Response:
        """Return the answer to the client."""
        headers = {} if self.wait is None else {"Retry-After": str(self.wait)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JsonAnswer({"detail": self.reason}, self.status, headers)


class JsonAnswer(Response):
    """An answer in JSON and ASCII, which takes names of any characters; a number that is none becomes null."""

    media_type = "application/json"

    def __init__(self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(_encoded(content), status, dict(headers or {}))


def _encoded(content: Any) -> bytes:
    try:
        text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(content), allow_nan=False, separators=(",", ":"))
    return text.encode("ascii")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
