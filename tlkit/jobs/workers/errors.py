"""Errors of a worker, told to the process that started it, which raises them again."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from tlkit import errors
from tlkit.cluster.tasks import WorkerLostError
from tlkit.errors import PluginError, Problem, RecipeError, RunError, TlkitError

_SHOWN = 1500
"""Characters of a log that are shown."""
_SIGNS = ("collective", "/job:worker", "coordination", "socket closed", "connection reset", "broken pipe", "grpc")


def error_values(error: BaseException) -> dict[str, Any]:
    """Return what there is to say of an error, as plain values."""
    values: dict[str, Any] = {"kind": type(error).__name__, "message": str(error)}
    if isinstance(error, RecipeError):
        values["problems"] = [[p.path, p.message, str(p.file or ""), p.line] for p in error.problems]
    if isinstance(error, PluginError):
        values["details"] = error.details
    if isinstance(error, TlkitError):
        values["exit_code"] = error.exit_code
    else:
        values["traceback"] = "".join(traceback.format_exception(error))
    # The heartbeat has room for a few pages.
    return {name: value[-6000:] if isinstance(value, str) else value for name, value in values.items()}


def is_of_others(error: BaseException) -> bool:
    """Return whether an error only says that another worker no longer answers."""
    import sys

    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
        return False
    text = str(error).lower()
    return any(sign in text for sign in _SIGNS)


class WorkerFailedError(Exception):
    """An error of a worker that is none of those that a user can fix; its message is the traceback."""


def raised_again(rank: int, code: int, values: dict[str, Any], log: Path) -> Exception:
    """Return an error for that of a worker, of the same kind and with the same words.

    Args:
        rank: the number of the worker.
        code: its exit code.
        values: what ``error_values`` returned; empty if it said nothing.
        log: the log of the worker.
    """
    if not values:
        said = log.read_text(errors="replace")[-_SHOWN:] if log.is_file() else ""
        return WorkerLostError(f"worker {rank} was lost: ended with exit code {code}; the end of {log}:\n{said}")
    if "traceback" in values:
        return WorkerFailedError(f"in worker {rank}:\n{values['traceback']}")
    if "problems" in values:
        found = values["problems"]
        return RecipeError([Problem(p, text, Path(file) if file else None, line) for p, text, file, line in found])
    kind = getattr(errors, values["kind"], None)
    made = (kind if isinstance(kind, type) and issubclass(kind, TlkitError) else RunError)(values["message"])
    made.exit_code = values["exit_code"]
    if isinstance(made, PluginError):
        made.details = values.get("details", "")
    return made
