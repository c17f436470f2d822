"""Find masks whose palettes have the classes in another order than those of most masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tlkit.contracts import SampleSet
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.policy import Observation
from tlkit.data.images.palettes import reordered


def palette_observations(sample_set: SampleSet, masks: Mapping[str, Facts]) -> Iterator[Observation]:
    """Yield the masks that are read by the indices of their palettes, whose colours have other indices elsewhere.

    Args:
        sample_set: the sample set.
        masks: sample key → facts of its mask.
    """
    table = sample_set.mask_table
    if table is None or table.channel != "auto" or any(isinstance(key, tuple) for key in table.values):
        return
    palettes = {key: facts.palette for key, facts in masks.items() if facts.palette}
    for key, detail in reordered(palettes).items():
        yield Observation("mask_palette", key, detail, affected=(key,))
