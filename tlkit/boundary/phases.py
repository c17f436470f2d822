"""Check the phases that a schedule planned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tlkit.boundary.results import part_problem
from tlkit.contracts import Phase


def phases_problem(phases: Sequence[Any], blocks: Sequence[str]) -> str:
    """Return what is wrong with the phases of a schedule; an empty string if nothing is.

    Args:
        phases: what ``Schedule.plan`` returned.
        blocks: the names of the backbone's blocks.
    """
    if not phases:
        return "expected at least one phase"
    if not all(isinstance(phase, Phase) for phase in phases):
        return f"expected Phases, received {phases!r}"
    for phase in phases:
        problem = part_problem(phase) or _value_problem(phase, blocks)
        if problem:
            return f"phase {phase.name!r}: {problem}"
    names = [phase.name for phase in phases]
    return f"phases have the same name: {names}" if len(set(names)) < len(names) else ""


def _value_problem(phase: Phase, blocks: Sequence[str]) -> str:
    # The name is a part of the names of files.
    if not phase.name or not phase.name.isprintable() or any(each in phase.name for each in '/\\:*?"<>|'):
        return "expected a name that can be a part of a file's name"
    if len(phase.name.encode()) > 100:
        return "expected a name of at most 100 bytes"
    if phase.epochs < 1:
        return f"expected at least 1 epoch, received {phase.epochs}"
    if phase.learning_rate < 0:
        return f"expected a learning rate of at least 0, received {phase.learning_rate}"
    if any(not math.isfinite(factor) or factor < 0 for factor in phase.block_factors.values()):
        return f"expected factors of at least 0, received {phase.block_factors}"
    unknown = [name for name in (*phase.blocks, *phase.block_factors) if name not in blocks]
    if unknown:
        return f"no block {', '.join(unknown)}; the backbone has {', '.join(blocks)}"
    return ""
