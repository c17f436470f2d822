"""The errors that tlkit raises on purpose. Anything else that comes out of tlkit is a bug and keeps its traceback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a recipe.

    Args:
        path: dotted key in the recipe, such as ``head.dropout``; empty for the recipe as a whole.
        message: what was expected, what was received and what to do; one sentence, no key, no line.
        file: the recipe's file, filled in by the core.
        line: 1-based line of the key in that file, filled in by the core; None for an override or a missing key.
    """

    path: str
    message: str
    file: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = "" if self.file is None else str(self.file)
        if where and self.line is not None:
            where += f":{self.line}"
        return ": ".join(part for part in (where, self.path, self.message) if part)


class TlkitError(Exception):
    """Base of all errors that a user or a plugin author can mend; the CLI prints them without a traceback.

    Attributes:
        exit_code: the exit code of the command that ends with this error. 2 is a user's error.
    """

    exit_code = 2


class RecipeError(TlkitError):
    """A recipe, or an override of it, is not valid. Holds every problem that was found, not only the first."""

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = (Problem("", problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PluginError(TlkitError):
    """A plugin can't be loaded, conflicts with another, or returned what its contract does not allow."""


class DataError(TlkitError):
    """The images, masks, labels or weights that a recipe names can't be read or don't fit it."""


class RunError(TlkitError):
    """A run can't go on, or a run folder can't be used."""

    exit_code = 1
