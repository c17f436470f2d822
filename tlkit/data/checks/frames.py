"""Recognise near-copies that follow each other by name, as the frames of a video do, and propose how to group them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from tlkit.contracts import Sample
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.policy import Observation
from tlkit.data.splits.labels import numbers_of

_FEWEST = 3
"""Near-copies in a row that are called frames."""
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)$", re.DOTALL)
_PATTERNS = (r"^(.*\D)\d+\D*$", r"^(.*?)\d{1,3}\D*$", r"^(.*?)\d{1,2}\D*$", r"^(.*?)\d\D*$")
"""Patterns to propose, the one with the largest groups first: a name up to its last number, then runs of 1000, 100 and
10 numbers."""
_GROUPS = 5
_GROUPS_OF_CLASS = 3
"""The fewest groups, in all and of each class, that a pattern must make to be worth proposing."""
_KEPT_TOGETHER = 0.8
"""Share of the neighbours within sequences that a pattern must keep together."""

Run = Sequence[Sample]
"""Near-copies that follow each other by name."""


def frame_runs(
    groups: Sequence[Sequence[Sample]], samples: Sequence[Sample], facts: Mapping[str, Facts]
) -> dict[int, list[Run]]:
    """Return the sequences of near-copies.

    Args:
        groups: samples that share a picture.
        samples: all samples; near-copies are in a row if hardly any of them is between two of the sequence.
        facts: sample key → facts of its image.

    Returns:
        place of a group → its sequences, for the groups that consist of nothing else.
    """
    # Not copies of the same bytes under numbered names.
    near = {n: each for n, each in enumerate(groups) if 2 * len({facts[one.key].digest for one in each}) > len(each)}
    if not near:
        return {}
    shared = {sample.key: _beginning(sample.key) for group in near.values() for sample in group}
    of_beginning: dict[str, list[tuple[int, str]]] = {beginning: [] for beginning in shared.values()}
    for sample in samples:
        match = _NUMBERED.match(sample.key)
        named = None if match is None else of_beginning.get(_named(match))
        if match is not None and named is not None:
            named.append((int(match[2]), sample.key))
    places: dict[str, int] = {}
    for named in of_beginning.values():
        places |= {key: place for place, (_, key) in enumerate(sorted(named)) if key in shared}
    found = {}
    for number, group in near.items():
        runs: dict[str, list[Sample]] = defaultdict(list)
        for sample in group:
            runs[shared[sample.key]].append(sample)
        ordered: list[Run] = [sorted(run, key=lambda each: places.get(each.key, 0)) for run in runs.values()]
        if all(_in_a_row([places.get(each.key, 0) for each in run]) for run in ordered):
            found[number] = ordered
    return found


def _beginning(key: str) -> str:
    """Return what the names of a sequence have in common; of a name without a number, all of it."""
    match = _NUMBERED.match(key)
    return key if match is None else _named(match)


def _named(match: re.Match[str]) -> str:
    return f"{match[1]}\0{match[3]}"


def _in_a_row(places: Sequence[int]) -> bool:
    if len(places) < _FEWEST:
        return False
    near = sum(after - before <= 2 for before, after in pairwise(places))
    return near >= _KEPT_TOGETHER * (len(places) - 1)


def frame_observations(
    runs: Sequence[Run], samples: Sequence[Sample], groups: Mapping[str, str | None]
) -> Iterator[Observation]:
    """Yield the sequences, each with the ``input.group_pattern`` to set unless its files are in one group already.

    Args:
        runs: the sequences.
        samples: all samples.
        groups: sample key → its group, where it has one.
    """
    pattern = proposed_pattern(samples, runs)
    advice = (
        f"input.group_pattern = '{pattern}'"
        if pattern
        else "no pattern of the names makes enough groups; name the groups in a table (data.group of a CSV file)"
    )
    for run in runs:
        first, *others = (each.key for each in run)
        own = {groups.get(each.key) for each in run}
        grouped = len(own) == 1 and None not in own
        what = f"all of them in the group {next(iter(own))}" if grouped else advice
        yield Observation("frames", first, f"near-copies in a row: {len(run)}; {what}", tuple(others))


def proposed_pattern(samples: Sequence[Sample], runs: Sequence[Run]) -> str | None:
    """Return the ``input.group_pattern`` with the largest groups that keeps sequences together and leaves a choice.

    A pattern leaves a choice if it makes several groups of each class, so that a split can be made. None: no pattern
    does.
    """
    neighbours = [pair for run in runs for pair in pairwise(run)]
    for pattern in _PATTERNS if neighbours else ():
        compiled = re.compile(pattern)
        of_class: dict[int, set[str]] = defaultdict(set)
        all_groups: set[str] = set()
        for sample in samples:
            group = _group(compiled, sample)
            all_groups.add(group)
            for number in () if sample.label is None else numbers_of(sample):
                of_class[number].add(group)
        together = sum(_group(compiled, one) == _group(compiled, other) for one, other in neighbours)
        if (
            len(all_groups) >= _GROUPS
            and all(len(each) >= _GROUPS_OF_CLASS for each in of_class.values())
            and together >= _KEPT_TOGETHER * len(neighbours)
        ):
            return pattern
    return None


def _group(pattern: re.Pattern[str], sample: Sample) -> str:
    match = pattern.search(sample.key)
    return match[1] if match else sample.key
