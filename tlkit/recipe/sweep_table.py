"""The ``[sweep]`` table of a recipe: which values of which keys ``tlkit sweep`` tries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from tlkit.contracts import Options
from tlkit.errors import Problem
from tlkit.recipe.messages import Place, problems_of, show
from tlkit.system.text import did_you_mean

MAX_VALUES = 1000
"""Number of values in an array of ``[sweep]``."""
_FIXED = ("name", "task", "plugins", "sweep")
_EXAMPLE = "expected an array of values, or a table such as { low = 1e-4, high = 1e-2, log = true }"


class Range(Options, defer_build=True):
    """A range of numbers: whole ones if its ends are whole, as in ``{ low = 1, high = 4 }``."""

    low: int | float = Field(description="the smallest value")
    high: int | float = Field(description="the largest value")
    step: int | float | None = Field(None, gt=0, description="the distance between values; default: any value")
    log: bool = Field(False, description="try each power of ten as often, as for learning rates")

    @model_validator(mode="after")
    def _ends_fit(self) -> Range:
        if not self.low < self.high:
            raise ValueError("expected low below high")
        if self.log and self.low <= 0:
            raise ValueError("expected low above 0, because log is true")
        if self.log and self.step is not None:
            raise ValueError("expected either log or step")
        if self.step is not None and self.step > self.high - self.low:
            raise ValueError("expected a step of at most the distance from low to high")
        return self

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return all(isinstance(each, int) for each in (self.low, self.high, self.step or 1))

    def probes(self) -> tuple[Any, ...]:
        """Return the values that are checked before the first trial."""
        return (self.low, self.high) if self.whole else (float(self.low), float(self.high))

    def steps(self) -> tuple[Any, ...] | None:
        """Return all values, if they can be counted."""
        step = self.step or (1 if self.whole and not self.log else None)
        if step is None or (self.high - self.low) / step >= MAX_VALUES:
            return None
        count = int((self.high - self.low) / step + 1e-9) + 1
        values = [self.low + number * step for number in range(count)]
        return tuple(values if self.whole else (round(float(each), 12) for each in values))


@dataclass(frozen=True)
class Choices:
    """Values to choose from.

    Args:
        values: the values, as TOML has them.
    """

    values: tuple[Any, ...]

    def probes(self) -> tuple[Any, ...]:
        """Return the values that are checked before the first trial: all."""
        return self.values

    def steps(self) -> tuple[Any, ...] | None:
        """Return all values."""
        return self.values


Dimension = Range | Choices


class SweepTable(Options, defer_build=True):
    """``[sweep]``: what ``tlkit sweep`` tries.

    Every other key is a key of the recipe in quotes, such as ``"head.dropout"``, with an array of values or a range:
    ``{ low = 0.0, high = 0.5, step = 0.1 }`` or ``{ low = 1e-4, high = 1e-2, log = true }``.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    trials: int = Field(20, ge=1, le=100_000, description="number of trials, each a run")
    minutes: float | None = Field(
        None, gt=0, description="begin no further trial after so many minutes of the command; default: no limit"
    )
    metric: str = Field(
        "auto",
        description="the column of metrics.csv by which trials are compared, each by its best epoch; auto: that of "
        'train.monitor; where the loss itself is swept, choose another, such as "val_accuracy"',
    )
    direction: Literal["auto", "minimize", "maximize"] = Field(
        "auto", description="whether less or more of the metric is better; auto: by its name"
    )
    sampler: Literal["tpe", "random", "grid"] = Field(
        "tpe",
        description="how values are chosen; tpe: by what the trials so far show (Bergstra et al. 2011); grid: every "
        "combination in order, which needs arrays, or ranges that are whole or have a step",
    )
    pruner: Literal["median", "hyperband", "none"] = Field(
        "median",
        description="which trials end early; median: one that is worse than half of the others were at that epoch, "
        "after five trials and two epochs; hyperband: by successive halving (Li et al. 2018)",
    )
    round: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="number of trials that are chosen together, by what earlier rounds have shown, and that can run at "
        "the same time on a cluster; default: 1, or with --cluster the number of workers, but at most a quarter of the "
        'trials; without effect for sampler = "random" or "grid" with pruner = "none", whose trials don\'t depend on '
        "each other",
    )


@dataclass(frozen=True)
class Sweep:
    """What a sweep tries.

    Args:
        table: its settings.
        space: dotted key of the recipe → its values.
    """

    table: SweepTable
    space: Mapping[str, Dimension]


def sweep_of(table: SweepTable, problems: list[Problem]) -> Sweep:
    """Return the sweep of a table ``[sweep]``.

    Args:
        table: the table.
        problems: the list that problems are added to.
    """
    before = len(problems)
    space = dict(_dimensions("", table.model_extra or {}, problems))
    if not space and len(problems) == before:
        problems.append(Problem("sweep", f'names no key to try; {_EXAMPLE}, for a key such as "head.dropout"'))
    if table.sampler == "grid":
        for key, each in space.items():
            if each.steps() is None:
                problems.append(
                    Problem(f"sweep.{key}", 'has too many values for sampler = "grid"; expected a step, or an array')
                )
    return Sweep(table, space)


def _dimensions(prefix: str, values: Mapping[str, Any], problems: list[Problem]) -> Iterator[tuple[str, Dimension]]:
    for name, value in values.items():
        key = f"{prefix}{name}"
        if key.partition(".")[0] in _FIXED:
            problems.append(Problem(f"sweep.{key}", f"{key.partition('.')[0]} is the same for all trials"))
        elif isinstance(value, list):
            if 1 <= len(value) <= MAX_VALUES:
                yield key, Choices(tuple(value))
            else:
                message = f"expected 1 to {MAX_VALUES} values, received {len(value)}"
                problems.append(Problem(f"sweep.{key}", message))
        elif isinstance(value, dict) and {"low", "high"} & set(value):
            if (found := _range(key, value, problems)) is not None:
                yield key, found
        elif isinstance(value, dict) and value:
            yield from _dimensions(f"{key}.", value, problems)  # the key is not in quotes
        else:
            settings = [] if "." in key else list(SweepTable.model_fields)
            hint = did_you_mean(name, settings)
            problems.append(Problem(f"sweep.{key}", f"{_EXAMPLE}, received {show(value)}{hint}"))


def _range(key: str, values: dict[str, Any], problems: list[Problem]) -> Range | None:
    try:
        return Range.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        place = Place(f"sweep.{key}", "key of a range", list(Range.model_fields), {})
        problems.extend(problems_of(error, values, Range, place))
        return None


def all_combinations(space: Mapping[str, Dimension]) -> int:
    """Return the number of combinations of values that can be counted."""
    count = 1
    for each in space.values():
        count *= len(each.steps() or ())
    return count


def combination(space: Mapping[str, Dimension], number: int) -> dict[str, Any]:
    """Return a combination of values by its number, in the order of the recipe; the last key changes fastest."""
    chosen: dict[str, Any] = {}
    for key, each in reversed(list(space.items())):
        steps: Sequence[Any] = each.steps() or ()
        number, place = divmod(number, len(steps))
        chosen[key] = steps[place]
    return dict(reversed(chosen.items()))
