"""Pieces of messages about files."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """Return what an error of a converter or a runtime says in its first line, or the name of its class."""
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__


def last_line(error: BaseException) -> str:
    """Return the last line of what an error says: OpenVINO begins with places in its own source code."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip()[:500] if lines else type(error).__name__


class NotAllowedError(Exception):
    """A file may do more than compute; the message says why, and the check adds its name."""
