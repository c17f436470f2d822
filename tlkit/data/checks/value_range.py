"""The range of values that images of more than 8 bits per channel use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from tlkit.contracts import Sample, SampleSet
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.facts_cache import FactsCache
from tlkit.data.checks.policy import Observation
from tlkit.data.checks.sample_facts import KeyedFacts, read_sample_facts
from tlkit.data.images.reading import Reading

ValueRange = tuple[float, float]

FEW_GRAYS = 64
"""Fewer of the 256 grey levels than this are little to tell pictures apart by."""

_SPREAD = 0.05
"""Own ranges differ if their ends vary by more than this share of all of them together."""

_OUTLIERS = 0.01
"""Share of the images, at each end, that don't count."""


Values = Sequence[float]
"""What ``Bands.used_range`` returns of one image."""


def range_in_use(facts: Iterable[Facts]) -> ValueRange | None:
    """Return the range of values that images use; None if none of them has more than 8 bits per channel."""
    return range_of([each.values for each in facts if each.values])


def range_of(deep: Sequence[Values]) -> ValueRange | None:
    """Return the range of values that images of more than 8 bits use; None if there are none.

    Each image counts without the darkest and the brightest thousandth of its pixels; the lowest and the highest
    hundredth of the images don't count.
    """
    if not deep:
        return None
    lows, highs = sorted(each[2] for each in deep), sorted(each[3] for each in deep)
    outliers = round(_OUTLIERS * (len(deep) - 1))
    low, high = lows[outliers], highs[-1 - outliers]
    return (low, high) if low < high else (low, low + 1)


def lost_by_default(deep: Sequence[Values]) -> str:
    """Return what is lost of images of more than 8 bits without ``input.value_range``; empty if nothing is."""
    used = range_of(deep)
    if used is None:
        return ""
    highest = max(each[0] for each in deep)
    own = [each for each in deep if not each[0]]
    if not own and _grays(used, 0, highest) < FEW_GRAYS:
        return f"{shown(used)} of 0 to {highest:g}: {_left(used, 0, highest)}"
    return f"{shown(used)}, and each is scaled from its own range" if _own_ranges_differ(own) else ""


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
        replace(sample_set, samples=training),
        reading,
        facts_cache or FactsCache.of_user(reread=True),
        None,
        with_masks=False,
    )
    return range_in_use(facts.images.values())


def range_note(
    setting: ValueRange | Literal["auto"] | None, used: ValueRange | None, deep: Sequence[Values] = ()
) -> tuple[str, ...]:
    """Return what the user should know about ``input.value_range``.

    Args:
        setting: ``input.value_range``.
        used: the range that the training images use; None if none has more than 8 bits per channel.
        deep: the values of these images, if they are known.
    """
    if setting is None:
        return ()
    if used is None:
        return ("input.value_range has no effect: no training image has more than 8 bits per channel",)
    if setting != "auto":
        return ()
    lost = lost_by_default(deep)
    without = f"; without it they use {lost}" if lost else ""
    return (f'input.value_range = "auto": the training images use {shown(used)}{without}',)


def range_observations(
    samples: Sequence[Sample], facts: KeyedFacts, setting: ValueRange | Literal["auto"] | None
) -> Iterator[Observation]:
    """Yield what of the images' values is lost when they become 256 grey levels.

    Args:
        samples: the samples that are used.
        facts: sample key → facts of its image.
        setting: ``input.value_range``.
    """
    if setting == "auto":
        return
    deep = [values for each in samples if (values := facts.kind(each.key).values)]
    used = range_of(deep)
    if used is None:
        return
    count = f"{len(deep)} of {len(samples)} images" if len(deep) < len(samples) else f"all {len(deep)} images"
    remedy = f'set input.value_range = "auto" or {bracketed(used)}'
    text = ""
    if setting is None:
        lost = lost_by_default(deep)
        text = f"{count} use {lost}; {remedy}" if lost else ""
    else:
        low, high = setting
        beyond = sum(each[2] < low or each[3] > high for each in deep)
        if beyond > _OUTLIERS * len(deep):
            text = f"{beyond} of {len(deep)} images have values beyond {bracketed(setting)}; they use {shown(used)}"
        elif _grays(used, low, high) < FEW_GRAYS:
            text = f"{count} use {shown(used)} of {bracketed(setting)}: {_left(used, low, high)}; {remedy}"
    if text:
        yield Observation("value_range", "input.value_range", text)


def _grays(used: ValueRange, low: float, high: float) -> int:
    """Return how many of the 256 grey levels are left of a range, when (low, high) becomes 0-255."""
    return round((used[1] - used[0]) * 255 / (high - low)) + 1


def _left(used: ValueRange, low: float, high: float) -> str:
    count = _grays(used, low, high)
    return f"{count} of 256 grey levels {'is' if count == 1 else 'are'} left"


def _own_ranges_differ(own: Sequence[Values]) -> bool:
    """Return whether images without a fixed range are scaled, and not all alike."""
    scaled = [(each[1], each[4]) for each in own if each[1] < 0 or each[4] > 255 or each[4] <= 1]
    if not scaled:
        return False
    lows, highs = zip(*scaled, strict=True)
    spread = max(max(lows) - min(lows), max(highs) - min(highs))
    return bool(spread > _SPREAD * (max(highs) - min(lows)))


def shown(values: ValueRange) -> str:
    """Return a range for a sentence."""
    return f"{_number(values[0])} to {_number(values[1])}"


def bracketed(values: ValueRange) -> str:
    """Return a range as a recipe writes it."""
    return f"[{_number(values[0])}, {_number(values[1])}]"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6g}"
