"""Find the lone files of another format among many: often a notice that a picture is gone, saved under its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tlkit.contracts import Sample
from tlkit.data.checks.policy import Observation
from tlkit.data.checks.sample_facts import KeyedFacts
from tlkit.files.image_formats import FORMATS

_FEWEST = 200
"""The fewest images among which a format can be a lone one."""
_MAIN = 0.99
"""Share of the images that have the main format."""
_LONE = 5
_LONE_SHARE = 0.005
"""The most files, and their largest share, that are called lone."""

_NAMES = {pillow: each.name for each in FORMATS for pillow in each.pillow_names}


def lone_formats(samples: Sequence[Sample], facts: KeyedFacts) -> Iterator[Observation]:
    """Yield the few images of another format where nearly all images have the same.

    Args:
        samples: the samples.
        facts: sample key → facts of its image.
    """
    of_format: dict[str, list[str]] = {}
    for sample in samples:
        each = facts.kind(sample.key)
        if each.format and not each.problem:
            of_format.setdefault(_NAMES.get(each.format, each.format), []).append(sample.key)
    total = sum(map(len, of_format.values()))
    if total < _FEWEST:
        return
    main = max(of_format, key=lambda name: len(of_format[name]))
    if len(of_format[main]) < _MAIN * total:
        return
    for name, keys in of_format.items():
        if len(keys) <= min(_LONE, _LONE_SHARE * total):
            for key in keys:
                yield Observation("lone_format", key, f"{name} among {len(of_format[main])} {main} files", (), (key,))
