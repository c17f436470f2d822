"""Finding Keras's losses and metrics by the names that a recipe gives them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from tlkit.errors import Problem, RecipeError
from tlkit.models.graph import snake_case
from tlkit.system.text import did_you_mean


def keras_class(name: str, module: ModuleType, accepts: Callable[[type], bool], *, what: str, key: str) -> Any:
    """Return the class of a Keras module with a name, written as the class is or in snake case.

    Args:
        name: the name in the recipe.
        module: such as ``keras.losses``.
        accepts: whether a class of the module can be used.
        what: ``loss`` or ``metric``, for the message.
        key: the recipe's key that holds the name.

    Raises:
        RecipeError: the module has no such class.
    """
    classes = {
        each.lower(): member for each, member in vars(module).items() if inspect.isclass(member) and accepts(member)
    }
    member = classes.get(name.replace("_", "").lower())
    if member is None:
        hint = did_you_mean(name, (snake_case(each.__name__) for each in classes.values()))
        raise RecipeError([Problem(key, f'Keras has no {what} "{name}"{hint}')])
    return member
