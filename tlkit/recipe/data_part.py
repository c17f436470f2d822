"""What a recipe says about its data, without its other tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tlkit.boundary.guard import options_code
from tlkit.contracts import Dataset, Task
from tlkit.recipe.input_table import InputTable
from tlkit.recipe.schema import Selection, TrainTable


@dataclass(frozen=True)
class DataPart:
    """All that is needed to read the data of a recipe.

    Args:
        name: the recipe's name.
        task: the recipe's task.
        seed: the recipe's seed.
        data: the data set and its options.
        input: the recipe's ``[input]``.
        train: the recipe's ``[train]``.
    """

    name: str
    task: Task
    seed: int
    data: Selection[Dataset]
    input: InputTable
    train: TrainTable

    @property
    def values(self) -> Mapping[str, Any]:
        """The table ``[data]`` as plain values, with all defaults."""
        with options_code(self.data.record):
            return {"name": self.data.record.name, **self.data.options.model_dump(mode="json")}
