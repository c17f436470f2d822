"""The engine that a recipe names, and whether this machine has it; imports nothing that takes time."""

from __future__ import annotations

from tlkit.errors import Problem, RecipeError
from tlkit.models.engines import Engine, check_installed
from tlkit.recipe.schema import TrainTable
from tlkit.train.environment import computes_bfloat16


def asked_engine(table: TrainTable) -> Engine | None:
    """Return the engine that a recipe names; None for ``auto``."""
    return None if table.engine == "auto" else Engine(table.engine, table.engine_precision)


def check_engine(table: TrainTable) -> None:
    """Check that the engine that a recipe names is installed.

    Raises:
        RecipeError: it is not, or it can't compute in the precision that the recipe asks for.
    """
    asked = asked_engine(table)
    if asked is not None:
        check_installed(asked, "train.engine")
    if table.engine_precision != "float32" and computes_bfloat16() is False:
        message = f'this processor has no instructions for {table.engine_precision}; expected "float32"'
        raise RecipeError([Problem("train.engine_precision", message)])
