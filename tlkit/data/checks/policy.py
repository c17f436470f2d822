"""Apply the recipe's ``[check]`` table: observations become findings, and some samples are set aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tlkit.contracts import Sample, Task
from tlkit.data.checks.findings import KINDS, UNUSABLE, Finding, Level
from tlkit.data.images.reading import Reading
from tlkit.recipe.check_table import CheckTable
from tlkit.recipe.input_table import InputTable


@dataclass(frozen=True)
class CheckSettings:
    """The parts of a recipe that a check depends on.

    Args:
        input: the recipe's ``[input]`` table.
        policy: the recipe's ``[check]`` table.
        task: the recipe's task.
        seed: the recipe's seed; it decides the split.
        minimum_classes: the number of classes that the data must have; 0 for images without classes.
    """

    input: InputTable
    policy: CheckTable
    task: Task
    seed: int
    minimum_classes: int = 2

    @property
    def reading(self) -> Reading:
        """How files are read to find facts, which do not depend on the range of values."""
        return Reading.without_range(self.input)


@dataclass(frozen=True, slots=True)
class Observation:
    """Something that a stage of the check noticed. The policy decides what follows from it.

    Args:
        kind: a key of ``findings.KINDS``.
        key: the key of the sample, or the name of the file or class.
        detail: what exactly was noticed.
        others: keys of the other files that are copies or near-copies.
        affected: keys of the samples to set aside if the policy for this kind is "skip".
        reason: why they are set aside; by default the title of the kind and the detail.
    """

    kind: str
    key: str
    detail: str = ""
    others: tuple[str, ...] = ()
    affected: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Tally:
    """The findings so far, and the samples that the policy set aside for them.

    Args:
        samples: all samples of the data set, in its order.
        policy: the recipe's ``[check]`` table.
        findings: the findings in the order in which they were added.
        excluded: key → reason, of the samples that were set aside.
    """

    samples: tuple[Sample, ...]
    policy: CheckTable
    findings: tuple[Finding, ...] = ()
    excluded: Mapping[str, str] = field(default_factory=dict)

    def add(self, observations: Iterable[Observation]) -> Tally:
        """Return the tally with a finding for each observation; kinds without a policy are always errors."""
        findings, excluded = list(self.findings), dict(self.excluded)
        for each in observations:
            level: Level = getattr(self.policy, each.kind, "error")
            findings.append(Finding(each.kind, level, each.key, each.detail, each.others))
            if level == "skip":
                reason = each.reason or f"{KINDS[each.kind][0]}: {each.detail}"
                for key in each.affected:
                    excluded.setdefault(key, reason)
        return replace(self, findings=tuple(findings), excluded=excluded)

    @property
    def left(self) -> list[Sample]:
        """The samples that were not set aside, in the data set's order."""
        return [sample for sample in self.samples if sample.key not in self.excluded]

    @property
    def unusable(self) -> int:
        """The number of samples set aside that no policy allows, such as damaged images."""
        return len({each.key for each in self.findings if each.kind in UNUSABLE} & self.excluded.keys())
