"""The range of values that images of more than 8 bits per channel use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from tlkit.contracts import Sample, SampleSet
from tlkit.data.checks.facts_cache import FactsCache
from tlkit.data.checks.file_facts import Facts
from tlkit.data.checks.policy import Observation
from tlkit.data.checks.sample_facts import read_sample_facts
from tlkit.data.images.reading import Reading

ValueRange = tuple[float, float]

FEW_GRAYS = 64
"""Fewer of the 256 grey levels than this are little to tell pictures apart by."""

_OUTLIERS = 0.01
"""Share of the images, at each end, that don't count."""


def range_in_use(facts: Iterable[Facts]) -> ValueRange | None:
    """Return the range of values that images use; None if none of them has more than 8 bits per channel.

    Each image counts without the darkest and the brightest thousandth of its pixels; the lowest and the highest
    hundredth of the images don't count.
    """
    deep = [each.values for each in facts if each.values]
    if not deep:
        return None
    lows, highs = sorted(each[2] for each in deep), sorted(each[3] for each in deep)
    outliers = round(_OUTLIERS * (len(deep) - 1))
    low, high = lows[outliers], highs[-1 - outliers]
    return (low, high) if low < high else (low, low + 1)


def training_range(
    sample_set: SampleSet, samples: Sequence[Sample], reading: Reading, facts_cache: FactsCache | None = None
) -> ValueRange | None:
    """Return the range that those samples use that no split keeps from training; files are read where necessary.

    Args:
        sample_set: the sample set.
        samples: the samples of it to look at.
        reading: how files are read.
        facts_cache: the facts from earlier checks; None for those in the user's cache folder.
    """
    training = tuple(each for each in samples if each.split in (None, "train"))
    facts = read_sample_facts(
        replace(sample_set, samples=training), reading, facts_cache or FactsCache.of_user(), None, with_masks=False
    )
    return range_in_use(facts.images.values())


def range_note(setting: ValueRange | Literal["auto"] | None, used: ValueRange | None) -> tuple[str, ...]:
    """Return what the user should know about ``input.value_range``.

    Args:
        setting: ``input.value_range``.
        used: the range that the training images use; None if none has more than 8 bits per channel.
    """
    if setting is None:
        return ()
    if used is None:
        return ("input.value_range has no effect: no training image has more than 8 bits per channel",)
    return (f'input.value_range = "auto": {shown(used)}',) if setting == "auto" else ()


def range_observations(
    samples: Sequence[Sample], facts: Mapping[str, Facts], setting: ValueRange | Literal["auto"] | None
) -> Iterator[Observation]:
    """Yield what of the images' values is lost when they become 256 grey levels.

    Args:
        samples: the samples that are used.
        facts: sample key → facts of its image.
        setting: ``input.value_range``.
    """
    if setting == "auto":
        return
    deep = [facts[each.key] for each in samples if facts[each.key].values]
    used = range_in_use(deep)
    if used is None:
        return
    kinds = sorted({each.values[0] for each in deep})
    count = f"{len(deep)} of {len(samples)} images" if len(deep) < len(samples) else f"all {len(deep)} images"
    advice = f'set input.value_range = "auto" or {bracketed(used)}'
    if setting is not None:
        low, high = setting
        beyond = sum(each.values[2] < low or each.values[3] > high for each in deep)
        if beyond > _OUTLIERS * len(deep):
            text = f"{beyond} of {len(deep)} images have values beyond {bracketed(setting)}; they use {shown(used)}"
            yield Observation("value_range", "input.value_range", text)
        elif _grays(used, low, high) < FEW_GRAYS:
            text = f"{count} use {shown(used)} of {bracketed(setting)}: {_left(used, low, high)}; {advice}"
            yield Observation("value_range", "input.value_range", text)
    elif 0 not in kinds and _grays(used, 0, kinds[-1]) < FEW_GRAYS:
        text = f"{count} use {shown(used)} of 0 to {kinds[-1]:g}: {_left(used, 0, kinds[-1])}; {advice}"
        yield Observation("value_range", "input.value_range", text)
    elif 0 in kinds and _own_ranges_differ(deep):
        text = f"{count} use {shown(used)}, and each is scaled from its own range; {advice} to scale all alike"
        yield Observation("value_range", "input.value_range", text)


def _grays(used: ValueRange, low: float, high: float) -> int:
    """Return how many of the 256 grey levels are left of a range, when (low, high) becomes 0-255."""
    return round((used[1] - used[0]) * 255 / (high - low)) + 1


def _left(used: ValueRange, low: float, high: float) -> str:
    count = _grays(used, low, high)
    return f"{count} of 256 grey levels {'is' if count == 1 else 'are'} left"


def _own_ranges_differ(deep: Sequence[Facts]) -> bool:
    """Return whether images without a fixed range are scaled, and not all alike."""
    ranges = [(each.values[1], each.values[4]) for each in deep if not each.values[0]]
    scaled = [each for each in ranges if each[0] < 0 or each[1] > 255 or each[1] <= 1]
    lows, highs = [each[0] for each in scaled], [each[1] for each in scaled]
    if not scaled:
        return False
    spread = max(max(lows) - min(lows), max(highs) - min(highs))
    return spread > 0.05 * (max(highs) - min(lows))


def shown(values: ValueRange) -> str:
    """Return a range for a sentence."""
    return f"{_number(values[0])} to {_number(values[1])}"


def bracketed(values: ValueRange) -> str:
    """Return a range as a recipe writes it."""
    return f"[{_number(values[0])}, {_number(values[1])}]"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6g}"
