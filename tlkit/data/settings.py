"""The settings of a recipe that its data depends on."""

from __future__ import annotations

from dataclasses import dataclass

from tlkit.contracts import Dataset, Task
from tlkit.data.images.reading import Reading
from tlkit.data.store.decoding import Decoding
from tlkit.recipe.check_table import CheckTable
from tlkit.recipe.input_table import InputTable
from tlkit.recipe.schema import Selection


@dataclass(frozen=True)
class DataSettings:
    """What a recipe says about its data.

    Args:
        dataset: the data set and its options.
        input: the recipe's ``[input]``.
        task: the recipe's task.
        seed: the recipe's seed.
        check: the recipe's ``[check]``; None: don't check the files before they are decoded.
        minimum_classes: how many classes the data must have; a model can be evaluated on one.
    """

    dataset: Selection[Dataset]
    input: InputTable
    task: Task
    seed: int
    check: CheckTable | None = None
    minimum_classes: int = 2

    @property
    def title(self) -> str:
        """The data set as messages name it."""
        return f'dataset "{self.dataset.record.name}"'

    @property
    def decoding(self) -> Decoding:
        """How images come to the model's size."""
        return Decoding(self.input.image_size, self.input.resize, self.reading)

    @property
    def reading(self) -> Reading:
        """How files are read."""
        return Reading.of_recipe(self.input)
