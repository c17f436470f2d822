"""The errors that tlkit raises on purpose. Any other exception from tlkit is a bug and keeps its traceback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One problem in a recipe.

    Args:
        path: dotted key in the recipe, such as ``head.dropout``; empty for the recipe as a whole.
        message: one sentence: what was expected, what was received and what to do; without the key and the line.
        file: the recipe's file; the core fills it in.
        line: 1-based line of the key in that file, None for an override or a missing key; the core fills it in.
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
    """Base class of errors that a user or a plugin author can fix; the CLI prints them without a traceback.

    Attributes:
        exit_code: exit code of a command that ends with this error; 2 means that the input is wrong.
    """

    exit_code = 2
    ag_pass_through = True  # AutoGraph, which TensorFlow runs on augmentation, passes such errors on as they are.


class RecipeError(TlkitError):
    """A recipe or an override of it is not valid.

    Attributes:
        problems: every problem that was found, not only the first.
    """

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = (Problem("", problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PluginError(TlkitError):
    """A plugin can't be loaded, conflicts with another, breaks its contract, or raises an exception.

    Attributes:
        details: the traceback of the exception that the plugin raised, which is also the ``__cause__``; else empty.
    """

    details = ""


class DataError(TlkitError):
    """The images, masks, labels or weights that a recipe names can't be read or don't fit it."""


class RunError(TlkitError):
    """A run can't continue, or a run folder can't be used."""

    exit_code = 1
