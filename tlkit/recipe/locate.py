"""Give each problem of a recipe its line of the file, or the override that it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from tlkit.errors import Problem
from tlkit.recipe.renamed import under_both_names
from tlkit.recipe.source import KeyPath, key_lines

T = TypeVar("T")


def with_lines(
    problems: Iterable[Problem], text: str, file: Path | None, overridden: Mapping[KeyPath, str]
) -> list[Problem]:
    """Return the problems with their file and line, in the order of the lines.

    Args:
        problems: problems without file and line.
        text: the recipe's TOML text, without overrides.
        file: the recipe's file, if it has one.
        overridden: key → the override that sets it, as the user gave it.
    """
    lines = _dotted(key_lines(text))
    sources = _dotted(overridden)
    located = []
    for problem in problems:
        source = _source(problem.path, sources, lines)
        if problem.path == "--set":
            located.append(problem)
        elif source is not None:
            message = problem.message if source.startswith(f"{problem.path}=") else f"{problem.path}: {problem.message}"
            located.append(Problem(f"--set {source}", message))
        else:
            path = problem.path
            while path and path not in lines:
                path = path.rpartition(".")[0]
            located.append(Problem(problem.path, problem.message, file, lines.get(path)))
    return sorted(located, key=lambda each: (each.line is None, each.line or 0))


def _dotted(places: Mapping[KeyPath, T]) -> dict[str, T]:
    return under_both_names({".".join(str(part) for part in path): place for path, place in places.items()})


def _source(path: str, sources: Mapping[str, str], lines: Mapping[str, int]) -> str | None:
    """Return the override that a problem comes from; None if it comes from the file."""
    for key, source in reversed(list(sources.items())):
        made_the_table = path not in lines and key.startswith(f"{path}.")
        if path == key or path.startswith(f"{key}.") or (path and made_the_table):
            return source
    return None
