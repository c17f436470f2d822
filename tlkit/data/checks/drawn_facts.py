"""Read the facts of masks that a data set draws from annotations."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from tlkit.contracts import DrawnMask, Sample, SampleSet
from tlkit.data.checks.facts import FACTS, Facts
from tlkit.data.checks.facts_cache import FactsCache
from tlkit.data.images.source import AnnotatedMask, mask_of
from tlkit.data.store.store import Progress
from tlkit.errors import DataError
from tlkit.system.parallel import in_threads

_SETTINGS = f"drawn mask {FACTS}"
_REPORTED = 32
"""Number of masks after which progress is reported."""


def read_drawn_facts(
    sample_set: SampleSet, facts_cache: FactsCache, progress: Progress | None = None
) -> Mapping[str, Facts]:
    """Draw the masks of a sample set that come from annotations; masks drawn by an earlier check are not drawn again.

    Args:
        sample_set: the sample set.
        facts_cache: facts from earlier checks; new ones are added.
        progress: called with (done, total) masks.

    Returns:
        sample key → facts of its mask.
    """
    drawn = [each for each in sample_set.samples if isinstance(each.mask, DrawnMask)]
    facts: dict[str, Facts] = {}
    results = in_threads(
        lambda sample: _facts(sample, sample_set, facts_cache), drawn, name="tlkit-draw", ahead=_REPORTED
    )
    for sample, each in zip(drawn, results, strict=True):
        facts[sample.key] = each
        if progress is not None and (len(facts) % _REPORTED == 0 or len(facts) == len(drawn)):
            progress(len(facts), len(drawn))
    return facts


def _facts(sample: Sample, sample_set: SampleSet, facts_cache: FactsCache) -> Facts:
    mask = mask_of(sample, sample_set)
    assert isinstance(mask, AnnotatedMask)
    try:
        content = mask.read()
        digest = hashlib.sha256(content).hexdigest()
        known = facts_cache.same_bytes(digest, _SETTINGS)
        if known is not None:
            return known
        classes = mask.decode(content)
    except DataError as error:
        return Facts(problem="undecodable", reason=str(error).removeprefix(f"{mask.drawn.source}: "))
    counts = np.bincount(classes.reshape(-1))
    facts = Facts(
        digest=digest,
        width=classes.shape[1],
        height=classes.shape[0],
        classes={str(number): int(counts[number]) for number in np.flatnonzero(counts)},
    )
    facts_cache.add_content(_SETTINGS, facts)
    return facts
