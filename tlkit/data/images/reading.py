"""How the pixels of files are read: the record that travels from a recipe, or a model's card, to the decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tlkit.recipe.input_table import InputTable
from tlkit.runs.card import Card

Orientation = Literal["exif", "stored"]


@dataclass(frozen=True)
class Reading:
    """How image files are read.

    Args:
        max_pixels: refuse an image whose header claims more pixels; None: ``image_file.MAX_PIXELS``.
        value_range: the (lowest, highest) value that becomes 0 and 255, for images with more than 8 bits per channel;
            None: the range of their number format.
        bands: the numbers of the bands that become red, green and blue, from 0; one alone becomes grey; empty: those
            that the format calls colours.
        orientation: ``exif``: turn images as their EXIF orientation says; ``stored``: leave them as they are stored.
    """

    max_pixels: int | None = None
    value_range: tuple[float, float] | None = None
    bands: tuple[int, ...] = ()
    orientation: Orientation = "exif"

    @classmethod
    def of_recipe(cls, table: InputTable) -> Reading:
        """Return how ``[input]`` has files read; ``"auto"`` must have been replaced by a range."""
        if table.value_range == "auto":
            raise ValueError('input.value_range = "auto" has not been replaced by the range of the training images')
        return cls(table.max_pixels, table.value_range, table.bands, table.orientation)

    @classmethod
    def without_range(cls, table: InputTable) -> Reading:
        """Return how ``[input]`` has files read whose range of values is not known yet, or does not matter."""
        return cls.of_recipe(table.model_copy(update={"value_range": None}))

    @property
    def layout(self) -> str:
        """What decides size and bands of a decoded image, as text for a cache key; empty for the defaults."""
        parts = [f"bands={list(self.bands)}"] if self.bands else []
        return " ".join(parts + ([] if self.orientation == "exif" else [f"orientation={self.orientation}"]))

    @property
    def key(self) -> str:
        """What decides the pixels of a decoded image, as text for a cache key; empty for the defaults."""
        low_high = "" if self.value_range is None else f"range={self.value_range[0]!r},{self.value_range[1]!r}"
        return f"{low_high} {self.layout}".strip()


def reading_of(card: Card) -> Reading:
    """Return how a model's images are read: as when it was trained."""
    return Reading(None, card.value_range, card.bands, card.orientation)


PLAIN = Reading()
"""How files are read where neither a recipe nor a model says otherwise."""
