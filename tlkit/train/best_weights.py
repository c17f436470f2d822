"""The best weights of a phase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class BestWeights:
    """The variables that a phase may change, and a copy of their best values.

    Args:
        variables: the variables by their keys, as in ``keyed_variables``.

    Attributes:
        values: the copy; empty until ``take`` is called.
    """

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self.variables = variables
        self.values: dict[str, np.ndarray] = {}

    def take(self) -> None:
        """Copy the variables as they are now."""
        self.values = {key: np.array(variable) for key, variable in self.variables.items()}

    def put_back(self) -> None:
        """Set the variables to the copy."""
        for key, value in self.values.items():
            self.variables[key].assign(value)

    def are_finite(self) -> bool:
        """Return whether every value of the variables, as they are now, is finite."""
        return all(np.isfinite(np.array(variable)).all() for variable in self.variables.values())
